//! When a run ends before its last epoch. Looked at after each epoch.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::EpochRecord;

/// What ends a run early; nothing by default. Accuracies are in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Stopping {
    /// The training accuracy that is enough (the paper's section 6: 95).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f64>,
    /// Epochs in a row without a new lowest loss of the validation part, or of the test part where there is
    /// no validation part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// The test accuracy that is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// The training accuracy reached so many percent.
    TrainAccuracy(f64),
    /// The test accuracy reached so many percent.
    TestAccuracy(f64),
    /// So many epochs brought no lower loss.
    Patience(u64),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainAccuracy(percent) => write!(f, "the training accuracy has reached {percent} %"),
            Self::TestAccuracy(percent) => write!(f, "the test accuracy has reached {percent} %"),
            Self::Patience(1) => write!(f, "the last epoch brought no lower loss"),
            Self::Patience(epochs) => write!(f, "the last {epochs} epochs brought no lower loss"),
        }
    }
}

/// Percent by which an accuracy may fall short of what it meets exactly: 5,700 of 10,000 images are
/// 56.999 999 999 999 99 % in f64. It is less than one image of any set.
const ROUNDING: f64 = 1e-9;

impl Stopping {
    /// Whether a fraction is the test accuracy that is enough, or more.
    pub fn reaches_test_accuracy(&self, accuracy: f64) -> bool {
        self.test_accuracy.is_some_and(|percent| reaches(accuracy, percent))
    }
}

fn reaches(accuracy: f64, percent: f64) -> bool {
    100.0 * accuracy + ROUNDING >= percent
}

/// What the epochs of one run have come to, as far as rules ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StoppingState {
    /// None before the first epoch.
    lowest_loss: Option<f64>,
    /// Epochs since the lowest loss.
    waited: u64,
}

impl StoppingState {
    /// Counts an epoch in.
    pub fn see(&mut self, record: &EpochRecord) {
        let loss = record.validation_loss.unwrap_or(record.test_loss);
        if self.lowest_loss.is_none_or(|lowest| loss < lowest) {
            (self.lowest_loss, self.waited) = (Some(loss), 0);
        } else {
            self.waited += 1;
        }
    }

    /// Whether a run of these rules shall end after the epoch that was counted in last.
    pub fn stop(&self, rules: &Stopping, record: &EpochRecord) -> Option<Stop> {
        let Stopping { train_accuracy, patience, test_accuracy } = *rules;
        let reached = |accuracy: f64| move |percent: &f64| reaches(accuracy, *percent);
        let test = test_accuracy.filter(reached(record.test_accuracy)).map(Stop::TestAccuracy);
        let train = train_accuracy.filter(reached(record.train_accuracy)).map(Stop::TrainAccuracy);
        let waited = patience.filter(|&patience| self.waited >= patience).map(Stop::Patience);
        test.or(train).or(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch and what it is told.
    struct Watched(StoppingState, Stopping);

    impl Watched {
        fn new(rules: Stopping) -> Self {
            Self(StoppingState::default(), rules)
        }

        fn after(&mut self, record: &EpochRecord) -> Option<Stop> {
            self.0.see(record);
            self.0.stop(&self.1, record)
        }
    }

    fn record(train_accuracy: f64, test_loss: f64, test_accuracy: f64) -> EpochRecord {
        EpochRecord { train_accuracy, test_loss, test_accuracy, ..EpochRecord::default() }
    }

    #[test]
    fn nothing_ends_a_run_that_was_not_asked_to_end() {
        let mut watch = Watched::new(Stopping::default());
        assert!((0..100).all(|_| watch.after(&record(1.0, 1.0, 1.0)).is_none()));
    }

    #[test]
    fn an_accuracy_is_reached_when_it_is_met_exactly() {
        let mut watch = Watched::new(Stopping { train_accuracy: Some(95.0), ..Stopping::default() });
        assert_eq!(watch.after(&record(0.9499, 1.0, 0.99)), None);
        assert_eq!(watch.after(&record(0.95, 1.0, 0.0)), Some(Stop::TrainAccuracy(95.0)));

        let mut watch = Watched::new(Stopping { test_accuracy: Some(99.0), ..Stopping::default() });
        assert_eq!(watch.after(&record(1.0, 1.0, 0.9899)), None);
        assert_eq!(watch.after(&record(0.0, 1.0, 0.99)), Some(Stop::TestAccuracy(99.0)));
    }

    #[test]
    fn what_is_met_exactly_is_reached_however_f64_rounds_it() {
        for (correct, images, percent) in
            [(5_700, 10_000, 57.0), (9_857, 10_000, 98.57), (33_096, 60_000, 55.16)]
        {
            let stopping = Stopping { test_accuracy: Some(percent), ..Stopping::default() };
            let after = |correct: u32| {
                let accuracy = f64::from(correct) / f64::from(images);
                Watched::new(stopping).after(&record(0.0, 1.0, accuracy))
            };
            assert_eq!(after(correct), Some(Stop::TestAccuracy(percent)));
            assert_eq!(after(correct - 1), None);
        }
    }

    #[test]
    fn patience_ends_with_the_last_of_so_many_epochs_without_a_lower_loss() {
        let mut watch = Watched::new(Stopping { patience: Some(2), ..Stopping::default() });
        let stops: Vec<_> =
            [0.5, 0.6, 0.4, 0.4, 0.41].map(|loss| watch.after(&record(0.0, loss, 0.0))).to_vec();
        assert_eq!(stops, [None, None, None, None, Some(Stop::Patience(2))]);
    }

    #[test]
    fn the_validation_part_is_looked_at_where_there_is_one() {
        let mut watch = Watched::new(Stopping { patience: Some(1), ..Stopping::default() });
        let with = |loss| EpochRecord { validation_loss: Some(loss), ..record(0.0, 0.1, 0.0) };
        assert_eq!(watch.after(&with(0.5)), None);
        assert_eq!(watch.after(&with(0.4)), None, "the test loss, which did not fall, counts for nothing");
        assert_eq!(watch.after(&with(0.45)), Some(Stop::Patience(1)));
    }
}
