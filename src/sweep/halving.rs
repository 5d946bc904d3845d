//! Successive halving: settings that do badly early are not trained to the end.
//!
//! For runs of E epochs, settings are compared after E/3, E/9, E/27, ... epochs, rounded down: the rungs. At a rung, once
//! every setting that is left has got there, the best third continues (rounded up); the others end. There are as many rungs
//! as it takes to leave one setting, but none before the first epoch has ended. With 27 settings and 30 epochs, 27 settings
//! are trained for 1 epoch, 9 for 3, 3 for 10, and 1 for 30.
//!
//! Settings are compared by the mean of the metric over their seeds after the rung's epoch. A member that ended earlier, by an
//! early-stopping rule, counts with its last epoch. A setting with a failed member comes after all without one. Of equal
//! settings, the first in the plan is better.
//!
//! A member that waits at a rung is only paused: it has the learning-rate schedule of the full length, and computes the same
//! bits as a run without pauses.
//!
//! (Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016; the factor 3 as
//! in Li et al., "Hyperband", 2018.)

use std::cmp::Ordering;

use super::{MemberStatus, Metric, Plan};
use crate::train::EpochRecord;

/// One of this many settings continues.
const FACTOR: usize = 3;

/// The rule of successive halving; with no rungs, all members train to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halving {
    /// The epochs after which settings are compared, in rising order.
    rungs: Vec<u64>,
}

/// Why settings cannot be compared early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HalvingError {
    /// Too few epochs.
    #[error(
        "successive halving needs at least 3 epochs, of which the first third is a trial; the runs have {0}"
    )]
    FewEpochs(f64),
    /// Too few settings.
    #[error("successive halving needs at least 3 settings, of which a third continues; the sweep has {0}")]
    FewSettings(usize),
}

/// How far a member has got.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemberProgress<'a> {
    /// The records of the epochs that it has completed.
    pub epochs: &'a [EpochRecord],
    /// How it ended; `None` if it has not, even if it waits at a rung.
    pub ended: Option<MemberStatus>,
}

/// What a member is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It trains until it has completed this many epochs, and is then paused; `None`: to the end of its run.
    Train {
        /// The number of completed epochs at which it is paused.
        until: Option<u64>,
    },
    /// It waits at a rung for members of other settings.
    Wait,
    /// Its setting is not among the best third at a rung: it is to be recorded as [`MemberStatus::Eliminated`].
    Eliminate {
        /// The number of epochs after which the settings were compared.
        rung: u64,
    },
    /// It has ended.
    Ended,
}

impl Halving {
    /// Returns the rule for a number of settings that are trained for this many epochs.
    ///
    /// # Errors
    /// If there are too few epochs or settings.
    pub fn new(settings: usize, epochs: f64) -> Result<Self, HalvingError> {
        if settings < FACTOR {
            return Err(HalvingError::FewSettings(settings));
        }
        let mut epoch = (epochs / FACTOR as f64) as u64;
        if epoch == 0 {
            return Err(HalvingError::FewEpochs(epochs));
        }
        let (mut rungs, mut left) = (Vec::new(), settings);
        while left > 1 && epoch >= 1 {
            rungs.push(epoch);
            epoch /= FACTOR as u64;
            left = left.div_ceil(FACTOR);
        }
        rungs.reverse();
        Ok(Self { rungs })
    }

    /// Returns the rule by which all members train to their end.
    pub fn none() -> Self {
        Self { rungs: Vec::new() }
    }

    /// Returns the epochs after which settings are compared, in rising order.
    pub fn rungs(&self) -> &[u64] {
        &self.rungs
    }

