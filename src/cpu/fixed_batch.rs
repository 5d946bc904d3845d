//! The gradient of the loss on a fixed batch of training images, whatever engine trains.

use super::{Network, gather};
use crate::data::ImageSet;
use crate::engine::{ClassWeights, Loss};
use crate::model::{Frozen, LeNet5};

/// A fixed batch of images: the first of a set, as they are stored and without augmentation.
///
/// Engines with fused kernels do not keep the gradients of a step. The gradient on a fixed batch can be computed from a
/// run's parameters alone; as its images are always the same, it shows how training changes it.
#[derive(Debug, Clone)]
pub struct FixedBatch {
    network: Network<f32>,
    labels: Vec<u32>,
}

impl FixedBatch {
    /// The first `size` images of a set, or all of them if it has fewer.
    ///
    /// # Panics
    /// If `size` is 0, or if the images, their labels or the class weights do not match the network.
    pub fn new(
        network: LeNet5,
        loss: Loss,
        frozen: Frozen,
        class_weights: Option<&ClassWeights>,
        images: &ImageSet,
        size: usize,
    ) -> Self {
        let size = size.min(images.len());
        let order: Vec<u32> = (0..size as u32).collect();
        let labels = images.labels[..size].iter().map(|&label| label.into()).collect();
        let mut network = Network::new(network, size).with_loss(loss).with_frozen(frozen);
        network.set_class_weights(class_weights);
        gather(images, &order, network.input(size));
        Self { network, labels }
    }

    /// The gradient of the batch's loss at `parameters`, a parameter arena: what a step on the batch would start from,
    /// before clipping and weight decay. It has the layout of the arena's trained part; that of frozen layers is 0.
    ///
    /// # Panics
    /// If the length of `parameters` is not the arena's.
    pub fn gradient(&mut self, parameters: &[f32]) -> &[f32] {
        self.network.set_parameters(parameters);
        self.network.forward(&self.labels);
        self.network.backward();
        self.network.gradient()
    }
}
