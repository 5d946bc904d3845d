//! The same training on the GPU and by the f64 reference.

use std::ops::{ControlFlow, Range};

use super::tensors::f64s;
use crate::cpu;
use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, Epoch, Optimizer, Setup, Step};
use crate::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, Residency};
use crate::model::{Init, LeNet5, ParameterTable};

pub fn start(network: &LeNet5, seed: u64) -> Vec<f32> {
    Init::Pytorch.arena(&ParameterTable::new(network), seed)
}

pub fn engine_of(
    context: &Context,
    plan: &KernelConfig,
    setup: Setup,
    residency: Residency,
) -> Result<GpuEngine, EngineError> {
    GpuEngine::new(context.clone(), GpuOptions { setup, residency, plan: *plan })
}

/// Trains, and gives the losses in the order's order.
pub fn train(engine: &mut GpuEngine, epoch: &Epoch) -> Result<Vec<f32>, EngineError> {
    let mut losses = Vec::with_capacity(epoch.order.len());
    engine.train(epoch, &mut |_, outcomes| {
        losses.extend(outcomes.iter().map(|outcome| outcome.loss));
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}

/// The reference, trained on the same steps.
pub struct Reference {
    pub network: cpu::Network<f64>,
    optimizer: Optimizer,
    classes: usize,
}

impl Reference {
    /// Has room for all images of a step at once.
    pub fn new(setup: &Setup, start: &[f32]) -> Self {
        let mut network = cpu::Network::new(setup.network, setup.batch_size).with_loss(setup.loss);
        network.set_parameters(&f64s(start));
        Self { network, optimizer: setup.optimizer, classes: setup.network.classes }
    }

    pub fn step(&mut self, split: &ImageSet, order: &[u32], step: &Step) {
        self.gradient(split, &Epoch::new(order, &[*step]), step);
        self.network.update(&self.optimizer, step.learning_rate);
    }

    /// Makes the gradient of a whole step of an epoch, in one pass.
    pub fn gradient(&mut self, split: &ImageSet, epoch: &Epoch, step: &Step) {
        let labels = self.take(split, epoch, step.first..step.first + step.count);
        self.network.forward(&labels);
        self.network.backward();
    }

    /// Makes the gradient of a whole step of an epoch, as its micro-batches' add up.
    pub fn accumulated_gradient(&mut self, split: &ImageSet, epoch: &Epoch, step: &Step) {
        for batch in step.micro_batches() {
            let labels = self.take(split, epoch, batch.first..batch.first + batch.count);
            self.network.forward_micro_batch(&labels, step.count);
            self.network.backward();
            self.network.accumulate(!batch.starts_step());
        }
    }

    pub fn evaluate(&mut self, split: &ImageSet, order: &[u32]) {
        let labels = self.take(split, &Epoch::new(order, &[]), 0..order.len());
        self.network.evaluate(&labels);
    }

    /// Of every class, for each image of the last batch.
    pub fn log_probabilities(&self) -> Vec<f64> {
        // Where outputs are log-probabilities, they stay as they are: their exponentials add up to 1.
        let mut outputs = self.network.outputs().to_vec();
        cpu::log_softmax(self.classes, &mut outputs);
        outputs
    }

    /// Lays some samples of an epoch as the network's input, and gives their labels.
    fn take(&mut self, split: &ImageSet, epoch: &Epoch, samples: Range<usize>) -> Vec<u32> {
        let batch = &epoch.order[samples.clone()];
        let x = self.network.input(batch.len());
        match epoch.views {
            Some(views) => cpu::gather_augmented(split, batch, &views[samples], x),
            None => cpu::gather(split, batch, x),
        }
        batch.iter().map(|&place| u32::from(split.labels[place as usize])).collect()
    }
}
