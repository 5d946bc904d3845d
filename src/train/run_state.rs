//! Where a run stands: all that going on needs, beside the parameters and the optimizer's state.

use serde::{Deserialize, Serialize};

use super::stopping::StoppingState;
use super::{EpochRecord, Stop, Stopping, Tally};
use crate::engine::OptimizerState;
use crate::model::{Selection, SelectionSplit};

/// How far a run has come. The order of the images and the rates of the steps follow from it and the plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunState {
    /// Steps done since the run began.
    pub step: u64,
    /// Epochs that are trained and evaluated.
    pub epochs: u64,
    /// Of the epoch under way.
    pub tally: Tally,
    /// Of training in the epoch under way.
    pub epoch_seconds: f64,
    /// Of training since the run began.
    pub seconds: f64,
    /// What the last whole epoch came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EpochRecord>,
    /// The epoch whose weights are the best so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Selection>,
    watch: StoppingState,
}

/// A run between two steps. Everything that going on needs is in it.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    pub standing: &'a RunState,
    pub parameters: &'a [f32],
    pub optimizer: &'a OptimizerState,
}

impl RunState {
    /// Why the run shall not go on, where its last epoch has met a rule.
    pub fn stop(&self, rules: &Stopping) -> Option<Stop> {
        self.last.as_ref().and_then(|record| self.watch.stop(rules, record))
    }

    /// Counts an epoch in.
    pub(super) fn end_epoch(&mut self, record: EpochRecord) {
        self.watch.see(&record);
        let (part, accuracy) = match record.validation_accuracy {
            Some(accuracy) => (SelectionSplit::Validation, accuracy),
            None => (SelectionSplit::Test, record.test_accuracy),
        };
        if self.best.is_none_or(|best| accuracy > best.accuracy) {
            self.best = Some(Selection { epoch: record.epoch, part, accuracy });
        }
        self.epochs += 1;
        (self.tally, self.epoch_seconds) = (Tally::default(), 0.0);
        self.last = Some(record);
    }

    /// Whether the last epoch is the best so far.
    pub fn last_is_best(&self) -> bool {
        self.last.as_ref().zip(self.best).is_some_and(|(last, best)| last.epoch == best.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, test_accuracy: f64, validation_accuracy: Option<f64>) -> EpochRecord {
        EpochRecord { epoch, test_accuracy, validation_accuracy, ..EpochRecord::default() }
    }

    #[test]
    fn the_best_epoch_is_the_first_of_the_highest_accuracy() {
        let mut standing = RunState::default();
        let best = [(0.5, true), (0.7, true), (0.7, false), (0.6, false), (0.8, true)];
        for (epoch, (accuracy, is_best)) in (1..).zip(best) {
            standing.end_epoch(record(epoch, accuracy, None));
            assert_eq!(standing.last_is_best(), is_best, "epoch {epoch}");
        }
        let best = Selection { epoch: 5, part: SelectionSplit::Test, accuracy: 0.8 };
        assert_eq!((standing.best, standing.epochs), (Some(best), 5));
    }

    #[test]
    fn the_validation_part_selects_where_there_is_one() {
        let mut standing = RunState::default();
        standing.end_epoch(record(1, 0.5, Some(0.9)));
        standing.end_epoch(record(2, 0.8, Some(0.6)));
        let best = Selection { epoch: 1, part: SelectionSplit::Validation, accuracy: 0.9 };
        assert_eq!(standing.best, Some(best));
    }

    #[test]
    fn a_standing_comes_back_from_its_text_bit_by_bit() {
        let mut standing = RunState { step: 7, seconds: 0.1 + 0.2, ..RunState::default() };
        standing.end_epoch(record(1, 1.0 / 3.0, None));
        standing.tally = Tally { samples: 3, correct: 1, loss_sum: 1e300 / 7.0 };
        let text = serde_json::to_string(&standing).unwrap();
        assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), standing);
    }
}
