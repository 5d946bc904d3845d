//! The results of settings over their seeds, and whether the best two differ by more than noise.

use super::{MemberResult, Metric, Plan};

/// What came of the members of a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingSummary {
    /// The index of the setting in [`Plan::settings`].
    pub setting: usize,
    /// The metric of each finished member, in the order of the seeds.
    pub metrics: Vec<f64>,
    /// Their mean; `None` if no member has finished.
    pub mean: Option<f64>,
    /// Their sample standard deviation (divided by n − 1); `None` below two members.
    pub deviation: Option<f64>,
    /// The lowest metric.
    pub min: Option<f64>,
    /// The highest metric.
    pub max: Option<f64>,
    /// Number of failed members.
    pub failed: usize,
    /// Number of members that successive halving ended.
    pub eliminated: usize,
    /// Number of members without a result.
    pub missing: usize,
    /// The last epoch that all of its members have completed.
    pub epochs: u64,
}

/// Whether the best two settings differ by more than noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The p-value of the test; `None` if it could not be done.
    pub p: Option<f64>,
    /// Whether p is below 0.05.
    pub is_significant: bool,
    /// The finding in plain English, with the test and what it assumes; one or two sentences.
    pub statement: String,
}

/// Summarises all settings, the best first: those of which all members have finished by their mean, then those with failed
/// members by the mean of the others, then eliminated ones by how far they got, then those without results.
pub fn ranking(plan: &Plan, metric: Metric, results: &[MemberResult]) -> Vec<SettingSummary> {
    let _ = (plan, metric, results);
    todo!()
}

/// Compares the best two settings of a ranking.
pub fn compare(ranking: &[SettingSummary], metric: Metric) -> Comparison {
    let _ = (ranking, metric);
    todo!()
}

/// The finished member with the best metric of the best setting; its model is the sweep's model.
pub fn best_member<'a>(
    ranking: &[SettingSummary],
    metric: Metric,
    results: &'a [MemberResult],
) -> Option<&'a MemberResult> {
    let _ = (ranking, metric, results);
    todo!()
}
