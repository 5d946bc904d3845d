//! Means and ranges over runs.

use super::Run;

/// The test accuracies at the end of runs, as fractions.
pub(super) fn test_accuracies(runs: &[&Run]) -> Vec<f64> {
    runs.iter().map(|run| run.last().test_accuracy).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn lowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(super) fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Formats fractions as percentages: the mean with the range.
pub(super) fn mean_and_range(values: &[f64]) -> String {
    match values {
        [] => "none".to_owned(),
        [one] => format!("{:.2} %", 100.0 * one),
        many => format!(
            "{:.2} % ({:.2} to {:.2})",
            100.0 * mean(many),
            100.0 * lowest(many),
            100.0 * highest(many)
        ),
    }
}

/// Describes how runs ended, grouping those that ended after the same number of epochs in the same way.
pub(super) fn describe_ends(runs: &[&Run]) -> String {
    let mut ends: Vec<(u64, bool)> = runs.iter().map(|run| (run.last().epoch, run.stopped)).collect();
    ends.sort_unstable();
    ends.dedup();
    let descriptions = ends.into_iter().map(|(epoch, stopped)| {
        let group = runs.iter().filter(|run| (run.last().epoch, run.stopped) == (epoch, stopped));
        let accuracies: Vec<_> = group.map(|run| run.last().train_accuracy).collect();
        let epochs = if epoch == 1 { "1 epoch".to_owned() } else { format!("{epoch} epochs") };
        let how = if stopped { "stopped at" } else { "with" };
        format!("after {epochs}, {how} {} training accuracy", mean_and_range(&accuracies))
    });
    descriptions.collect::<Vec<_>>().join("; ")
}
