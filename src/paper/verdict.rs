//! What the paper claims, and what was measured.

use std::fmt;

use serde::Serialize;

use super::experiment::{Method, Run, STOP_AT, Set, Variant};

/// How a claim fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Holds,
    /// Some runs say so and some do not.
    Mixed,
    DoesNotHold,
    /// The experiments that it takes were not made.
    NotMeasured,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Mixed => "mixed",
            Self::DoesNotHold => "does not hold",
            Self::NotMeasured => "not measured",
        })
    }
}

/// A claim of the paper with what was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What the paper says.
    pub claim: &'static str,
    pub outcome: Outcome,
    /// The figures that it rests on.
    pub found: String,
}

/// Every claim, over all runs that were made, and those without log-softmax.
pub fn verdicts(runs: &[Run], without_log_softmax: &[Run]) -> Vec<Verdict> {
    let runs = Runs(runs);
    vec![
        runs.adam_stops_within_four_epochs(),
        runs.adam_generalises_better(Set::Mnist),
        runs.adam_generalises_better(Set::Cifar10),
        runs.cifar10_needs_more_epochs(),
        runs.cifar10_does_not_generalise(),
        runs.the_gap_between_methods_is_smaller_on_cifar10(),
        runs.an_earlier_stop_generalises_better(),
        before_log_softmax(without_log_softmax),
    ]
}

/// Epochs within which Adam stops on MNIST.
const FEW_EPOCHS: u64 = 4;

/// Points of accuracy between training and test that are no generalisation any more.
const LARGE_GAP: f64 = 0.05;

/// From here on a training accuracy on CIFAR-10 is high: about where LeNet-5's test accuracy ends.
const HIGH_TRAINING: f64 = 0.6;

/// Training accuracies, in percent, at which an earlier stop is looked at.
const EARLIER_STOPS: [f64; 3] = [80.0, 85.0, 90.0];

/// How far from guessing, in accuracy, is still guessing.
const NEAR_CHANCE: f64 = 0.05;

struct Runs<'a>(&'a [Run]);

