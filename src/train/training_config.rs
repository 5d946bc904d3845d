//! The training configuration: length, batches, learning rate, early stopping and augmentation.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::invalid_value::{InvalidValue, require, require_non_negative};
use super::{Schedule, Shape, Stopping};
use crate::data::{Augmentation, AugmentationError};
use crate::engine::{self, Step};

/// The training configuration of a run: everything that depends on neither the data set nor the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Number of epochs, above 0. A fractional part trains only that fraction of the last epoch's steps.
    pub epochs: f64,
    /// Maximum number of steps of the run; `None` for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Batch size: the number of images in a step, at least 1. The last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Learning rate; with a schedule, the highest.
    pub learning_rate: f32,
    /// Seed of all random numbers: the initial weights, the order of the images, and augmentation.
    pub seed: u64,
    /// Whether to shuffle the images in each epoch.
    pub shuffle: bool,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Early-stopping rules.
    pub stopping: Stopping,
    /// Augmentation of the training images.
    pub augmentation: Augmentation,
    /// Maximum number of test-set evaluations per epoch, at least 1. One of them is at the end of the epoch; the others
    /// are evenly spaced, between steps. Does not affect the weights. See [`Listener::evaluated`].
    ///
    /// [`Listener::evaluated`]: super::Listener::evaluated
    #[serde(alias = "probes")]
    pub evaluations_per_epoch: usize,
    /// Number of steps between two calls of [`Listener::checkpoint`] within an epoch; `None` for no such calls. Does not
    /// affect the weights.
    ///
    /// [`Listener::checkpoint`]: super::Listener::checkpoint
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<NonZeroU64>,
}

impl Default for TrainingConfig {
    /// Three epochs with a batch size of 64 and a constant learning rate of 0.001. The seed, 1998, is the year of the
    /// paper that introduced LeNet-5.
    fn default() -> Self {
        Self {
            epochs: 3.0,
            max_steps: None,
            batch_size: 64,
            learning_rate: 1e-3,
            seed: 1998,
            shuffle: true,
            schedule: Schedule::default(),
            stopping: Stopping::default(),
            augmentation: Augmentation::default(),
            evaluations_per_epoch: 1,
            checkpoint_every: None,
        }
    }
}

