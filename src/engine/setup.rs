//! What a run asks of an engine, whatever the device.

use super::{LARGEST_MICRO_BATCH, Loss, Optimizer};
use crate::model::LeNet5;

/// Images of an evaluation that go through the network at once, where nothing else is asked for.
const EVALUATION_BATCH: usize = 256;

/// What an engine is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    pub network: LeNet5,
    /// Images of a step at most. More than [`LARGEST_MICRO_BATCH`] go through the network in micro-batches,
    /// whose gradients are added up.
    pub batch_size: usize,
    pub loss: Loss,
    pub optimizer: Optimizer,
    /// Images of an evaluation that go through the network at once, at most. What is told of an image does not
    /// depend on it, and no more than [`LARGEST_MICRO_BATCH`] do.
    pub evaluation_batch: usize,
    /// Whether training sees images through views (see [`super::Epoch::views`]). Evaluation never does.
    pub augmented: bool,
}

impl Setup {
    /// NLL by log-softmax, Adam, images as they are.
    pub fn new(network: LeNet5, batch_size: usize) -> Self {
        Self {
            network,
            batch_size,
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            evaluation_batch: EVALUATION_BATCH,
            augmented: false,
        }
    }

    /// Images that go through the network at once in training, at most.
    pub fn micro_batch_size(&self) -> usize {
        self.batch_size.min(LARGEST_MICRO_BATCH)
    }

    /// Images that go through the network at once in either pass, at most: what activations are held of.
    pub fn at_once(&self) -> usize {
        self.batch_size.max(self.evaluation_batch).min(LARGEST_MICRO_BATCH)
    }

    /// Whether gradients of several micro-batches may have to be added up.
    pub fn accumulates(&self) -> bool {
        self.batch_size > LARGEST_MICRO_BATCH
    }
}
