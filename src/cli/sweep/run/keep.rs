//! Which folders of ended members can be removed with `--keep best`: those that cannot be the best member's any more.

use std::mem;

use crate::sweep::{MemberResult, Metric};

/// Follows which members can still be the best: the best member is that of the setting with the best mean.
pub struct Candidates {
    metric: Metric,
    /// Number of members of each setting.
    seeds: usize,
    settings: Vec<Ended>,
    /// The complete settings with the best mean, and that mean.
    best: Vec<usize>,
    mean: Option<f64>,
}

/// The members of a setting that have ended.
#[derive(Clone, Default)]
struct Ended {
    number: usize,
    sum: f64,
    has_failed: bool,
    /// The finished members that can still be the best of the setting; several if they are equal.
    best: Vec<usize>,
    value: f64,
}

impl Candidates {
    pub fn new(metric: Metric, settings: usize, seeds: usize) -> Self {
        let settings = vec![Ended::default(); settings];
        Self { metric, seeds, settings, best: Vec::new(), mean: None }
    }

    /// Records a member that has ended, and returns the members whose folders are not needed any more.
    pub fn end(&mut self, result: &MemberResult) -> Vec<usize> {
        let metric = self.metric;
        let mut removed = Vec::new();
        let setting = &mut self.settings[result.setting];
        setting.number += 1;
        match result.final_metric(metric) {
            None => {
                setting.has_failed = true;
                removed.push(result.member);
            }
            Some(value) => {
                setting.sum += value;
                if setting.best.is_empty() || is_better(metric, value, setting.value) {
                    setting.value = value;
                    removed.extend(mem::replace(&mut setting.best, vec![result.member]));
                } else if value == setting.value {
                    setting.best.push(result.member);
                } else {
                    removed.push(result.member);
                }
            }
        }
        if setting.number == self.seeds {
            removed.extend(self.complete(result.setting));
        }
        removed
    }

    /// Compares a setting whose members have all ended with the best one so far. Settings with members that have not
    /// finished rank behind all others.
    fn complete(&mut self, index: usize) -> Vec<usize> {
        let setting = &self.settings[index];
        let mut losers = Vec::new();
        if !setting.has_failed {
            let mean = setting.sum / self.seeds as f64;
            // Sums in another order are rounded differently.
            let tolerance = 1e-9 * mean.abs();
            match self.mean {
                Some(best) if (mean - best).abs() <= tolerance => self.best.push(index),
                Some(best) if !is_better(self.metric, mean, best) => losers.push(index),
                _ => {
                    self.mean = Some(mean);
                    losers.extend(mem::replace(&mut self.best, vec![index]));
                }
            }
        }
        if self.mean.is_some() {
            let is_behind = |ended: &Ended| ended.number == self.seeds && ended.has_failed;
            losers.extend((0..self.settings.len()).filter(|&index| is_behind(&self.settings[index])));
        }
        losers.into_iter().flat_map(|index| mem::take(&mut self.settings[index].best)).collect()
    }
}

/// Whether a value of a metric is better than another.
pub fn is_better(metric: Metric, value: f64, other: f64) -> bool {
    if metric.is_accuracy() { value > other } else { value < other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::MemberStatus;
    use crate::train::EpochRecord;

    fn end(keep: &mut Candidates, member: usize, accuracy: Option<f64>) -> Vec<usize> {
        let epochs = accuracy.map(|test_accuracy| EpochRecord { test_accuracy, ..EpochRecord::default() });
        let mut removed = keep.end(&MemberResult {
            member,
            setting: member / 2,
            seed: 0,
            options: Vec::new(),
            status: if accuracy.is_some() { MemberStatus::Finished } else { MemberStatus::Failed },
            error: None,
            run: String::new(),
            epochs: epochs.into_iter().collect(),
            seconds: 0.0,
        });
        removed.sort_unstable();
        removed
    }

    const NONE: [usize; 0] = [];

    fn keep() -> Candidates {
        Candidates::new(Metric::TestAccuracy, 3, 2)
    }

    #[test]
    fn only_the_best_member_of_a_setting_can_be_the_best() {
        let mut keep = keep();
        assert_eq!(end(&mut keep, 0, Some(0.5)), NONE);
        assert_eq!(end(&mut keep, 1, Some(0.75)), [0]);
        assert_eq!(end(&mut keep, 2, Some(0.5)), NONE);
        assert_eq!(end(&mut keep, 3, Some(0.25)), [2, 3], "the mean of the first setting is higher");
        assert_eq!(end(&mut keep, 4, Some(1.0)), NONE);
        assert_eq!(end(&mut keep, 5, Some(0.5)), [1, 5]);
    }

    #[test]
    fn equal_members_and_equal_settings_are_kept() {
        let mut keep = keep();
        let removed: Vec<_> = (0..4).flat_map(|member| end(&mut keep, member, Some(0.5))).collect();
        assert_eq!(removed, NONE);
        assert_eq!(end(&mut keep, 4, Some(0.75)), NONE);
        assert_eq!(end(&mut keep, 5, Some(0.5)), [0, 1, 2, 3, 5]);
    }

    #[test]
    fn a_setting_with_a_failed_member_ranks_behind_complete_ones() {
        let mut keep = keep();
        assert_eq!(end(&mut keep, 0, None), [0]);
        assert_eq!(end(&mut keep, 1, Some(0.75)), NONE);
        assert_eq!(end(&mut keep, 2, Some(0.5)), NONE);
        assert_eq!(end(&mut keep, 3, Some(0.25)), [1, 3]);
    }
}