/// A setting that would have no effect, or that is out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainingConfigError {
    /// The step schedule would never drop the rate.
    #[error(
        "the learning rate would never fall: its first drop is due {step_epochs} epochs after the warm-up, and the run \
         has {epochs} epochs after the warm-up"
    )]
    StepTooLong {
        /// [`Schedule::step_epochs`].
        step_epochs: f64,
        /// Epochs after the warm-up.
        epochs: f64,
    },

    /// The patience could never run out.
    #[error(
        "the patience must be lower than the number of epochs; it is {patience}, and the run has {epochs}"
    )]
    PatienceTooLong {
        /// [`Stopping::patience`].
        patience: u64,
        /// Epochs of the run.
        epochs: f64,
    },

    /// The warm-up is shorter than a step.
    #[error(
        "a warm-up of {warmup} of the run's {steps} steps is less than one step; use a longer warm-up or 0"
    )]
    WarmupTooShort {
        /// [`Schedule::warmup`].
        warmup: f64,
        /// Steps of the run.
        steps: u64,
    },

    /// A setting is out of range.
    #[error(transparent)]
    OutOfRange(#[from] InvalidValue),

    /// The augmentation is invalid.
    #[error(transparent)]
    Augmentation(#[from] AugmentationError),
}

impl TrainingConfig {
    /// Checks that every setting is in its range and takes effect in a run on this many training images.
    ///
    /// # Errors
    /// Returns an error if a setting is out of range, or if a schedule or stopping rule does not fit into the run.
    pub fn check(&self, samples: usize) -> Result<(), TrainingConfigError> {
        self.check_ranges()?;
        let (epochs, steps) = (self.epochs, self.total_steps(samples));
        let Schedule { shape, warmup, step_epochs, .. } = self.schedule;
        let after_warmup = (1.0 - warmup) * epochs;
        if let (Shape::Step, Some(step_epochs)) = (shape, step_epochs)
            && step_epochs >= after_warmup
        {
            return Err(TrainingConfigError::StepTooLong { step_epochs, epochs: after_warmup });
        }
        if let Some(patience) = self.stopping.patience
            && patience as f64 >= epochs
        {
            return Err(TrainingConfigError::PatienceTooLong { patience, epochs });
        }
        if warmup > 0.0 && steps > 0 && warmup * (steps as f64) < 0.5 {
            return Err(TrainingConfigError::WarmupTooShort { warmup, steps });
        }
        Ok(())
    }

    /// Checks that every setting is in its range, which the training loop relies on.
    ///
    /// # Errors
    /// Returns an error for the first setting that is out of range.
    pub(super) fn check_ranges(&self) -> Result<(), TrainingConfigError> {
        let Self { epochs, batch_size, learning_rate, schedule, stopping, .. } = self;
        require(*epochs > 0.0 && epochs.is_finite(), "epochs", epochs, "above 0 and finite")?;
        require(*batch_size >= 1, "batch_size", batch_size, "at least 1")?;
        require_non_negative("learning_rate", (*learning_rate).into())?;
        let evaluations = self.evaluations_per_epoch;
        require(evaluations >= 1, "evaluations_per_epoch", evaluations, "at least 1")?;

        let Schedule { shape: _, warmup, step_epochs, step_factor } = *schedule;
        require((0.0..1.0).contains(&warmup), "schedule.warmup", warmup, "at least 0 and below 1")?;
        if let Some(epochs) = step_epochs {
            let valid = epochs > 0.0 && epochs.is_finite();
            require(valid, "schedule.step_epochs", epochs, "above 0 and finite")?;
        }
        if let Some(factor) = step_factor {
            let valid = factor > 0.0 && factor < 1.0;
            require(valid, "schedule.step_factor", factor, "above 0 and below 1")?;
        }
        for (rule, percent) in [
            ("stopping.train_accuracy", stopping.train_accuracy),
            ("stopping.test_accuracy", stopping.test_accuracy),
        ] {
            let valid = percent.is_none_or(|percent| (0.0..=100.0).contains(&percent));
            require(valid, rule, percent.unwrap_or_default(), "0 to 100")?;
        }
        Ok(self.augmentation.check()?)
    }

    /// Returns the steps, with their learning rates, of an epoch over `samples` images that begins after `done` steps of
    /// the run. They are fewer than [`Self::steps_per_epoch`] if the run ends within the epoch, and none if it is over.
    pub fn epoch_steps(&self, samples: usize, done: u64) -> Vec<Step> {
        let (total, per_epoch) = (self.total_steps(samples), self.steps_per_epoch(samples));
        let left = usize::try_from(total.saturating_sub(done)).unwrap_or(usize::MAX);
        let mut steps = engine::steps(samples, self.batch_size, self.learning_rate);
        steps.truncate(left);
        for (step, t) in steps.iter_mut().zip(done..) {
            let factor = self.schedule.factor(t, total, per_epoch);
            step.learning_rate = (f64::from(self.learning_rate) * factor) as f32;
        }
        steps
    }

    /// Steps between two evaluations in an epoch of `len` steps.
    pub(super) fn evaluation_interval(&self, len: usize) -> usize {
        len.div_ceil(self.evaluations_per_epoch)
    }

    /// The step of an epoch before which training pauses next, for an evaluation, a checkpoint or the epoch's end. The
    /// epoch has `len` steps, of which `done` are done, and begins after `first_step` steps of the run.
    pub(super) fn next_pause(&self, first_step: u64, done: usize, len: usize) -> usize {
        let interval = self.evaluation_interval(len);
        let evaluation = (done / interval + 1) * interval;
        let checkpoint = self.checkpoint_every.map_or(usize::MAX, |every| {
            let left = every.get() - (first_step + done as u64) % every;
            usize::try_from(left).unwrap_or(usize::MAX).saturating_add(done)
        });
        evaluation.min(checkpoint).min(len)
    }

    /// Number of steps of a whole epoch over `samples` images.
    pub fn steps_per_epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch_size) as u64
    }

    /// Number of steps of the run on `samples` images. A fractional epoch is rounded to whole steps. The run has at least
    /// one step, unless [`Self::max_steps`] is 0.
    pub fn total_steps(&self, samples: usize) -> u64 {
        let steps = (self.epochs * self.steps_per_epoch(samples) as f64).round() as u64;
        steps.max(1).min(self.max_steps.unwrap_or(u64::MAX))
    }

    /// Number of epochs of the run on `samples` images, including a partial last one.
    pub fn epochs_started(&self, samples: usize) -> u64 {
        self.total_steps(samples).div_ceil(self.steps_per_epoch(samples))
    }

    /// Number of images that the run trains on, counting an image once for each epoch.
    pub fn total_images(&self, samples: usize) -> u64 {
        let (steps, per_epoch) = (self.total_steps(samples), self.steps_per_epoch(samples));
        let rest = (steps % per_epoch).saturating_mul(self.batch_size as u64);
        (steps / per_epoch).saturating_mul(samples as u64).saturating_add(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(epochs: f64, max_steps: Option<u64>) -> TrainingConfig {
        TrainingConfig { epochs, max_steps, batch_size: 10, ..TrainingConfig::default() }
    }

    #[test]
    fn a_partial_batch_is_a_step_of_its_own() {
        assert_eq!(config(1.0, None).steps_per_epoch(100), 10);
        assert_eq!(config(1.0, None).steps_per_epoch(101), 11);
    }

    #[test]
    fn training_pauses_for_evaluations_and_checkpoints() {
        let pauses = |config: &TrainingConfig, first_step: u64| {
            let next = |&done: &usize| (done < 10).then(|| config.next_pause(first_step, done, 10));
            std::iter::successors(Some(0), next).skip(1).collect::<Vec<_>>()
        };
        assert_eq!(pauses(&config(1.0, None), 20), [10]);
        assert_eq!(
            pauses(&TrainingConfig { evaluations_per_epoch: 4, ..config(1.0, None) }, 20),
            [3, 6, 9, 10]
        );
        let with_checkpoints = TrainingConfig { checkpoint_every: NonZeroU64::new(4), ..config(1.0, None) };
        assert_eq!(pauses(&with_checkpoints, 0), [4, 8, 10]);
        assert_eq!(pauses(&with_checkpoints, 10), [2, 6, 10]);
        assert_eq!(
            pauses(&TrainingConfig { evaluations_per_epoch: 2, ..with_checkpoints }, 10),
            [2, 5, 6, 10]
        );
    }

    #[test]
    fn a_fractional_epoch_is_rounded_to_whole_steps() {
        assert_eq!(config(1.75, None).total_steps(100), 18);
        assert_eq!(config(1.74, None).total_steps(100), 17);
        assert_eq!(config(1.75, None).epochs_started(100), 2);
    }

    #[test]
    fn a_run_has_at_least_one_step() {
        assert_eq!(config(1e-9, None).total_steps(100), 1);
    }

    #[test]
    fn max_steps_limits_the_run_and_may_be_zero() {
        assert_eq!(config(3.0, Some(4)).total_steps(100), 4);
        assert_eq!(config(3.0, Some(0)).total_steps(100), 0);
        assert_eq!(config(3.0, Some(0)).epochs_started(100), 0);
    }

    #[test]
    fn total_images_counts_partial_batches() {
        assert_eq!(config(1.0, None).total_images(101), 101);
        assert_eq!(config(2.0, Some(12)).total_images(101), 111);
    }

    #[test]
    fn the_schedule_continues_across_epochs() {
        let schedule = Schedule { shape: Shape::Linear, ..Schedule::CONSTANT };
        let config = TrainingConfig { schedule, learning_rate: 1.0, ..config(2.5, None) };
        let rates: Vec<f32> = [0, 10, 20]
            .iter()
            .flat_map(|&done| config.epoch_steps(100, done))
            .map(|step| step.learning_rate)
            .collect();
        assert_eq!(rates.len(), 25);
        assert!(rates.iter().zip(0..).all(|(rate, t)| (rate - (1.0 - t as f32 / 25.0)).abs() < 1e-6));
    }

    #[test]
    fn settings_without_effect_are_rejected() {
        let with = |schedule, stopping| TrainingConfig { schedule, stopping, ..config(3.0, None) }.check(100);
        let step = |epochs| Schedule { shape: Shape::Step, step_epochs: Some(epochs), ..Schedule::CONSTANT };
        assert_eq!(with(step(2.5), Stopping::default()), Ok(()));
        assert!(matches!(with(step(3.0), Stopping::default()), Err(TrainingConfigError::StepTooLong { .. })));
        let after_warmup = Schedule { warmup: 0.5, ..step(2.5) };
        assert!(matches!(
            with(after_warmup, Stopping::default()),
            Err(TrainingConfigError::StepTooLong { .. })
        ));

        let patience = |epochs| Stopping { patience: Some(epochs), ..Stopping::default() };
        assert_eq!(with(Schedule::CONSTANT, patience(2)), Ok(()));
        assert!(matches!(
            with(Schedule::CONSTANT, patience(3)),
            Err(TrainingConfigError::PatienceTooLong { patience: 3, .. })
        ));

        let warmup = |warmup| Schedule { warmup, ..Schedule::CONSTANT };
        assert_eq!(with(warmup(0.02), Stopping::default()), Ok(()));
        assert!(matches!(
            with(warmup(0.01), Stopping::default()),
            Err(TrainingConfigError::WarmupTooShort { .. })
        ));

        let no_steps = TrainingConfig { schedule: warmup(0.2), ..config(3.0, Some(0)) };
        assert_eq!(no_steps.check(100), Ok(()), "a run without steps has no learning rate");

        let augmentation = Augmentation { scale: 1.0, ..Augmentation::default() };
        let result = TrainingConfig { augmentation, ..config(3.0, None) }.check(100);
        assert_eq!(result, Err(TrainingConfigError::Augmentation(AugmentationError::Scale(1.0))));
    }

    #[test]
    fn settings_out_of_range_are_rejected_by_name() {
        let invalid: &[(&str, fn(&mut TrainingConfig))] = &[
            ("epochs is NaN; expected above 0 and finite", |config| config.epochs = f64::NAN),
            ("epochs is inf", |config| config.epochs = f64::INFINITY),
            ("epochs is 0", |config| config.epochs = 0.0),
            ("batch_size is 0", |config| config.batch_size = 0),
            ("learning_rate is inf", |config| config.learning_rate = f32::INFINITY),
            ("evaluations_per_epoch is 0", |config| config.evaluations_per_epoch = 0),
            ("schedule.warmup is 1", |config| config.schedule.warmup = 1.0),
            ("schedule.step_epochs is -1", |config| config.schedule.step_epochs = Some(-1.0)),
            ("schedule.step_factor is NaN", |config| config.schedule.step_factor = Some(f64::NAN)),
            ("stopping.test_accuracy is 101", |config| config.stopping.test_accuracy = Some(101.0)),
            ("a shift by 32 pixels", |config| config.augmentation.shift = 32),
        ];
        for (expected, edit) in invalid {
            let mut edited = config(3.0, None);
            assert_eq!(edited.check(100), Ok(()));
            edit(&mut edited);
            let error = edited.check(100).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in: {error}");
        }
    }

    #[test]
    fn the_former_name_of_evaluations_per_epoch_is_still_read() {
        let config: TrainingConfig = toml::from_str("probes = 4").unwrap();
        assert_eq!(config, TrainingConfig { evaluations_per_epoch: 4, ..TrainingConfig::default() });
        assert!(toml::to_string(&config).unwrap().contains("evaluations_per_epoch = 4"));
    }

    #[test]
    fn a_huge_number_of_epochs_does_not_overflow() {
        assert_eq!(config(f64::MAX, None).total_steps(100), u64::MAX);
        assert_eq!(config(f64::MAX, None).total_images(100), u64::MAX);
    }
}
