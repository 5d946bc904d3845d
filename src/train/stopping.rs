//! Early stopping, checked after each epoch.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::EpochRecord;
use super::invalid_value::{InvalidValue, require};

/// Early-stopping rules, all off by default. The first rule that an epoch meets ends the run. Accuracies are in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// Stop when the training accuracy of an epoch reaches this percentage (section 6 of the paper: 95).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f64>,
    /// Stop after this many epochs in a row without a new lowest loss on the validation split, or on the test split if
    /// there is no validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Stop when the test accuracy reaches this percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
}

/// The rule that stopped a run early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopReason {
    /// The training accuracy reached this percentage.
    TrainAccuracy(f64),
    /// The test accuracy reached this percentage.
    TestAccuracy(f64),
    /// The loss has not fallen for this many epochs.
    Patience(u64),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainAccuracy(percent) => write!(f, "the training accuracy has reached {percent} %"),
            Self::TestAccuracy(percent) => write!(f, "the test accuracy has reached {percent} %"),
            Self::Patience(1) => write!(f, "the loss did not fall in the last epoch"),
            Self::Patience(epochs) => write!(f, "the loss did not fall in the last {epochs} epochs"),
        }
    }
}

/// Percentage points by which f64 rounding may put an accuracy below the threshold it meets exactly: 5,700 of 10,000
/// images are 56.999 999 999 999 99 %. Far less than one image of any data set.
const ROUNDING: f64 = 1e-9;

impl Stopping {
    /// Returns whether `accuracy`, a fraction, reaches the test accuracy at which the run stops.
    pub fn reaches_test_accuracy(&self, accuracy: f64) -> bool {
        self.test_accuracy.is_some_and(|percent| reaches(accuracy, percent))
    }
}

fn reaches(accuracy: f64, percent: f64) -> bool {
    100.0 * accuracy + ROUNDING >= percent
}

/// What the early-stopping rules need to remember from epoch to epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoppingState {
    /// `None` before the first epoch.
    lowest_loss: Option<f64>,
    /// Epochs since the one with the lowest loss.
    #[serde(rename = "waited")]
    epochs_since_lowest: u64,
}

impl StoppingState {
    /// Records an epoch.
    pub fn record(&mut self, record: &EpochRecord) {
        let loss = watched_loss(record);
        if self.lowest_loss.is_none_or(|lowest| loss < lowest) {
            (self.lowest_loss, self.epochs_since_lowest) = (Some(loss), 0);
        } else {
            self.epochs_since_lowest += 1;
        }
    }

    /// Checks that a run whose last completed epoch is `last` can have this state.
    pub fn check(&self, last: Option<&EpochRecord>) -> Result<(), InvalidValue> {
        let Self { lowest_loss, epochs_since_lowest: since } = *self;
        let shown = |loss: Option<f64>| loss.map_or("missing".to_owned(), |loss| loss.to_string());
        let (Some(last), Some(lowest)) = (last, lowest_loss) else {
            let expected =
                if last.is_some() { "the lowest loss of the epochs" } else { "none before the first epoch" };
            require(last.is_none() && lowest_loss.is_none(), "lowest_loss", shown(lowest_loss), expected)?;
            return require(since == 0, "waited", since, "0 before the first epoch");
        };
        require(since < last.epoch, "waited", since, format_args!("less than {}, the epochs", last.epoch))?;
        let loss = watched_loss(last);
        let possible = if since == 0 { lowest == loss } else { lowest <= loss && lowest.is_finite() };
        let relation = if since == 0 { "" } else { "at most " };
        require(possible, "lowest_loss", lowest, format_args!("{relation}{loss}, the last epoch's"))
    }