    /// Returns what each member of the plan is to do next, given how far each has got, in the order of
    /// [`Plan::members`]. It depends on nothing else, so that a resumed sweep takes the same decisions. To be asked
    /// again whenever a member has ended or has been paused.
    ///
    /// # Panics
    /// If `progress` is not as long as the plan.
    pub fn goals(&self, plan: &Plan, metric: Metric, progress: &[MemberProgress]) -> Vec<Goal> {
        let seeds = plan.seeds.len();
        assert_eq!(progress.len(), plan.settings.len() * seeds, "one progress per member");
        let members = |setting: usize| setting * seeds..(setting + 1) * seeds;
        let mut goals = vec![Goal::Ended; progress.len()];
        let mut set = |settings: &[usize], goal: &dyn Fn(&MemberProgress) -> Goal| {
            for member in settings.iter().flat_map(|&setting| members(setting)) {
                if progress[member].ended.is_none() {
                    goals[member] = goal(&progress[member]);
                }
            }
        };

        let mut left: Vec<usize> = (0..plan.settings.len()).collect();
        for &rung in &self.rungs {
            let is_there =
                |member: &MemberProgress| member.ended.is_some() || member.epochs.len() as u64 >= rung;
            if !left.iter().all(|&setting| progress[members(setting)].iter().all(is_there)) {
                set(&left, &|member| match is_there(member) {
                    true => Goal::Wait,
                    false => Goal::Train { until: Some(rung) },
                });
                return goals;
            }
            let mut scored: Vec<(Score, usize)> = left
                .iter()
                .map(|&setting| (Score::at(rung, metric, &progress[members(setting)]), setting))
                .collect();
            // The sort is stable.
            scored.sort_by(|(one, _), (other, _)| one.compare(other));
            let kept = scored.len().div_ceil(FACTOR);
            let mut order: Vec<usize> = scored.into_iter().map(|(_, setting)| setting).collect();
            set(&order.split_off(kept), &|_| Goal::Eliminate { rung });
            left = order;
        }
        set(&left, &|_| Goal::Train { until: None });
        goals
    }
}

/// How good a setting is at a rung.
struct Score {
    has_failed: bool,
    /// The mean metric, negated if a higher one is better; not a number if there is none.
    cost: f64,
}

impl Score {
    fn at(rung: u64, metric: Metric, members: &[MemberProgress]) -> Self {
        let rung = usize::try_from(rung).unwrap_or(usize::MAX);
        let failed = |member: &MemberProgress| {
            member.ended == Some(MemberStatus::Failed) && member.epochs.len() < rung
        };
        let values: Vec<f64> = members
            .iter()
            .filter(|member| !failed(member))
            .filter_map(|member| metric.of(member.epochs.get(rung - 1).or(member.epochs.last())?))
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { has_failed: members.iter().any(failed), cost: if metric.is_accuracy() { -mean } else { mean } }
    }

