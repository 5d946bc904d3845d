//! What a run asks of an engine, whatever the device.

use super::{Loss, Optimizer};
use crate::model::LeNet5;

/// What an engine is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    pub network: LeNet5,
    /// Images of a step at most. More than [`LARGEST_PART`] go through the network in parts, whose
    /// gradients are added up.
    pub batch_size: usize,
    pub loss: Loss,
    pub optimizer: Optimizer,
    /// Whether training sees images through views (see [`super::Epoch::views`]). Evaluation never does.
    pub augmented: bool,
}

impl Setup {
    /// NLL by log-softmax, Adam, images as they are.
    pub fn new(network: LeNet5, batch_size: usize) -> Self {
        Self { network, batch_size, loss: Loss::default(), optimizer: Optimizer::default(), augmented: false }
    }
}

/// Images that go through the network at once, at most; the same on every device, so that a large batch
/// gives the same result everywhere.
pub const LARGEST_PART: usize = 1024;
