//! What makes a result doubtful, and what to do about it.

use super::results::Results;

/// Repeats that spread by more than this share do not tell small differences.
const NOISY: f64 = 0.05;

/// Each in a sentence.
pub fn warnings(results: &Results) -> Vec<String> {
    let software = results.engines.iter().filter_map(|engine| {
        let adapter = engine.adapter.as_ref().filter(|adapter| adapter.software)?;
        Some(format!(
            "{} is a software adapter: the CPU plays a GPU, so its figures tell of this CPU and of no GPU; \
             install the GPU's driver, or measure --backend cpu",
            adapter.name
        ))
    });
    let machine = &results.machine;
    let busy = machine.load.filter(|_| machine.is_busy()).map(|load| {
        format!(
            "the machine was busy before the bench began (a load of {load:.1} on {} threads): end other \
             programs, wait a minute, and measure again",
            machine.threads
        )
    });
    software.chain(busy).chain(noisy(results)).chain(outlying(results)).collect()
}

/// Names the measurement that spreads most.
fn noisy(results: &Results) -> Option<String> {
    let all =
        || results.engines.iter().flat_map(|engine| engine.throughput.iter().map(move |it| (engine, it)));
    let count = all().filter(|(_, it)| it.step_us.spread > NOISY).count();
    let (engine, worst) = all().max_by(|(_, a), (_, b)| a.step_us.spread.total_cmp(&b.step_us.spread))?;
    (count > 0).then(|| {
        format!(
            "{count} of {} measurements spread by more than {:.0} %, most of all {} by {} at batch {} ({:.0} %): end \
             other programs, plug the machine in, or give it more time with --seconds and --repeats",
            all().count(),
            100.0 * NOISY,
            worst.task.name(),
            engine.label,
            worst.batch,
            100.0 * worst.step_us.spread
        )
    })
}

/// Tells of disturbed runs, which the medians bear.
fn outlying(results: &Results) -> Option<String> {
    let all = results.engines.iter().flat_map(|engine| &engine.throughput);
    let (outliers, runs) = all.fold((0, 0), |(outliers, runs), it| {
        (outliers + it.step_us.outliers(), runs + it.step_us.values.len())
    });
    // Of a few repeats now and then one looks like an outlier and is none.
    (outliers * 10 > runs).then(|| {
        format!(
            "{outliers} of {runs} runs took much longer or shorter than the others, so something else ran at \
             times: the medians bear that, but look at `values` in the JSON before you trust a small difference"
        )
    })
}
