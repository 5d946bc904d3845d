//! Checks of a training configuration.

use super::invalid_value::{InvalidValue, require, require_non_negative};
use super::{Schedule, Shape, TrainingConfig};
use crate::data::AugmentationError;

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
        /// [`Stopping::patience`](super::Stopping::patience).
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Augmentation;
    use crate::train::Stopping;

    fn config(epochs: f64, max_steps: Option<u64>) -> TrainingConfig {
        TrainingConfig { epochs, max_steps, batch_size: 10, ..TrainingConfig::default() }
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
        type Change = fn(&mut TrainingConfig);
        let invalid: &[(&str, Change)] = &[
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
}
