//! The progress of a run: everything needed to resume it besides the parameters and the optimizer state.

use serde::{Deserialize, Serialize};

use super::stopping::StoppingState;
use super::{EpochRecord, StopReason, Stopping};
use crate::engine::Tally;
use crate::model::{Selection, SelectionSplit};

/// The progress of a run. The order of the images and the learning rates of the remaining steps follow from this and
/// the [`TrainingConfig`](super::TrainingConfig).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunState {
    /// Steps done since the run began.
    pub step: u64,
    /// Epochs completed, including their evaluation.
    pub epochs: u64,
    /// Outcomes of the current epoch so far.
    pub tally: Tally,
    /// Seconds spent training in the current epoch.
    pub epoch_seconds: f64,
    /// Seconds spent training since the run began.
    pub seconds: f64,
    /// Record of the last completed epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EpochRecord>,
    /// The best epoch so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Selection>,
    #[serde(rename = "watch")]
    stopping: StoppingState,
}

impl RunState {
    /// Returns the early-stopping rule that the last epoch met, if any.
    pub fn stop_reason(&self, rules: &Stopping) -> Option<StopReason> {
        self.last.as_ref().and_then(|record| self.stopping.stop_reason(rules, record))
    }

    /// Returns whether the last completed epoch is the best so far.
    pub fn last_is_best(&self) -> bool {
        self.last.as_ref().zip(self.best).is_some_and(|(last, best)| last.epoch == best.epoch)
    }

    /// Records a completed epoch.
    pub(super) fn finish_epoch(&mut self, record: EpochRecord) {
        self.stopping.record(&record);
        let (split, accuracy) = match record.validation_accuracy {
            Some(accuracy) => (SelectionSplit::Validation, accuracy),
            None => (SelectionSplit::Test, record.test_accuracy),
        };
        if self.best.is_none_or(|best| accuracy > best.accuracy) {
            self.best = Some(Selection { epoch: record.epoch, split, accuracy });
        }
        self.epochs += 1;
        (self.tally, self.epoch_seconds) = (Tally::default(), 0.0);
        self.last = Some(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, test_accuracy: f64, validation_accuracy: Option<f64>) -> EpochRecord {
        EpochRecord { epoch, test_accuracy, validation_accuracy, ..EpochRecord::default() }
    }

    #[test]
    fn best_epoch_is_the_first_with_the_highest_accuracy() {
        let mut state = RunState::default();
        let epochs = [(0.5, true), (0.7, true), (0.7, false), (0.6, false), (0.8, true)];
        for (epoch, (accuracy, is_best)) in (1..).zip(epochs) {
            state.finish_epoch(record(epoch, accuracy, None));
            assert_eq!(state.last_is_best(), is_best, "epoch {epoch}");
        }
        let best = Selection { epoch: 5, split: SelectionSplit::Test, accuracy: 0.8 };
        assert_eq!((state.best, state.epochs), (Some(best), 5));
    }

    #[test]
    fn best_epoch_is_selected_on_the_validation_split_if_there_is_one() {
        let mut state = RunState::default();
        state.finish_epoch(record(1, 0.5, Some(0.9)));
        state.finish_epoch(record(2, 0.8, Some(0.6)));
        let best = Selection { epoch: 1, split: SelectionSplit::Validation, accuracy: 0.9 };
        assert_eq!(state.best, Some(best));
    }

    #[test]
    fn state_round_trips_through_json_bit_for_bit() {
        let mut state = RunState { step: 7, seconds: 0.1 + 0.2, ..RunState::default() };
        state.finish_epoch(record(1, 1.0 / 3.0, None));
        state.tally = Tally { samples: 3, correct: 1, loss_sum: 1e300 / 7.0 };
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state);
    }

    #[test]
    fn state_reads_the_names_that_older_checkpoints_use() {
        let text = r#"{"step":3,"epochs":0,"tally":{"samples":9,"correct":4,"loss_sum":1.5},
            "epoch_seconds":0.5,"seconds":0.5,"watch":{"lowest_loss":0.25,"waited":2}}"#;
        let state: RunState = serde_json::from_str(text).unwrap();
        assert_eq!((state.step, state.tally.correct), (3, 4));
        assert_eq!(
            serde_json::to_value(&state).unwrap(),
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        );
    }
}
