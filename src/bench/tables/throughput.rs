//! The throughput of all engines, side by side.

use super::cells::{cell, number, push, spread_of};
use crate::bench::results::{EngineResults, Results, Task, Throughput};
use crate::report::Table;

/// A row for each task and batch size, with the engines side by side.
pub(super) fn table(results: &Results) -> String {
    let engines = &results.engines;
    let mut columns = vec!["task".to_owned(), "batch".to_owned()];
    for (index, EngineResults { label, .. }) in engines.iter().enumerate() {
        columns.extend([format!("{label}, images/s"), format!("{label}, µs/step")]);
        if index > 0 {
            columns.push(format!("{label} : {}", engines[0].label));
        }
    }
    let mut table = Table::new(columns);
    for task in Task::ALL {
        for &batch in &results.settings.batches {
            let mut row = vec![task.name().to_owned(), batch.to_string()];
            let first = engines.first().and_then(|engine| find(engine, task, batch));
            for (index, engine) in engines.iter().enumerate() {
                let it = find(engine, task, batch);
                row.extend([
                    cell(it, |it| spread_of(it.images_per_second, &it.step_us)),
                    cell(it, |it| number(it.step_us.median)),
                ]);
                if index > 0 {
                    let ratio =
                        it.zip(first).map(|(it, first)| it.images_per_second / first.images_per_second);
                    row.push(cell(ratio, |ratio| format!("{ratio:.2}×")));
                }
            }
            push(&mut table, row);
        }
    }
    format!("## Throughput\n\n{}", table.to_markdown())
}

fn find(engine: &EngineResults, task: Task, batch: usize) -> Option<&Throughput> {
    engine.throughput.iter().find(|it| (it.task, it.batch) == (task, batch))
}
