//! The claims of the paper, checked against the results.

use std::fmt;

use super::statistics::{describe_ends, highest, lowest, mean, mean_and_range, test_accuracies};
use super::{Method, NetworkVariant, PaperDataset, Run, STOP_ACCURACY};

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All runs support the claim.
    Holds,
    /// Some runs support the claim and some do not.
    Mixed,
    /// No run supports the claim.
    DoesNotHold,
    /// The results do not allow a conclusion.
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

/// A claim of the paper with its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimResult {
    /// The claim.
    pub claim: &'static str,
    /// Whether it holds.
    pub outcome: Outcome,
    /// The results that the outcome is based on.
    pub evidence: String,
}

/// Checks every claim against the runs of the full network and those of networks without log-softmax.
pub(super) fn check_claims(runs: &[Run], without_log_softmax: &[Run]) -> Vec<ClaimResult> {
    let runs = Runs(runs);
    vec![
        runs.adam_stops_within_four_epochs(),
        runs.adam_generalises_better(PaperDataset::Mnist),
        runs.adam_generalises_better(PaperDataset::Cifar10),
        runs.cifar10_needs_more_epochs(),
        runs.cifar10_does_not_generalise(),
        runs.the_gap_between_optimizers_is_smaller_on_cifar10(),
        runs.an_earlier_stop_generalises_better(),
        before_log_softmax(without_log_softmax),
    ]
}

/// Epochs within which Adam is claimed to stop on MNIST.
const FEW_EPOCHS: u64 = 4;

/// Gap between training and test accuracy above which a network is said not to generalise.
const LARGE_GAP: f64 = 0.05;

/// Training accuracy on CIFAR-10 that counts as high: about the final test accuracy of LeNet-5.
const HIGH_TRAINING: f64 = 0.6;

/// Lower stopping thresholds to compare with, in percent of training accuracy.
const EARLIER_STOPS: [f64; 3] = [80.0, 85.0, 90.0];

/// Difference from chance level up to which an accuracy counts as chance.
const NEAR_CHANCE: f64 = 0.05;

struct Runs<'a>(&'a [Run]);

