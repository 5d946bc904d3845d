//! How long and in which order to train.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::{Schedule, Shape, Stopping};
use crate::data::{Augmentation, AugmentationError};
use crate::engine::{self, Step};

/// What a run is asked to do, whatever the data and the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingConfig {
    /// Passes over the training images; of the last one, perhaps only the first part.
    pub epochs: f64,
    /// Ends the run early, after this many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Images of a step.
    pub batch_size: usize,
    /// The highest that a step has.
    pub learning_rate: f32,
    /// Decides the initial weights, the order of the images, and all else that is drawn.
    pub seed: u64,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    pub schedule: Schedule,
    pub stopping: Stopping,
    pub augmentation: Augmentation,
    /// Times in an epoch that the test part is evaluated, at most: its end is one of them, and no step is
    /// cut. At least 1. See [`Listener::probe`](super::Listener::probe).
    pub probes: usize,
    /// Steps from one [`Listener::checkpoint`](super::Listener::checkpoint) within an epoch to the next; none for
    /// none. It changes no bit of what comes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<NonZeroU64>,
}

impl Default for TrainingConfig {
    /// Three epochs in batches of 64 at a constant rate of 0.001, and a seed that is the year of the paper
    /// that LeNet-5 comes from.
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
            probes: 1,
            checkpoint_every: None,
        }
    }
}

/// A plan that cannot be meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainingConfigError {
    #[error(
        "--lr-step-epochs {step_epochs} is not shorter than the {epochs} epochs that the run has after its \
         warm-up, so the rate would never fall; take fewer, or more --epochs"
    )]
    StepTooLong { step_epochs: f64, epochs: f64 },

    #[error(
        "--patience {patience} is not shorter than the run of {epochs} epochs; take less, or more --epochs"
    )]
    PatienceTooLong { patience: u64, epochs: f64 },

    #[error(
        "--warmup {warmup} of the run's {steps} steps is less than a step, so nothing would rise; take more, \
         or 0"
    )]
    WarmupTooShort { warmup: f64, steps: u64 },

    #[error(transparent)]
    Augmentation(#[from] AugmentationError),
}

impl TrainingConfig {
    /// Whether all of the plan comes to pass in a run over this many samples.
    pub fn check(&self, samples: usize) -> Result<(), TrainingConfigError> {
        let (epochs, steps) = (self.epochs, self.total_steps(samples));
        let Schedule { shape, warmup, step_epochs, .. } = self.schedule;
        let falling = (1.0 - warmup) * epochs;
        if let (Shape::Step, Some(step_epochs)) = (shape, step_epochs)
            && step_epochs >= falling
        {
            return Err(TrainingConfigError::StepTooLong { step_epochs, epochs: falling });
        }
        if let Some(patience) = self.stopping.patience
            && patience as f64 >= epochs
        {
            return Err(TrainingConfigError::PatienceTooLong { patience, epochs });
        }
        if warmup > 0.0 && steps > 0 && warmup * (steps as f64) < 0.5 {
            return Err(TrainingConfigError::WarmupTooShort { warmup, steps });
        }
        Ok(self.augmentation.check()?)
    }

    /// The steps of an epoch over this many samples that begins after `done` steps of the run; none where
    /// the run is over.
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

    /// Steps of an epoch of `len` from one of its probes to the next.
    pub(super) fn probe_interval(&self, len: usize) -> usize {
        len.div_ceil(self.probes)
    }

    /// The most steps after `done` of an epoch that begins after `begun` of the run's, up to the next moment at
    /// which the run is looked at or kept; `len` is the epoch's steps.
    pub(super) fn pause_after(&self, begun: u64, done: usize, len: usize) -> usize {
        let probes = self.probe_interval(len);
        let probe = (done / probes + 1) * probes;
        let kept = self.checkpoint_every.map_or(usize::MAX, |every| {
            let left = every.get() - (begun + done as u64) % every;
            usize::try_from(left).unwrap_or(usize::MAX).saturating_add(done)
        });
        probe.min(kept).min(len)
    }

