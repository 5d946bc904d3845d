//! Results as tables of Markdown, which read well on a terminal too.

use super::comparison::{Comparison, Verdict, compare, differences};
use super::results::{EngineResults, KernelResults, Results, Start, Task, Throughput};
use super::statistics::Summary;
use super::warnings::warnings;
use crate::report::Table;
use crate::version::VERSION_WITH_COMMIT;

/// What there is to say of results and, where there is an earlier one, of how they compare to it.
pub fn to_markdown(results: &Results, old: Option<&Results>) -> String {
    let mut sections = vec![head(results), throughput(results), against_ceilings(results)];
    sections.extend(results.engines.iter().filter_map(|engine| kernels_of(results, engine)));
    sections.push(start_and_memory(results));
    sections.extend(old.map(|old| comparison(old, results)));
    sections.join("\n")
}

/// The kernels of a training step by count.
pub fn counts(kernels: &[KernelResults], batch: usize) -> String {
    format!("## A training step at batch {batch}, by count\n\n{}", kernel_table(kernels, None))
}

fn head(results: &Results) -> String {
    let Results { date, machine, images, settings, .. } = results;
    let mut text = format!(
        "# Bench of {date}\n\n\
         lenet-gpu {VERSION_WITH_COMMIT} on {}, {} threads, {} {}.\n\
         {} images of {}×{}×{}: {}. Medians of {} runs, of {:.3} s together, ± their robust standard deviation.\n",
        machine.cpu.as_deref().unwrap_or("an unknown processor"),
        machine.threads,
        machine.os,
        machine.architecture,
        whole(images.count as u64),
        images.channels,
        images.height,
        images.width,
        images.name,
        settings.repeats,
        settings.seconds,
    );
    for engine in &results.engines {
        let driver = engine.adapter.as_ref().map_or_else(String::new, |it| format!(", driver {}", it.driver));
        text += &format!("{} is {}{driver}.\n", engine.label, engine.name);
    }
    for warning in warnings(results) {
        text += &format!("\nWarning: {warning}.\n");
    }
    text
}

/// A row for each task and batch size, the engines side by side.
fn throughput(results: &Results) -> String {
    let engines = &results.engines;
    let mut columns = vec!["task".to_owned(), "batch".to_owned()];
    for (place, EngineResults { label, .. }) in engines.iter().enumerate() {
        columns.extend([format!("{label}, images/s"), format!("{label}, µs a step")]);
        if place > 0 {
            columns.push(format!("{label} : {}", engines[0].label));
        }
    }
    let mut table = Table::new(columns);
    for task in Task::ALL {
        for &batch in &results.settings.batches {
            let mut row = vec![task.name().to_owned(), batch.to_string()];
            let first = engines.first().and_then(|engine| find(engine, task, batch));
            for (place, engine) in engines.iter().enumerate() {
                let it = find(engine, task, batch);
                row.extend([
                    cell(it, |it| spread_of(it.images_per_second, &it.step_us)),
                    cell(it, |it| number(it.step_us.median)),
                ]);
                if place > 0 {
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

/// What a step does, and how near that is to the most that the device can.
fn against_ceilings(results: &Results) -> String {
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

fn kernels_of(results: &Results, engine: &EngineResults) -> Option<String> {
    engine.adapter.as_ref()?;
    let how = if engine.kernels.iter().all(|kernel| kernel.us.is_some()) {
        "Times are the device's own, each kernel in a pass of its own, so together they are more than a step."
    } else {
        "This device has no clock that tells times."
    };
    let (batch, label) = (results.settings.profile_batch, &engine.label);
    let table = kernel_table(&engine.kernels, Some(engine));
    Some(format!("## A training step at batch {batch}, kernel by kernel: {label}\n\n{how}\n\n{table}"))
}

/// Times and rates only where an engine has some.
fn kernel_table(kernels: &[KernelResults], engine: Option<&EngineResults>) -> String {
    let total: Option<f64> = kernels.iter().map(|kernel| Some(kernel.us.as_ref()?.median)).sum();
    let mut columns = vec!["kernel", "workgroups", "barriers", "MFLOP", "KB"];
    if total.is_some() {
        columns.extend(["µs", "share", "GFLOP/s", "GB/s", "of the roof"]);
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
    let mut sum = vec![
        format!("{} dispatches", kernels.len()),
        whole(kernels.iter().map(|kernel| kernel.workgroups).sum()),
        kernels.iter().map(|kernel| kernel.barriers).sum::<usize>().to_string(),
        cell(kernels.iter().map(|kernel| Some(kernel.work?.flops as f64)).sum(), |flops: f64| {
            number(flops * 1e-6)
        }),
        cell(kernels.iter().map(|kernel| Some(kernel.work?.bytes as f64)).sum(), |bytes: f64| {
            number(bytes * 1e-3)
        }),
    ];
    if let Some(total) = total {
        sum.extend([number(total), percent(1.0), String::new(), String::new(), String::new()]);
    }
    push(&mut table, sum);
    table.to_markdown()
}

fn start_and_memory(results: &Results) -> String {
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

fn comparison(old: &Results, new: &Results) -> String {
    let rows = compare(old, new);
    let mut text = format!("## Against the bench of {}, of lenet-gpu {}", old.date, old.program.version);
    if !old.program.commit.is_empty() {
        text += &format!(" ({})", old.program.commit);
    }
    text += "\n\n";
    for difference in differences(old, new) {
        text += &format!("Warning: {difference}.\n\n");
    }
    if rows.is_empty() {
        return text
            + "The two have no measurement in common: neither an engine, nor a task at the same batch size.\n";
    }
    let mut table = Table::new([
        "engine",
        "task",
        "batch",
        "old, images/s",
        "new, images/s",
        "new : old",
        "noise",
        "verdict",
    ]);
    for row in &rows {
        let Comparison { label, task, batch, old, new, noise } = row;
        push(
            &mut table,
            vec![
                label.clone(),
                task.name().to_owned(),
                batch.to_string(),
                number(*old),
                number(*new),
                format!("{:.3}×", row.ratio()),
                format!("± {}", percent(*noise)),
                match row.verdict() {
                    Verdict::Faster => "faster",
                    Verdict::Slower => "slower",
                    Verdict::WithinNoise => "within noise",
                }
                .to_owned(),
            ],
        );
    }
    text + &table.to_markdown()
}

fn push(table: &mut Table, row: Vec<String>) {
    table.push(row).expect("a row has a cell for each column");
}

/// A dash stands for what is not known.
fn cell<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

fn spread_of(value: f64, summary: &Summary) -> String {
    format!("{} ± {}", number(value), percent(summary.spread))
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn milliseconds(seconds: f64) -> String {
    format!("{} ms", number(1e3 * seconds))
}

/// Three digits that matter, or all of those before the point: 0.123, 12.3, 1,234.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    match (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize {
        0 => whole(value.round() as u64),
        digits => format!("{value:.digits$}"),
    }
}

/// In thousands: 1,234,567.
fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter_or_their_thousands() {
        for (value, expected) in [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
