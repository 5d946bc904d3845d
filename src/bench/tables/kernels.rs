//! A training step, kernel by kernel.

use super::cells::{cell, number, percent, push, spread_of};
use crate::bench::results::{EngineResults, KernelResults, Results};
use crate::gpu::cost::Cost;
use crate::report::Table;
use crate::wording::{count, whole};

/// The counted work of each kernel of a training step.
pub fn counts(kernels: &[KernelResults], batch: usize) -> String {
    format!("## Work of a training step at batch size {batch}\n\n{}", kernel_table(kernels, None))
}

/// The kernels of a GPU with their times; `None` for the CPU engine, whose operations are not timed one by one.
pub(super) fn table(results: &Results, engine: &EngineResults) -> Option<String> {
    engine.adapter.as_ref()?;
    let how = if engine.kernels.iter().all(|kernel| kernel.us.is_some()) {
        "Times are by the device's clock. Each kernel runs in its own compute pass, so their sum exceeds the time of a step."
    } else {
        "This device has no clock to time kernels with."
    };
    let (batch, label) = (results.settings.profile_batch, &engine.label);
    let table = kernel_table(&engine.kernels, Some(engine));
    Some(format!("## A training step at batch size {batch}, kernel by kernel: {label}\n\n{how}\n\n{table}"))
}

/// A row for each kernel and one for their sum, with times and rates if they were measured.
fn kernel_table(kernels: &[KernelResults], engine: Option<&EngineResults>) -> String {
    let total: Option<f64> = kernels.iter().map(|kernel| Some(kernel.us.as_ref()?.median)).sum();
    let mut columns = vec!["kernel", "workgroups", "barriers", "MFLOP", "KB"];
    if total.is_some() {
        columns.extend(["µs", "share", "GFLOP/s", "GB/s", "of roofline"]);
    }
    let mut table = Table::new(columns);
    for kernel in kernels {
        let mut row = vec![
            kernel.label.clone(),
            whole(kernel.workgroups),
            kernel.barriers.to_string(),
            cell(kernel.work, |work| number(work.flops as f64 * 1e-6)),
            cell(kernel.work, |work| number(work.bytes as f64 * 1e-3)),
        ];
        if let (Some(total), Some(us)) = (total, &kernel.us) {
            let least = kernel.work.zip(engine).map(|(work, engine)| engine.ceilings.least_seconds(&work));
            row.extend([
                spread_of(us.median, us),
                percent(us.median / total),
                cell(kernel.work, |work| number(work.flops as f64 * 1e-3 / us.median)),
                cell(kernel.work, |work| number(work.bytes as f64 * 1e-3 / us.median)),
                cell(least, |least| percent(1e6 * least / us.median)),
            ]);
        }
        push(&mut table, row);
    }
    let work = kernels.iter().try_fold(Cost::default(), |sum, kernel| Some(sum + kernel.work?));
    let mut sum = vec![
        count(kernels.len(), "dispatch"),
        whole(kernels.iter().map(|kernel| kernel.workgroups).sum()),
        kernels.iter().map(|kernel| kernel.barriers).sum::<usize>().to_string(),
        cell(work, |work| number(work.flops as f64 * 1e-6)),
        cell(work, |work| number(work.bytes as f64 * 1e-3)),
    ];
    if let Some(total) = total {
        sum.extend([number(total), percent(1.0), String::new(), String::new(), String::new()]);
    }
    push(&mut table, sum);
    table.to_markdown()
}
