//! What a step does, and how near that is to the most that the device can.

use super::cells::{cell, number, percent, push};
use crate::bench::results::{EngineResults, Results};
use crate::report::Table;

/// A row for each engine, task and batch size.
pub(super) fn table(results: &Results) -> String {
    let mut text = String::from("## Work\n\n");
    for EngineResults { label, ceilings, .. } in &results.engines {
        text += &format!(
            "At most, by its own probes, {label} does {} GFLOP/s of multiply-adds and copies {} GB/s.\n",
            number(ceilings.gflops),
            number(ceilings.gbytes)
        );
    }
    text += "Bytes count each tensor once: what a kernel loads again comes from caches. `of the roof` is the \
             least time that such work takes, by arithmetic or by bytes, over the time that it took; work that \
             fits into caches can be above it.\n\n";
    let mut table = Table::new([
        "engine",
        "task",
        "batch",
        "dispatches a step",
        "MFLOP",
        "MB",
        "GFLOP/s",
        "GB/s",
        "of the roof",
        "buffers, MB",
    ]);
    for engine in &results.engines {
        for it in &engine.throughput {
            let least = it.work.map(|work| engine.ceilings.least_seconds(&work));
            push(
                &mut table,
                vec![
                    engine.label.clone(),
                    it.task.name().to_owned(),
                    it.batch.to_string(),
                    cell(it.dispatches, |count| count.to_string()),
                    cell(it.work, |work| number(work.flops as f64 * 1e-6)),
                    cell(it.work, |work| number(work.bytes as f64 * 1e-6)),
                    cell(it.gflops, number),
                    cell(it.gbytes, number),
                    cell(least, |least| percent(1e6 * least / it.step_us.median)),
                    cell(it.buffer_bytes, |bytes| number(bytes as f64 * 1e-6)),
                ],
            );
        }
    }
    text + &table.to_markdown()
}
