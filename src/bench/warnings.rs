//! What makes results unreliable, and what to do about it.

use super::results::Results;
use crate::wording::count;

/// With a larger relative spread than this, small differences cannot be detected.
const NOISY_SPREAD: f64 = 0.05;

/// Returns the warnings, one sentence each.
pub fn warnings(results: &Results) -> Vec<String> {
    let software = results.engines.iter().filter_map(|engine| {
        let adapter = engine.adapter.as_ref().filter(|adapter| adapter.software)?;
        Some(format!(
            "{} is a software adapter: it runs on the CPU, so its figures say nothing about a GPU; install your \
             GPU's driver, or measure the CPU engine",
            adapter.name
        ))
    });
    let machine = &results.machine;
    let busy = machine.load.filter(|_| machine.is_busy()).map(|load| {
        format!(
            "the machine was busy before the benchmark started (load {load:.1} on {}); close other programs, \
             wait a minute and run the benchmark again",
            count(machine.threads, "thread")
        )
    });
    software.chain(busy).chain(noisy(results)).chain(outlying(results)).collect()
}

/// Warns about noisy measurements and names the noisiest.
fn noisy(results: &Results) -> Option<String> {
    let all =
        || results.engines.iter().flat_map(|engine| engine.throughput.iter().map(move |it| (engine, it)));
    let count = all().filter(|(_, it)| it.step_us.spread > NOISY_SPREAD).count();
    let (engine, worst) = all().max_by(|(_, a), (_, b)| a.step_us.spread.total_cmp(&b.step_us.spread))?;
    (count > 0).then(|| {
        format!(
            "{count} of {} measurements vary by more than {:.0} %, most of all {} on {} at batch size {} ({:.0} %); \
             close other programs, plug in the machine, or measure longer with more repeats",
            all().count(),
            100.0 * NOISY_SPREAD,
            worst.task.name(),
            engine.label,
            worst.batch,
            100.0 * worst.step_us.spread
        )
    })
}

/// Warns about disturbed runs, although the medians tolerate them.
fn outlying(results: &Results) -> Option<String> {
    let all = results.engines.iter().flat_map(|engine| &engine.throughput);
    let (outliers, runs) = all.fold((0, 0), |(outliers, runs), it| {
        (outliers + it.step_us.outliers(), runs + it.step_us.values.len())
    });
    // With few repeats, an occasional value looks like an outlier by chance.
    (outliers * 10 > runs).then(|| {
        format!(
            "{outliers} of {runs} runs took much longer or shorter than the others, so other programs probably ran \
             at times; the medians tolerate that, but check `values` in the JSON before trusting a small difference"
        )
    })
}
