//! How each engine starts, how soon it answers, and what memory it takes.

use super::cells::{cell, milliseconds, number, push, spread_of};
use crate::bench::results::{Results, Start};
use crate::bench::statistics::Summary;
use crate::report::Table;

/// A row for each engine and thing.
pub(super) fn table(results: &Results) -> String {
    let megabytes = |bytes: Option<u64>| cell(bytes, |bytes| format!("{} MB", number(bytes as f64 * 1e-6)));
    let mut table = Table::new(["engine", "what", "how much"]);
    for engine in &results.engines {
        let mut row = |what: &str, how_much: String| {
            push(&mut table, vec![engine.label.clone(), what.to_owned(), how_much]);
        };
        let Start { stages, peak_memory } = &engine.start;
        for stage in stages {
            row(&stage.what, milliseconds(stage.seconds));
        }
        row("the start as a whole", milliseconds(stages.iter().map(|stage| stage.seconds).sum()));
        let microseconds = |us: &Summary| format!("{} µs", spread_of(us.median, us));
        row("one image, from asking to knowing", microseconds(&engine.latency_us));
        row("the host records a training step", cell(engine.encode_us.as_ref(), microseconds));
        row("main memory at most", megabytes(*peak_memory));
    }
    format!(
        "## Start, latency, memory\n\n\
         At batch {}. Each engine starts in a process of its own, up to the end of its first step; what \
         drivers and the system keep in their caches from earlier runs is there. Its memory is that \
         process's. With all engines in turn, at every batch size, it was {}.\n\n{}",
        results.settings.profile_batch,
        megabytes(results.peak_memory),
        table.to_markdown()
    )
}
