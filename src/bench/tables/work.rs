//! The work of a step, and how close it gets to the device's ceilings.

use super::cells::{cell, number, percent, push};
use crate::bench::results::{EngineResults, Results};
use crate::report::Table;

/// A row for each engine, task and batch size.
pub(super) fn table(results: &Results) -> String {
    let mut text = String::from("## Work\n\n");
    for EngineResults { label, ceilings, .. } in &results.engines {
        text += &format!(
            "The measured ceilings of {label} are {} GFLOP/s of multiply-adds and {} GB/s of copying.\n",
            number(ceilings.gflops),
            number(ceilings.gbytes)
        );
    }
    text += "Bytes count each tensor once; repeated loads are assumed to hit caches. `of roofline` is the least time \
             that the work can take, limited by arithmetic or by bytes, divided by the time it took. It can exceed \
             100 % if the data fits into caches.\n\n";
    let mut table = Table::new([
        "engine",
        "task",
        "batch",
        "dispatches/step",
        "MFLOP",
        "MB",
        "GFLOP/s",
        "GB/s",
        "of roofline",
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