    /// The better one is less.
    fn compare(&self, other: &Self) -> Ordering {
        let key = |score: &Self| (score.has_failed, score.cost.is_nan());
        key(self).cmp(&key(other)).then(self.cost.partial_cmp(&other.cost).unwrap_or(Ordering::Equal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Variation;

    fn plan(settings: usize, seeds: usize) -> Plan {
        let varied = [format!("lr=1..{settings}"), format!("seed=1..{seeds}")];
        Plan::grid(&varied.map(|text| Variation::parse(&text).unwrap()), 0).unwrap()
    }

    fn records(accuracies: &[f64]) -> Vec<EpochRecord> {
        let record = |(index, &test_accuracy): (usize, &f64)| EpochRecord {
            epoch: index as u64 + 1,
            test_accuracy,
            ..EpochRecord::default()
        };
        accuracies.iter().enumerate().map(record).collect()
    }

    fn at(epochs: &[EpochRecord], ended: Option<MemberStatus>) -> MemberProgress<'_> {
        MemberProgress { epochs, ended }
    }

    const FIRST: Goal = Goal::Train { until: Some(1) };
    const LAST: Goal = Goal::Train { until: None };

    #[test]
    fn rungs_are_thirds_of_the_epochs_in_whole_epochs() {
        for (settings, epochs, rungs) in [
            (27, 30.0, &[1, 3, 10][..]),
            (3, 3.0, &[1]),
            (3, 30.0, &[10]),
            (4, 30.0, &[3, 10]),
            (1000, 9.0, &[1, 3]),
            (5, 5.75, &[1]),
            (10_000, 729.0, &[1, 3, 9, 27, 81, 243]),
        ] {
            assert_eq!(Halving::new(settings, epochs).unwrap().rungs(), rungs, "{settings}, {epochs}");
        }
    }

    #[test]
    fn too_few_epochs_or_settings_are_an_error() {
        assert_eq!(Halving::new(2, 9.0), Err(HalvingError::FewSettings(2)));
        assert_eq!(Halving::new(9, 2.99), Err(HalvingError::FewEpochs(2.99)));
    }

    #[test]
    fn without_rungs_every_member_trains_to_its_end() {
        let done = records(&[0.5]);
        let progress = [at(&done, Some(MemberStatus::Finished)), at(&done, None), at(&[], None)];
        let goals = Halving::none().goals(&plan(3, 1), Metric::TestAccuracy, &progress);
        assert_eq!(goals, [Goal::Ended, LAST, LAST]);
    }

    #[test]
    fn the_best_third_continues_once_all_settings_are_at_a_rung() {
        let halving = Halving::new(4, 9.0).unwrap();
        let accuracies = [0.5, 0.9, 0.7, 0.8].map(|accuracy| records(&[accuracy]));
        let mut progress = accuracies.each_ref().map(|epochs| at(epochs, None));
        progress[3].epochs = &[];
        let goals = halving.goals(&plan(4, 1), Metric::TestAccuracy, &progress);
        assert_eq!(goals, [Goal::Wait, Goal::Wait, Goal::Wait, FIRST]);

        progress[3].epochs = &accuracies[3];
        let (out, next) = (Goal::Eliminate { rung: 1 }, Goal::Train { until: Some(3) });
        let goals = halving.goals(&plan(4, 1), Metric::TestAccuracy, &progress);
        assert_eq!(goals, [out, next, out, next]);

        let later = [records(&[0.9, 0.1, 0.1]), records(&[0.8, 0.8, 0.8])];
        (progress[1].epochs, progress[3].epochs) = (&later[0], &later[1]);
        progress[0].ended = Some(MemberStatus::Eliminated);
        let goals = halving.goals(&plan(4, 1), Metric::TestAccuracy, &progress);
        assert_eq!(goals, [Goal::Ended, Goal::Eliminate { rung: 3 }, out, LAST]);
    }

    #[test]
    fn settings_are_compared_by_the_mean_over_their_seeds() {
        let halving = Halving::new(3, 3.0).unwrap();
        let accuracies = [0.9, 0.1, 0.6, 0.6, 0.5, 0.5].map(|accuracy| records(&[accuracy]));
        let progress = accuracies.each_ref().map(|epochs| at(epochs, None));
        let goals = halving.goals(&plan(3, 2), Metric::TestAccuracy, &progress);
        let out = Goal::Eliminate { rung: 1 };
        assert_eq!(goals, [out, out, LAST, LAST, out, out]);
        // A loss is better if it is lower: all are 0 here, and the first setting wins ties.
        let goals = halving.goals(&plan(3, 2), Metric::TestLoss, &progress);
        assert_eq!(goals, [LAST, LAST, out, out, out, out]);
        // There are no validation images: nothing to compare.
        let goals = halving.goals(&plan(3, 2), Metric::ValidationAccuracy, &progress);
        assert_eq!(goals, [LAST, LAST, out, out, out, out]);
    }

    #[test]
    fn a_setting_with_a_failed_member_comes_last_and_one_that_stopped_early_counts() {
        let halving = Halving::new(3, 9.0).unwrap();
        let (best, good, bad) = (records(&[0.9]), records(&[0.5, 0.5, 0.8]), records(&[0.1; 3]));
        let progress = [
            at(&best, Some(MemberStatus::Failed)),
            at(&bad, None),
            at(&good[..1], Some(MemberStatus::Finished)),
        ];
        let goals = halving.goals(&plan(3, 1), Metric::TestAccuracy, &progress);
        assert_eq!(goals, [Goal::Ended, Goal::Eliminate { rung: 3 }, Goal::Ended]);
    }

    #[test]
    fn a_member_that_fails_after_a_rung_does_not_change_the_decision_there() {
        let halving = Halving::new(4, 9.0).unwrap();
        let (best, next, bad) = (records(&[0.9, 0.9]), records(&[0.8, 0.8, 0.8]), records(&[0.1]));
        let failed = Some(MemberStatus::Failed);
        let progress = [at(&best, failed), at(&next, None), at(&bad, None), at(&bad, None)];
        let goals = halving.goals(&plan(4, 1), Metric::TestAccuracy, &progress);
        let out = Goal::Eliminate { rung: 1 };
        assert_eq!(goals, [Goal::Ended, LAST, out, out]);
    }
}