impl Runs<'_> {
    fn of(&self, set: Set, method: Method) -> Vec<&Run> {
        let wanted = |run: &&Run| run.experiment.set == set && run.experiment.method == method;
        self.0.iter().filter(wanted).collect()
    }

    fn adam_stops_within_four_epochs(&self) -> Verdict {
        let claim = "Adam reaches the stop, 95 % of training accuracy, within 4 epochs on MNIST";
        let runs = self.of(Set::Mnist, Method::Adam);
        let within = runs.iter().filter(|run| run.stopped && run.last().epoch <= FEW_EPOCHS).count();
        Verdict::by_count(claim, within, runs.len(), || format!("the runs ended {}", ends_of(&runs)))
    }

    fn adam_generalises_better(&self, set: Set) -> Verdict {
        let claim = match set {
            Set::Mnist => "Adam generalises better than gradient descent (MNIST)",
            Set::Cifar10 => "Adam generalises better than gradient descent (CIFAR-10)",
        };
        let [adam, gd] = Method::BOTH.map(|method| test_accuracies(&self.of(set, method)));
        if adam.is_empty() || gd.is_empty() {
            return Verdict::not_measured(claim);
        }
        let outcome = if lowest(&adam) > highest(&gd) {
            Outcome::Holds
        } else if mean(&adam) > mean(&gd) {
            Outcome::Mixed
        } else {
            Outcome::DoesNotHold
        };
        let found =
            format!("test accuracy at the end: Adam {}, gradient descent {}", spread(&adam), spread(&gd));
        Verdict { claim, outcome, found }
    }

    fn cifar10_needs_more_epochs(&self) -> Verdict {
        let claim = "CIFAR-10 needs more epochs than MNIST";
        let [mnist, cifar] = [Set::Mnist, Set::Cifar10].map(|set| self.of(set, Method::Adam));
        if mnist.is_empty() || cifar.is_empty() {
            return Verdict::not_measured(claim);
        }
        if mnist.iter().any(|run| !run.stopped) {
            return Verdict::open(
                claim,
                format!("Adam did not reach the stop on MNIST: the runs ended {}", ends_of(&mnist)),
            );
        }
        // A run that was not stopped needs more epochs than it had.
        let needed = |run: &&Run| run.last().epoch + u64::from(!run.stopped);
        let most = mnist.iter().map(needed).max().unwrap_or(0);
        let more = cifar.iter().filter(|run| needed(run) > most).count();
        Verdict::by_count(claim, more, cifar.len(), || {
            format!("Adam ended on MNIST {}; on CIFAR-10 {}", ends_of(&mnist), ends_of(&cifar))
        })
    }

    fn cifar10_does_not_generalise(&self) -> Verdict {
        let claim = "On CIFAR-10 a high training accuracy does not generalise";
        let runs = self.of(Set::Cifar10, Method::Adam);
        let gap = |run: &&Run| run.last().train_accuracy - run.last().test_accuracy;
        let high: Vec<_> = runs.iter().filter(|run| run.last().train_accuracy >= HIGH_TRAINING).collect();
        if high.is_empty() && !runs.is_empty() {
            let percent = 100.0 * HIGH_TRAINING;
            let ends = ends_of(&runs);
            return Verdict::open(
                claim,
                format!("no run of Adam came to {percent:.0} % in training: they ended {ends}"),
            );
        }
        let large = high.iter().filter(|run| gap(run) > LARGE_GAP).count();
        Verdict::by_count(claim, large, high.len(), || {
            let train: Vec<_> = runs.iter().map(|run| run.last().train_accuracy).collect();
            let test = test_accuracies(&runs);
            let points = 100.0 * (mean(&train) - mean(&test));
            format!(
                "Adam at the end: {} in training, {} in the test, {points:.1} points apart (a gap is one of more \
                 than {:.0} points)",
                spread(&train),
                spread(&test),
                100.0 * LARGE_GAP
            )
        })
    }

    fn the_gap_between_methods_is_smaller_on_cifar10(&self) -> Verdict {
        let claim = "The gap between Adam and gradient descent is smaller on CIFAR-10 than on MNIST";
        let gap = |set| {
            let [adam, gd] = Method::BOTH.map(|method| test_accuracies(&self.of(set, method)));
            (!adam.is_empty() && !gd.is_empty()).then(|| 100.0 * (mean(&adam) - mean(&gd)))
        };
        let (Some(mnist), Some(cifar)) = (gap(Set::Mnist), gap(Set::Cifar10)) else {
            return Verdict::not_measured(claim);
        };
        let outcome = if cifar.abs() < mnist.abs() { Outcome::Holds } else { Outcome::DoesNotHold };
        let found = format!(
            "Adam's mean test accuracy less gradient descent's: MNIST {mnist:+.2} points, CIFAR-10 {cifar:+.2}"
        );
        Verdict { claim, outcome, found }
    }

    fn an_earlier_stop_generalises_better(&self) -> Verdict {
        let claim = "A lower stopping threshold may generalise better";
        let stopped: Vec<_> = self.0.iter().filter(|run| run.stopped).collect();
        if stopped.is_empty() {
            return Verdict::not_measured(claim);
        }
        // A run has an earlier stop that is better where the test accuracy then was higher than at its end.
        let better = |run: &&&Run| {
            EARLIER_STOPS.iter().any(|percent| {
                let look = run.first_at(percent / 100.0);
                look.is_some_and(|look| look.test_accuracy > run.last().test_accuracy)
            })
        };
        let count = stopped.iter().filter(better).count();
        Verdict::by_count(claim, count, stopped.len(), || {
            let at: Vec<_> = EARLIER_STOPS
                .iter()
                .map(|percent| {
                    let looks = stopped.iter().filter_map(|run| run.first_at(percent / 100.0));
                    let accuracies: Vec<_> = looks.map(|look| look.test_accuracy).collect();
                    format!("{percent:.0} %: {}", spread(&accuracies))
                })
                .collect();
            format!(
                "test accuracy when the running training accuracy first reached {}; at the stop of {STOP_AT:.0} %: \
                 {}; {count} of {} stopped runs were better at one of the lower ones",
                at.join(", "),
                spread(&test_accuracies(&stopped)),
                stopped.len()
            )
        })
    }
}

fn before_log_softmax(runs: &[Run]) -> Verdict {
    let claim = "Before log-softmax was added, the accuracy was about 10 %";
    let accuracies = |network: Variant| {
        let wanted = |run: &&Run| run.experiment.network == network;
        test_accuracies(&runs.iter().filter(wanted).collect::<Vec<_>>())
    };
    let near = runs.iter().filter(|run| (run.last().test_accuracy - 0.1).abs() <= NEAR_CHANCE).count();
    Verdict::by_count(claim, near, runs.len(), || {
        format!(
            "test accuracy after one epoch of Adam on MNIST with the negative likelihood of the raw outputs: {} \
             without batch normalisation, {} with it",
            spread(&accuracies(Variant::Bare)),
            spread(&accuracies(Variant::WithoutLogSoftmax))
        )
    })
}

impl Verdict {
    /// By how many of the runs say so.
    fn by_count(claim: &'static str, say_so: usize, runs: usize, found: impl FnOnce() -> String) -> Self {
        let outcome = match say_so {
            _ if runs == 0 => return Self::not_measured(claim),
            0 => Outcome::DoesNotHold,
            all if all == runs => Outcome::Holds,
            _ => Outcome::Mixed,
        };
        Self { claim, outcome, found: found() }
    }

    fn not_measured(claim: &'static str) -> Self {
        Self::open(claim, "the experiments that it takes were not made".to_owned())
    }

    /// What was measured does not bear on the claim.
    fn open(claim: &'static str, found: String) -> Self {
        Self { claim, outcome: Outcome::NotMeasured, found }
    }
}