impl Runs<'_> {
    fn select(&self, dataset: PaperDataset, method: Method) -> Vec<&Run> {
        let selected = |run: &&Run| (run.experiment.dataset, run.experiment.method) == (dataset, method);
        self.0.iter().filter(selected).collect()
    }

    fn adam_stops_within_four_epochs(&self) -> ClaimResult {
        let claim = "Adam reaches 95 % training accuracy, the stopping threshold, within 4 epochs on MNIST";
        let runs = self.select(PaperDataset::Mnist, Method::Adam);
        let within = runs.iter().filter(|run| run.stopped && run.last().epoch <= FEW_EPOCHS).count();
        ClaimResult::by_count(claim, within, runs.len(), || format!("runs ended {}", describe_ends(&runs)))
    }

    fn adam_generalises_better(&self, dataset: PaperDataset) -> ClaimResult {
        let claim = match dataset {
            PaperDataset::Mnist => "Adam generalises better than gradient descent (MNIST)",
            PaperDataset::Cifar10 => "Adam generalises better than gradient descent (CIFAR-10)",
        };
        let [adam, gd] = Method::BOTH.map(|method| test_accuracies(&self.select(dataset, method)));
        if adam.is_empty() || gd.is_empty() {
            return ClaimResult::not_run(claim);
        }
        let outcome = if lowest(&adam) > highest(&gd) {
            Outcome::Holds
        } else if mean(&adam) > mean(&gd) {
            Outcome::Mixed
        } else {
            Outcome::DoesNotHold
        };
        let evidence = format!(
            "final test accuracy: Adam {}, gradient descent {}",
            mean_and_range(&adam),
            mean_and_range(&gd)
        );
        ClaimResult { claim, outcome, evidence }
    }

    fn cifar10_needs_more_epochs(&self) -> ClaimResult {
        let claim = "CIFAR-10 needs more epochs than MNIST";
        let [mnist, cifar] =
            [PaperDataset::Mnist, PaperDataset::Cifar10].map(|dataset| self.select(dataset, Method::Adam));
        if mnist.is_empty() || cifar.is_empty() {
            return ClaimResult::not_run(claim);
        }
        if mnist.iter().any(|run| !run.stopped) {
            return ClaimResult::inconclusive(
                claim,
                format!(
                    "not every Adam run on MNIST reached the stopping threshold: runs ended {}",
                    describe_ends(&mnist)
                ),
            );
        }
        // A run that did not stop needs more epochs than it had.
        let needed = |run: &&Run| run.last().epoch + u64::from(!run.stopped);
        let most = mnist.iter().map(needed).max().unwrap_or(0);
        let more = cifar.iter().filter(|run| needed(run) > most).count();
        ClaimResult::by_count(claim, more, cifar.len(), || {
            format!(
                "Adam runs ended on MNIST {}; on CIFAR-10 {}",
                describe_ends(&mnist),
                describe_ends(&cifar)
            )
        })
    }

    fn cifar10_does_not_generalise(&self) -> ClaimResult {
        let claim = "On CIFAR-10, a high training accuracy does not generalise";
        let runs = self.select(PaperDataset::Cifar10, Method::Adam);
        let gap = |run: &&Run| run.last().train_accuracy - run.last().test_accuracy;
        let high: Vec<_> = runs.iter().filter(|run| run.last().train_accuracy >= HIGH_TRAINING).collect();
        if high.is_empty() && !runs.is_empty() {
            let percent = 100.0 * HIGH_TRAINING;
            let ends = describe_ends(&runs);
            return ClaimResult::inconclusive(
                claim,
                format!("no Adam run reached {percent:.0} % training accuracy: runs ended {ends}"),
            );
        }
        let large = high.iter().filter(|run| gap(run) > LARGE_GAP).count();
        ClaimResult::by_count(claim, large, high.len(), || {
            let train: Vec<_> = runs.iter().map(|run| run.last().train_accuracy).collect();
            let test = test_accuracies(&runs);
            let points = 100.0 * (mean(&train) - mean(&test));
            format!(
                "final accuracy with Adam: training {}, test {}; the gap is {points:.1} points (more than {:.0} points \
                 count as a lack of generalisation)",
                mean_and_range(&train),
                mean_and_range(&test),
                100.0 * LARGE_GAP
            )
        })
    }

    fn the_gap_between_optimizers_is_smaller_on_cifar10(&self) -> ClaimResult {
        let claim = "The gap between Adam and gradient descent is smaller on CIFAR-10 than on MNIST";
        let gap = |dataset| {
            let [adam, gd] = Method::BOTH.map(|method| test_accuracies(&self.select(dataset, method)));
            (!adam.is_empty() && !gd.is_empty()).then(|| 100.0 * (mean(&adam) - mean(&gd)))
        };
        let (Some(mnist), Some(cifar)) = (gap(PaperDataset::Mnist), gap(PaperDataset::Cifar10)) else {
            return ClaimResult::not_run(claim);
        };
        let outcome = if cifar.abs() < mnist.abs() { Outcome::Holds } else { Outcome::DoesNotHold };
        let evidence = format!(
            "mean final test accuracy, Adam minus gradient descent: MNIST {mnist:+.2} points, CIFAR-10 {cifar:+.2} \
             points"
        );
        ClaimResult { claim, outcome, evidence }
    }

    fn an_earlier_stop_generalises_better(&self) -> ClaimResult {
        let claim = "A lower stopping threshold may generalise better";
        let stopped: Vec<_> = self.0.iter().filter(|run| run.stopped).collect();
        if stopped.is_empty() {
            return ClaimResult::not_run(claim);
        }
        // An earlier stop is better if the test accuracy at that point was higher than at the end.
        let better = |run: &&&Run| {
            EARLIER_STOPS.iter().any(|percent| {
                let measurement = run.first_at(percent / 100.0);
                measurement.is_some_and(|measured| measured.test_accuracy > run.last().test_accuracy)
            })
        };
        let count = stopped.iter().filter(better).count();
        ClaimResult::by_count(claim, count, stopped.len(), || {
            let at: Vec<_> = EARLIER_STOPS
                .iter()
                .map(|percent| {
                    let measurements = stopped.iter().filter_map(|run| run.first_at(percent / 100.0));
                    let accuracies: Vec<_> = measurements.map(|measured| measured.test_accuracy).collect();
                    format!("{percent:.0} %: {}", mean_and_range(&accuracies))
                })
                .collect();
            format!(
                "test accuracy when the training accuracy first reached {}; at the threshold of {STOP_ACCURACY:.0} %: \
                 {}; a lower threshold was better in {count} of {} stopped runs",
                at.join(", "),
                mean_and_range(&test_accuracies(&stopped)),
                stopped.len()
            )
        })
    }
}

fn before_log_softmax(runs: &[Run]) -> ClaimResult {
    let claim = "Before log-softmax was added, the accuracy was about 10 %";
    let accuracies = |network: NetworkVariant| {
        let selected = |run: &&Run| run.experiment.network == network;
        test_accuracies(&runs.iter().filter(selected).collect::<Vec<_>>())
    };
    let near = runs.iter().filter(|run| (run.last().test_accuracy - 0.1).abs() <= NEAR_CHANCE).count();
    ClaimResult::by_count(claim, near, runs.len(), || {
        format!(
            "test accuracy after one epoch of Adam on MNIST with the negative likelihood of the raw outputs as the loss: \
             {} without batch normalisation, {} with batch normalisation",
            mean_and_range(&accuracies(NetworkVariant::Bare)),
            mean_and_range(&accuracies(NetworkVariant::WithoutLogSoftmax))
        )
    })
}

