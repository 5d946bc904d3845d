//! Start-up time, latency and memory of each engine.

use super::cells::{cell, milliseconds, number, push, spread_of};
use crate::bench::results::{Results, Startup};
use crate::bench::statistics::Summary;
use crate::report::Table;

/// A row for each engine and quantity.
pub(super) fn table(results: &Results) -> String {
    let megabytes = |bytes: Option<u64>| cell(bytes, |bytes| format!("{} MB", number(bytes as f64 * 1e-6)));
    let mut table = Table::new(["engine", "what", "value"]);
    for engine in &results.engines {
        let mut row = |what: &str, value: String| {
            push(&mut table, vec![engine.label.clone(), what.to_owned(), value]);
        };
        let Startup { phases, peak_memory } = &engine.startup;
        for phase in phases {
            row(&phase.name, milliseconds(phase.seconds));
        }
        row("start-up in total", milliseconds(phases.iter().map(|phase| phase.seconds).sum()));
        let microseconds = |us: &Summary| format!("{} µs", spread_of(us.median, us));
        row("latency of one image", microseconds(&engine.latency_us));
        row("recording a training step on the host", cell(engine.encode_us.as_ref(), microseconds));
        row("peak memory", megabytes(*peak_memory));
    }
    format!(
        "## Start-up, latency, memory\n\n\
         At batch size {}. Each engine is started in a separate process and timed up to the end of its first step; \
         drivers and the system may have cached files and kernels in earlier runs. Its peak memory is that of this \
         process. The peak memory of the benchmark itself, with all engines and batch sizes, was {}.\n\n{}",
        results.settings.profile_batch,
        megabytes(results.peak_memory),
        table.to_markdown()
    )
}