/// How runs ended: those that ended alike, together.
fn ends_of(runs: &[&Run]) -> String {
    let mut ends: Vec<(u64, bool)> = runs.iter().map(|run| (run.last().epoch, run.stopped)).collect();
    ends.sort_unstable();
    ends.dedup();
    let told = ends.into_iter().map(|(epoch, stopped)| {
        let alike = runs.iter().filter(|run| (run.last().epoch, run.stopped) == (epoch, stopped));
        let accuracies: Vec<_> = alike.map(|run| run.last().train_accuracy).collect();
        let epochs = if epoch == 1 { "1 epoch".to_owned() } else { format!("{epoch} epochs") };
        let why = if stopped { "stopped at" } else { "with" };
        format!("after {epochs} {why} {} in training", spread(&accuracies))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn test_accuracies(runs: &[&Run]) -> Vec<f64> {
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

/// Fractions as percent: the mean, and from where to where.
pub(super) fn spread(values: &[f64]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::experiment::{Experiment, Look, Manner};
    use crate::train::EpochRecord;

    /// A run of so many epochs with these accuracies at its end.
    fn run(set: Set, method: Method, epoch: u64, stopped: bool, (train, test): (f64, f64)) -> Run {
        let experiment = Experiment {
            set,
            method,
            manner: Manner::AsDescribed,
            network: Variant::Whole,
            seed: 0,
            epochs: 10,
            probes: 1,
        };
        let record =
            EpochRecord { epoch, train_accuracy: train, test_accuracy: test, ..EpochRecord::default() };
        let look = Look { epoch: epoch as f64, step: 1, train_accuracy: train, test_accuracy: test };
        Run { experiment, looks: vec![look], epochs: vec![record], stopped, seconds: 1.0 }
    }

    /// The outcomes, with runs without log-softmax of these test accuracies.
    fn outcomes(runs: &[Run], accuracies: &[f64]) -> Vec<Outcome> {
        let without = |&test: &f64| run(Set::Mnist, Method::Adam, 1, false, (test, test));
        let without: Vec<_> = accuracies.iter().map(without).collect();
        verdicts(runs, &without).iter().map(|verdict| verdict.outcome).collect()
    }

    #[test]
    fn nothing_is_judged_that_was_not_measured() {
        assert!(outcomes(&[], &[]).iter().all(|&outcome| outcome == Outcome::NotMeasured));
    }

    #[test]
    fn runs_that_bear_a_claim_out_make_it_hold() {
        use {Method::*, Set::*};
        let mut runs = vec![
            run(Mnist, Adam, 1, true, (0.96, 0.98)),
            run(Mnist, Gd, 10, false, (0.90, 0.91)),
            run(Cifar10, Adam, 10, false, (0.70, 0.55)),
            run(Cifar10, Gd, 10, false, (0.55, 0.53)),
        ];
        // At 80 % of training accuracy the test accuracy was higher than at the end.
        let earlier = Look { epoch: 0.5, step: 1, train_accuracy: 0.81, test_accuracy: 0.99 };
        runs[0].looks.insert(0, earlier);
        assert!(outcomes(&runs, &[0.1, 0.098]).iter().all(|&outcome| outcome == Outcome::Holds));
    }

    #[test]
    fn runs_that_contradict_a_claim_make_it_not_hold() {
        use {Method::*, Set::*};
        let runs = [
            run(Mnist, Adam, 5, true, (0.96, 0.90)),
            run(Mnist, Gd, 10, false, (0.90, 0.91)),
            run(Cifar10, Adam, 2, true, (0.96, 0.95)),
            run(Cifar10, Gd, 10, false, (0.97, 0.97)),
        ];
        assert!(outcomes(&runs, &[0.8]).iter().all(|&outcome| outcome == Outcome::DoesNotHold));
    }

    #[test]
    fn runs_that_did_not_get_far_leave_claims_about_the_end_open() {
        use {Method::*, Set::*};
        let runs = [run(Mnist, Adam, 2, false, (0.93, 0.90)), run(Cifar10, Adam, 2, false, (0.29, 0.23))];
        let outcomes = outcomes(&runs, &[]);
        assert_eq!(outcomes[3..5], [Outcome::NotMeasured, Outcome::NotMeasured]);
    }

    #[test]
    fn runs_that_disagree_leave_a_claim_mixed() {
        use {Method::*, Set::*};
        let runs = [
            run(Mnist, Adam, 1, true, (0.96, 0.98)),
            run(Mnist, Adam, 5, true, (0.96, 0.92)),
            run(Mnist, Gd, 10, false, (0.90, 0.93)),
        ];
        let outcomes = outcomes(&runs, &[0.1, 0.5]);
        assert_eq!(outcomes[..2], [Outcome::Mixed, Outcome::Mixed]);
        assert_eq!(outcomes[7], Outcome::Mixed);
    }
}
