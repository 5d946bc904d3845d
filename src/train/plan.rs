//! How long and in which order to train.

use serde::{Deserialize, Serialize};

/// What a run is asked to do, whatever the data and the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Passes over the training images; of the last one, perhaps only the first part.
    pub epochs: f64,
    /// Ends the run early, after this many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Images of a step.
    pub batch_size: usize,
    pub learning_rate: f32,
    /// Decides the initial weights and the order of the images.
    pub seed: u64,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
}

impl Plan {
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

    fn plan(epochs: f64, max_steps: Option<u64>) -> Plan {
        Plan { epochs, max_steps, batch_size: 10, learning_rate: 1e-3, seed: 0, shuffle: true }
    }

    #[test]
    fn an_epoch_has_one_step_more_for_what_is_left() {
        assert_eq!(plan(1.0, None).steps_per_epoch(100), 10);
        assert_eq!(plan(1.0, None).steps_per_epoch(101), 11);
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
    fn endless_epochs_do_not_overflow() {
        assert_eq!(plan(f64::MAX, None).total_steps(100), u64::MAX);
        assert_eq!(plan(f64::MAX, None).total_images(100), u64::MAX);
    }
}
