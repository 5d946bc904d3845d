//! The configuration of an engine.

use super::{LARGEST_MICRO_BATCH, Loss, Optimizer};
use crate::model::LeNet5;

/// Default of [`Setup::evaluation_batch`].
const EVALUATION_BATCH: usize = 256;

/// The configuration of an engine. It is fixed for the engine's lifetime, and the same on every device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// The network to train.
    pub network: LeNet5,
    /// The largest number of images per step. A step of more than [`LARGEST_MICRO_BATCH`] images is divided into
    /// micro-batches whose gradients are added.
    pub batch_size: usize,
    /// The loss function.
    pub loss: Loss,
    /// The optimizer and its hyperparameters.
    pub optimizer: Optimizer,
    /// The largest number of images per forward pass in evaluations, limited to [`LARGEST_MICRO_BATCH`]. It does not
    /// affect the results.
    pub evaluation_batch: usize,
    /// Whether training augments images (see [`super::Epoch::views`]). Evaluations never do.
    pub augmented: bool,
    /// Whether training weights classes (see [`super::Epoch::class_weights`]). Evaluations never do.
    pub class_weighted: bool,
}

impl Setup {
    /// A setup with the mean NLL of log-softmax as its loss, Adam with its defaults, no augmentation and no class weights.
    pub fn new(network: LeNet5, batch_size: usize) -> Self {
        Self {
            network,
            batch_size,
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            evaluation_batch: EVALUATION_BATCH,
            augmented: false,
            class_weighted: false,
        }
    }

    /// The largest number of images per forward and backward pass in training.
    pub fn micro_batch_size(&self) -> usize {
        self.batch_size.min(LARGEST_MICRO_BATCH)
    }

    /// The largest number of images per forward pass in training or evaluation. Engines allocate activations for this
    /// many.
    pub fn max_forward_batch(&self) -> usize {
        self.batch_size.max(self.evaluation_batch).min(LARGEST_MICRO_BATCH)
    }

    /// Whether a step may have several micro-batches, whose gradients must be added.
    pub fn accumulates(&self) -> bool {
        self.batch_size > LARGEST_MICRO_BATCH
    }

    /// Whether engines of the two setups run the same kernels, so that they can be members of one population. They may
    /// differ in weight decay and label smoothing, which belong to each step.
    pub fn shares_kernels_with(&self, other: &Self) -> bool {
        let common = |setup: &Self| {
            let mut setup = *setup;
            setup.optimizer.weight_decay = 0.0;
            setup.loss.label_smoothing = 0.0;
            setup
        };
        common(self) == common(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_population_may_differ_in_what_belongs_to_each_step() {
        let setup = Setup::new(LeNet5::new(1, 10), 64);
        let mut other = setup;
        other.optimizer.weight_decay = 0.01;
        other.loss.label_smoothing = 0.1;
        assert!(setup.shares_kernels_with(&other));
        other.batch_size = 32;
        assert!(!setup.shares_kernels_with(&other));
    }
}