impl ClaimResult {
    /// Decides a claim by the number of runs that support it.
    fn by_count(
        claim: &'static str,
        supporting: usize,
        runs: usize,
        evidence: impl FnOnce() -> String,
    ) -> Self {
        let outcome = match supporting {
            _ if runs == 0 => return Self::not_run(claim),
            0 => Outcome::DoesNotHold,
            all if all == runs => Outcome::Holds,
            _ => Outcome::Mixed,
        };
        Self { claim, outcome, evidence: evidence() }
    }

    fn not_run(claim: &'static str) -> Self {
        Self::inconclusive(claim, "the required experiments were not run".to_owned())
    }

    fn inconclusive(claim: &'static str, evidence: String) -> Self {
        Self { claim, outcome: Outcome::NotMeasured, evidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::experiment::Measurement;
    use crate::paper::{Experiment, Protocol};
    use crate::train::EpochRecord;

    /// A run of `epoch` epochs with these final training and test accuracies.
    fn run(
        dataset: PaperDataset,
        method: Method,
        epoch: u64,
        stopped: bool,
        (train_accuracy, test_accuracy): (f64, f64),
    ) -> Run {
        let experiment = Experiment {
            dataset,
            method,
            protocol: Protocol::AsDescribed,
            network: NetworkVariant::Full,
            seed: 0,
            epochs: 10,
            evaluations_per_epoch: 1,
        };
        let record = EpochRecord { epoch, train_accuracy, test_accuracy, ..EpochRecord::default() };
        let measurement = Measurement { epoch: epoch as f64, step: 1, train_accuracy, test_accuracy };
        Run { experiment, measurements: vec![measurement], epochs: vec![record], stopped, seconds: 1.0 }
    }

    /// The outcomes, given the test accuracies of the runs without log-softmax.
    fn outcomes(runs: &[Run], accuracies: &[f64]) -> Vec<Outcome> {
        let without = |&test: &f64| run(PaperDataset::Mnist, Method::Adam, 1, false, (test, test));
        let without: Vec<_> = accuracies.iter().map(without).collect();
        check_claims(runs, &without).iter().map(|result| result.outcome).collect()
    }

    #[test]
    fn claims_without_runs_are_not_measured() {
        assert!(outcomes(&[], &[]).iter().all(|&outcome| outcome == Outcome::NotMeasured));
    }

    #[test]
    fn claims_that_all_runs_support_hold() {
        use {Method::*, PaperDataset::*};
        let mut runs = vec![
            run(Mnist, Adam, 1, true, (0.96, 0.98)),
            run(Mnist, Gd, 10, false, (0.90, 0.91)),
            run(Cifar10, Adam, 10, false, (0.70, 0.55)),
            run(Cifar10, Gd, 10, false, (0.55, 0.53)),
        ];
        // At a training accuracy of 80 %, the test accuracy was higher than at the end.
        let earlier = Measurement { epoch: 0.5, step: 1, train_accuracy: 0.81, test_accuracy: 0.99 };
        runs[0].measurements.insert(0, earlier);
        assert!(outcomes(&runs, &[0.1, 0.098]).iter().all(|&outcome| outcome == Outcome::Holds));
    }

    #[test]
    fn claims_that_all_runs_contradict_do_not_hold() {
        use {Method::*, PaperDataset::*};
        let runs = [
            run(Mnist, Adam, 5, true, (0.96, 0.90)),
            run(Mnist, Gd, 10, false, (0.90, 0.91)),
            run(Cifar10, Adam, 2, true, (0.96, 0.95)),
            run(Cifar10, Gd, 10, false, (0.97, 0.97)),
        ];
        assert!(outcomes(&runs, &[0.8]).iter().all(|&outcome| outcome == Outcome::DoesNotHold));
    }

    #[test]
    fn runs_with_low_training_accuracy_leave_claims_undecided() {
        use {Method::*, PaperDataset::*};
        let runs = [run(Mnist, Adam, 2, false, (0.93, 0.90)), run(Cifar10, Adam, 2, false, (0.29, 0.23))];
        let outcomes = outcomes(&runs, &[]);
        assert_eq!(outcomes[3..5], [Outcome::NotMeasured, Outcome::NotMeasured]);
    }

    #[test]
    fn claims_on_which_runs_disagree_are_mixed() {
        use {Method::*, PaperDataset::*};
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
