//! The progress of a run: everything needed to resume it besides the parameters and the optimizer state.

use serde::{Deserialize, Serialize};

use super::invalid_value::{InvalidValue, require, require_finite, require_fraction, require_non_negative};
use super::metrics::lowest_loss;
use super::stopping::StoppingState;
use super::{EpochRecord, RunConfig, StopReason, Stopping, TrainingConfig};
use crate::engine::{LossKind, Tally};
use crate::model::{Selection, SelectionSplit};
use crate::wording::count;

/// The progress of a run. The order of the images and the learning rates of the remaining steps follow from this and
/// the [`TrainingConfig`](super::TrainingConfig).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Steps done since the run began.
    pub step: u64,
    /// Epochs completed, including their evaluation.
    pub epochs: u64,
    /// Outcomes of the current epoch so far.
    pub tally: Tally,
    /// Mean loss of the run's first step; `None` before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_loss: Option<f64>,
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

    /// Checks that a run with this configuration, whose settings are in their ranges, can have this state between two
    /// steps, within an epoch or after one.
    ///
    /// # Errors
    /// Returns an error for the first value that contradicts the configuration or another value.
    pub(super) fn check(&self, config: &RunConfig) -> Result<(), InvalidValue> {
        let done = self.steps_of_epoch(&config.training, config.data.train)?;
        let images = done.saturating_mul(config.training.batch_size as u64).min(config.data.train as u64);
        self.check_tally(images, config)?;
        self.check_initial_loss(config.loss.kind)?;
        self.check_seconds(done)?;
        let Some(last) = &self.last else {
            let expected = format_args!("the metrics of epoch {}", self.epochs);
            require(self.epochs == 0, "last", "missing", expected)?;
            let best = self.best.map_or(0, |best| best.epoch);
            require(self.best.is_none(), "best.epoch", best, "no best epoch before the first epoch")?;
            return self.stopping.check(None).map_err(|error| error.of("watch"));
        };
        self.check_last(last, self.step - done, config).map_err(|error| error.of("last"))?;
        self.check_best(last)?;
        self.stopping.check(Some(last)).map_err(|error| error.of("watch"))
    }

    /// Returns the steps done of the current epoch.
    fn steps_of_epoch(&self, training: &TrainingConfig, samples: usize) -> Result<u64, InvalidValue> {
        let Self { step, epochs, .. } = *self;
        let (per_epoch, total) = (training.steps_per_epoch(samples), training.total_steps(samples));
        require(step <= total, "step", step, format_args!("at most {total}, the steps of the run"))?;
        // The images of all epochs and the next one can be counted, and so can the steps, which are no more than images.
        let images = epochs.checked_add(1).and_then(|epochs| epochs.checked_mul(samples as u64));
        require(images.is_some(), "epochs", epochs, "fewer")?;
        let first = epochs * per_epoch;
        if step == total && first >= total {
            // All epochs are completed. Only the last one can have fewer steps than the others.
            let expected = format_args!("{}, those with {}", total.div_ceil(per_epoch), count(total, "step"));
            require(first - total < per_epoch, "epochs", epochs, expected)?;
            return Ok(0);
        }
        let last = total.min(first + per_epoch);
        let expected = format_args!("{first} to {last}, in epoch {}", epochs + 1);
        require((first..=last).contains(&step), "step", step, expected)?;
        Ok(step - first)
    }

    /// Checks the outcomes of the current epoch, whose steps so far have this many images.
    fn check_tally(&self, images: u64, config: &RunConfig) -> Result<(), InvalidValue> {
        let Tally { samples, correct, loss_sum, weight } = self.tally;
        let expected = format_args!("{images}, the images of the epoch's steps so far");
        require(samples as u64 == images, "tally.samples", samples, expected)?;
        require(
            correct <= samples,
            "tally.correct",
            correct,
            format_args!("at most {samples}, tally.samples"),
        )?;
        require_finite("tally.loss_sum", loss_sum)?;
        let total = weight.map_or(samples as f64, |weight| weight.max(samples as f64));
        let lowest = if samples == 0 { 0.0 } else { lowest_loss(config.loss.kind) * total };
        require(loss_sum >= lowest, "tally.loss_sum", loss_sum, format_args!("at least {lowest}"))?;
        require(samples > 0 || loss_sum == 0.0, "tally.loss_sum", loss_sum, "0 without samples")?;
        let is_weighted = config.training.class_weights.is_some() && samples > 0;
        let (shown, expected) = match is_weighted {
            true => ("missing", "the sum of the class weights"),
            false => ("present", "none without class weights or samples"),
        };
        require(weight.is_some() == is_weighted, "tally.weight", shown, expected)?;
        weight.map_or(Ok(()), |weight| require_non_negative("tally.weight", weight))
    }

    /// Checks the loss of the first step.
    fn check_initial_loss(&self, kind: LossKind) -> Result<(), InvalidValue> {
        let Some(loss) = self.initial_loss else { return Ok(()) };
        require(self.step > 0, "initial_loss", loss, "none before the first step")?;
        require_finite("initial_loss", loss)?;
        let lowest = lowest_loss(kind);
        require(loss >= lowest, "initial_loss", loss, format_args!("at least {lowest}"))
    }

    /// Checks the times. `done` are the steps of the current epoch.
    fn check_seconds(&self, done: u64) -> Result<(), InvalidValue> {
        require_non_negative("seconds", self.seconds)?;
        require_non_negative("epoch_seconds", self.epoch_seconds)?;
        require(
            done > 0 || self.epoch_seconds == 0.0,
            "epoch_seconds",
            self.epoch_seconds,
            "0 before a step",
        )?;
        let last = self.last.as_ref().map_or(0.0, |last| last.seconds);
        // The sums are rounded differently.
        let possible = last + self.epoch_seconds <= self.seconds * (1.0 + 1e-6);
        require(possible, "seconds", self.seconds, "at least those of the last and the current epoch")
    }

    /// Checks the metrics of the last completed epoch, which ended after `step` steps.
    fn check_last(&self, last: &EpochRecord, step: u64, config: &RunConfig) -> Result<(), InvalidValue> {
        last.check()?;
        require(last.epoch == self.epochs, "epoch", last.epoch, format_args!("{}, the epochs", self.epochs))?;
        require(
            last.step == step,
            "step",
            last.step,
            format_args!("{step}, the end of epoch {}", last.epoch),
        )?;
        let highest = config.training.learning_rate;
        require(last.lr <= highest, "lr", last.lr, format_args!("at most {highest}, the learning rate"))?;
        let has_validation = config.data.validation.is_some();
        let (shown, expected) =
            if has_validation { ("missing", "one") } else { ("present", "none without a validation split") };
        require(last.validation_loss.is_some() == has_validation, "validation_loss", shown, expected)?;
        let lowest = lowest_loss(config.loss.kind);
        for (name, loss) in [
            ("train_loss", last.train_loss),
            ("validation_loss", last.validation_loss.unwrap_or(lowest)),
            ("test_loss", last.test_loss),
        ] {
            require(loss >= lowest, name, loss, format_args!("at least {lowest}"))?;
        }
        Ok(())
    }

    /// Checks the best epoch.
    fn check_best(&self, last: &EpochRecord) -> Result<(), InvalidValue> {
        let best = self.best;
        require(best.is_some(), "best", "missing", "the best epoch")?;
        let Some(Selection { epoch, split, accuracy }) = best else { return Ok(()) };
        let possible = (1..=last.epoch).contains(&epoch);
        require(possible, "best.epoch", epoch, format_args!("1 to {}, the epochs", last.epoch))?;
        let (of_last, accuracy_of_last) = selection_accuracy(last);
        require(split == of_last, "best.part", split, of_last)?;
        require_fraction("best.accuracy", accuracy)?;
        let (possible, relation) = if epoch == last.epoch {
            (accuracy == accuracy_of_last, "")
        } else {
            (accuracy >= accuracy_of_last, "at least ")
        };
        let expected = format_args!("{relation}{accuracy_of_last}, the last epoch's");
        require(possible, "best.accuracy", accuracy, expected)
    }

    /// Records a completed epoch.
    pub(super) fn finish_epoch(&mut self, record: EpochRecord) {
        self.stopping.record(&record);
        let (split, accuracy) = selection_accuracy(&record);
        if self.best.is_none_or(|best| accuracy > best.accuracy) {
            self.best = Some(Selection { epoch: record.epoch, split, accuracy });
        }
        self.epochs += 1;
        (self.tally, self.epoch_seconds) = (Tally::default(), 0.0);
        self.last = Some(record);
    }
}

/// The accuracy by which the best epoch is selected, and the images that it refers to.
fn selection_accuracy(record: &EpochRecord) -> (SelectionSplit, f64) {
    match record.validation_accuracy {
        Some(accuracy) => (SelectionSplit::Validation, accuracy),
        None => (SelectionSplit::Test, record.test_accuracy),
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
        state.tally = Tally { samples: 3, correct: 1, loss_sum: 1e300 / 7.0, weight: Some(0.1) };
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