    /// Returns the rule met by the epoch recorded last, if any.
    pub fn stop_reason(&self, rules: &Stopping, record: &EpochRecord) -> Option<StopReason> {
        let Stopping { train_accuracy, patience, test_accuracy } = *rules;
        let reached = |accuracy: f64| move |percent: &f64| reaches(accuracy, *percent);
        let test = test_accuracy.filter(reached(record.test_accuracy)).map(StopReason::TestAccuracy);
        let train = train_accuracy.filter(reached(record.train_accuracy)).map(StopReason::TrainAccuracy);
        let patience =
            patience.filter(|&patience| self.epochs_since_lowest >= patience).map(StopReason::Patience);
        test.or(train).or(patience)
    }
}

/// The loss that the patience refers to.
fn watched_loss(record: &EpochRecord) -> f64 {
    record.validation_loss.unwrap_or(record.test_loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        rules: Stopping,
        state: StoppingState,
    }

    impl Run {
        fn new(rules: Stopping) -> Self {
            Self { rules, state: StoppingState::default() }
        }

        fn after(&mut self, record: &EpochRecord) -> Option<StopReason> {
            self.state.record(record);
            self.state.stop_reason(&self.rules, record)
        }
    }

    fn record(train_accuracy: f64, test_loss: f64, test_accuracy: f64) -> EpochRecord {
        EpochRecord { train_accuracy, test_loss, test_accuracy, ..EpochRecord::default() }
    }

    #[test]
    fn a_run_without_rules_never_stops_early() {
        let mut run = Run::new(Stopping::default());
        assert!((0..100).all(|_| run.after(&record(1.0, 1.0, 1.0)).is_none()));
    }

    #[test]
    fn meeting_an_accuracy_threshold_exactly_stops_the_run() {
        let mut run = Run::new(Stopping { train_accuracy: Some(95.0), ..Stopping::default() });
        assert_eq!(run.after(&record(0.9499, 1.0, 0.99)), None);
        assert_eq!(run.after(&record(0.95, 1.0, 0.0)), Some(StopReason::TrainAccuracy(95.0)));

        let mut run = Run::new(Stopping { test_accuracy: Some(99.0), ..Stopping::default() });
        assert_eq!(run.after(&record(1.0, 1.0, 0.9899)), None);
        assert_eq!(run.after(&record(0.0, 1.0, 0.99)), Some(StopReason::TestAccuracy(99.0)));
    }

    #[test]
    fn rounding_in_f64_does_not_hide_an_exactly_met_threshold() {
        for (correct, images, percent) in
            [(5_700, 10_000, 57.0), (9_857, 10_000, 98.57), (33_096, 60_000, 55.16)]
        {
            let stopping = Stopping { test_accuracy: Some(percent), ..Stopping::default() };
            let after = |correct: u32| {
                let accuracy = f64::from(correct) / f64::from(images);
                Run::new(stopping).after(&record(0.0, 1.0, accuracy))
            };
            assert_eq!(after(correct), Some(StopReason::TestAccuracy(percent)));
            assert_eq!(after(correct - 1), None);
        }
    }

    #[test]
    fn patience_runs_out_after_that_many_epochs_without_a_lower_loss() {
        let mut run = Run::new(Stopping { patience: Some(2), ..Stopping::default() });
        let stops: Vec<_> =
            [0.5, 0.6, 0.4, 0.4, 0.41].map(|loss| run.after(&record(0.0, loss, 0.0))).to_vec();
        assert_eq!(stops, [None, None, None, None, Some(StopReason::Patience(2))]);
    }

    #[test]
    fn patience_follows_the_validation_loss_if_there_is_one() {
        let mut run = Run::new(Stopping { patience: Some(1), ..Stopping::default() });
        let with = |loss| EpochRecord { validation_loss: Some(loss), ..record(0.0, 0.1, 0.0) };
        assert_eq!(run.after(&with(0.5)), None);
        assert_eq!(run.after(&with(0.4)), None, "the constant test loss must be ignored");
        assert_eq!(run.after(&with(0.45)), Some(StopReason::Patience(1)));
    }
}
