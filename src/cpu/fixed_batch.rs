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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use super::*;
    use crate::cpu::CpuEngine;
    use crate::engine::{Engine, Epoch, Optimizer, Rule, Setup, Sgd, Split, steps};
    use crate::model::{Init, ParameterTable};

    fn images() -> ImageSet {
        let pixels = (0..12 * 784).map(|index| (index * index % 251) as u8).collect();
        ImageSet { channels: 1, height: 28, width: 28, pixels, labels: (0..12).map(|i| i * 7 % 10).collect() }
    }

    #[test]
    fn the_gradient_is_what_a_plain_step_on_the_batch_subtracts() {
        let weights = ClassWeights::new((0..10).map(|class| 0.5 + class as f32 / 10.0).collect()).unwrap();
        for (frozen, class_weights) in [(Frozen::None, None), (Frozen::Conv, Some(&weights))] {
            let (network, images) = (LeNet5::new(1, 10), images());
            let table = ParameterTable::new(&network);
            let before = Init::Pytorch.arena(&table, 3);
            let loss = Loss { label_smoothing: 0.1, ..Loss::default() };
            let mut batch = FixedBatch::new(network, loss, frozen, class_weights, &images, 8);

            let optimizer = Optimizer { rule: Rule::Sgd(Sgd::default()), frozen, ..Optimizer::default() };
            let class_weighted = class_weights.is_some();
            let setup = Setup { optimizer, loss, class_weighted, ..Setup::new(network, 8) };
            let mut engine = CpuEngine::new(&setup);
            engine.set_parameters(&before).unwrap();
            engine.load(Split::Train, Arc::new(images)).unwrap();
            let (order, steps): (Vec<u32>, _) = ((0..8).collect(), steps(8, 8, 1.0));
            let epoch = Epoch { class_weights, ..Epoch::new(&order, &steps) };
            engine.train(&epoch, &mut |_, _| ControlFlow::Continue(())).unwrap();

            let after = engine.parameters().unwrap();
            let gradient = batch.gradient(&before);
            for tensor in table.trained() {
                for index in tensor.range() {
                    let (gradient, step) = (gradient[index], before[index] - after[index]);
                    assert!((gradient - step).abs() < 1e-6, "{}: {gradient}, {step}", tensor.name);
                }
            }
            assert!(gradient.iter().any(|value| value.abs() > 1e-3));
        }
    }

    #[test]
    fn a_set_that_is_smaller_than_the_batch_is_used_whole() {
        let network = LeNet5::new(1, 10);
        let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 3);
        let gradient = |size| {
            let mut batch = FixedBatch::new(network, Loss::default(), Frozen::None, None, &images(), size);
            batch.gradient(&parameters).to_vec()
        };
        assert_eq!(gradient(12), gradient(64));
        assert_ne!(gradient(12), gradient(8));
    }
}
