//! The training configuration: length, batches, learning rate, early stopping and augmentation.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::{Schedule, Stopping};
use crate::data::Augmentation;
use crate::engine::{self, ClassWeights, Step};

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
    /// The weights of the classes in the training loss, one per class of the network; `None` for 1 each. They require an
    /// engine whose [`Setup`](crate::engine::Setup) is class-weighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
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
            class_weights: None,
            evaluations_per_epoch: 1,
            checkpoint_every: None,
        }
    }
}

impl TrainingConfig {
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
    use crate::train::Shape;

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