    /// Steps of a whole epoch over this many samples.
    pub fn steps_per_epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch_size) as u64
    }

    /// Steps of the run. Part of an epoch is rounded to whole steps, and to one at the least.
    pub fn total_steps(&self, samples: usize) -> u64 {
        let steps = (self.epochs * self.steps_per_epoch(samples) as f64).round() as u64;
        steps.max(1).min(self.max_steps.unwrap_or(u64::MAX))
    }

    /// Epochs that are begun.
    pub fn epochs_begun(&self, samples: usize) -> u64 {
        self.total_steps(samples).div_ceil(self.steps_per_epoch(samples))
    }

    /// Images that the run's steps see.
    pub fn total_images(&self, samples: usize) -> u64 {
        let (steps, per_epoch) = (self.total_steps(samples), self.steps_per_epoch(samples));
        let rest = (steps % per_epoch).saturating_mul(self.batch_size as u64);
        (steps / per_epoch).saturating_mul(samples as u64).saturating_add(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(epochs: f64, max_steps: Option<u64>) -> TrainingConfig {
        TrainingConfig { epochs, max_steps, batch_size: 10, ..TrainingConfig::default() }
    }

    #[test]
    fn an_epoch_has_one_step_more_for_what_is_left() {
        assert_eq!(plan(1.0, None).steps_per_epoch(100), 10);
        assert_eq!(plan(1.0, None).steps_per_epoch(101), 11);
    }

    #[test]
    fn an_epoch_pauses_at_its_probes_and_whenever_so_many_steps_of_the_run_are_done() {
        let pauses = |plan: &TrainingConfig, begun: u64| {
            let next = |&done: &usize| (done < 10).then(|| plan.pause_after(begun, done, 10));
            std::iter::successors(Some(0), next).skip(1).collect::<Vec<_>>()
        };
        assert_eq!(pauses(&plan(1.0, None), 20), [10]);
        assert_eq!(pauses(&TrainingConfig { probes: 4, ..plan(1.0, None) }, 20), [3, 6, 9, 10]);
        let kept = TrainingConfig { checkpoint_every: NonZeroU64::new(4), ..plan(1.0, None) };
        assert_eq!(pauses(&kept, 0), [4, 8, 10]);
        assert_eq!(pauses(&kept, 10), [2, 6, 10]);
        assert_eq!(pauses(&TrainingConfig { probes: 2, ..kept }, 10), [2, 5, 6, 10]);
    }

    #[test]
    fn part_of_an_epoch_is_rounded_to_whole_steps() {
        assert_eq!(plan(1.75, None).total_steps(100), 18);
        assert_eq!(plan(1.74, None).total_steps(100), 17);
        assert_eq!(plan(1.75, None).epochs_begun(100), 2);
    }

    #[test]
    fn the_smallest_part_of_an_epoch_is_one_step() {
        assert_eq!(plan(1e-9, None).total_steps(100), 1);
    }

    #[test]
    fn the_limit_of_steps_holds_even_where_it_is_none() {
        assert_eq!(plan(3.0, Some(4)).total_steps(100), 4);
        assert_eq!(plan(3.0, Some(0)).total_steps(100), 0);
        assert_eq!(plan(3.0, Some(0)).epochs_begun(100), 0);
    }

    #[test]
    fn the_last_batch_counts_with_its_own_size() {
        assert_eq!(plan(1.0, None).total_images(101), 101);
        assert_eq!(plan(2.0, Some(12)).total_images(101), 111);
    }

    #[test]
    fn rates_go_on_from_epoch_to_epoch() {
        let schedule = Schedule { shape: Shape::Linear, ..Schedule::CONSTANT };
        let plan = TrainingConfig { schedule, learning_rate: 1.0, ..plan(2.5, None) };
        let rates: Vec<f32> = [0, 10, 20]
            .iter()
            .flat_map(|&done| plan.epoch_steps(100, done))
            .map(|step| step.learning_rate)
            .collect();
        assert_eq!(rates.len(), 25);
        assert!(rates.iter().zip(0..).all(|(rate, t)| (rate - (1.0 - t as f32 / 25.0)).abs() < 1e-6));
    }

    #[test]
    fn what_would_never_come_to_pass_is_refused() {
        let with = |schedule, stopping| TrainingConfig { schedule, stopping, ..plan(3.0, None) }.check(100);
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

        let no_steps = TrainingConfig { schedule: warmup(0.2), ..plan(3.0, Some(0)) };
        assert_eq!(no_steps.check(100), Ok(()), "a run that only initialises has no rate");

        let augmentation = Augmentation { scale: 1.0, ..Augmentation::default() };
        let refused = TrainingConfig { augmentation, ..plan(3.0, None) }.check(100);
        assert_eq!(refused, Err(TrainingConfigError::Augmentation(AugmentationError::Scale(1.0))));
    }

    #[test]
    fn endless_epochs_do_not_overflow() {
        assert_eq!(plan(f64::MAX, None).total_steps(100), u64::MAX);
        assert_eq!(plan(f64::MAX, None).total_images(100), u64::MAX);
    }
}
