//! Training on the GPU and by the f64 reference in the same way.

use std::ops::{ControlFlow, Range};

use super::tensors::f64s;
use crate::cpu;
use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, Epoch, Optimizer, Setup, Step};
use crate::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, Residency};
use crate::model::{Init, LeNet5, ParameterTable};

/// Random initial weights.
pub fn initial_weights(network: &LeNet5, seed: u64) -> Vec<f32> {
    Init::Pytorch.arena(&ParameterTable::new(network), seed)
}

/// Creates a GPU engine.
pub fn new_engine(
    context: &Context,
    config: &KernelConfig,
    setup: Setup,
    residency: Residency,
) -> Result<GpuEngine, EngineError> {
    GpuEngine::new(context.clone(), GpuOptions { setup, residency, kernels: *config })
}

/// Trains the steps of an epoch and returns the losses in its order.
pub fn train(engine: &mut GpuEngine, epoch: &Epoch) -> Result<Vec<f32>, EngineError> {
    let mut losses = Vec::with_capacity(epoch.order.len());
    engine.train(epoch, &mut |_, outcomes| {
        losses.extend(outcomes.iter().map(|outcome| outcome.loss));
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}

/// The f64 reference, trained in the same steps.
pub struct Reference {
    pub network: cpu::Network<f64>,
    optimizer: Optimizer,
    classes: usize,
}

impl Reference {
    /// Creates a reference with room for all images of a step at once.
    pub fn new(setup: &Setup, weights: &[f32]) -> Self {
        let mut network = cpu::Network::new(setup.network, setup.batch_size)
            .with_loss(setup.loss)
            .with_frozen(setup.optimizer.frozen);
        network.set_parameters(&f64s(weights));
        Self { network, optimizer: setup.optimizer, classes: setup.network.classes }
    }

    /// Trains one step of an epoch.
    pub fn step(&mut self, images: &ImageSet, epoch: &Epoch, step: &Step) {
        self.gradient(images, epoch, step);
        self.network.update(&self.optimizer, step.learning_rate);
    }

    /// Computes the gradient of a whole step of an epoch at once.
    pub fn gradient(&mut self, images: &ImageSet, epoch: &Epoch, step: &Step) {
        let labels = self.set_input(images, epoch, step.first..step.first + step.count);
        self.network.set_class_weights(epoch.class_weights);
        self.network.forward(&labels);
        self.network.backward();
    }

    /// Computes the gradient of a whole step of an epoch as the sum over its micro-batches.
    pub fn accumulated_gradient(&mut self, images: &ImageSet, epoch: &Epoch, step: &Step) {
        self.network.set_class_weights(epoch.class_weights);
        let step_weight = epoch.step_weight(step, &images.labels);
        for batch in step.micro_batches() {
            let labels = self.set_input(images, epoch, batch.first..batch.first + batch.count);
            self.network.forward_micro_batch(&labels, step_weight);
            self.network.backward();
            self.network.accumulate(!batch.starts_step());
        }
    }

    /// Evaluates images, all at once.
    pub fn evaluate(&mut self, images: &ImageSet, order: &[u32]) {
        let labels = self.set_input(images, &Epoch::new(order, &[]), 0..order.len());
        self.network.evaluate(&labels);
    }

    /// The log-probability of every class for each image of the last batch.
    pub fn log_probabilities(&self) -> Vec<f64> {
        // Outputs that already are log-probabilities do not change: their exponentials sum to 1.
        let mut outputs = self.network.outputs().to_vec();
        cpu::log_softmax(self.classes, &mut outputs);
        outputs
    }

    /// Makes samples of an epoch the input of the network and returns their labels.
    fn set_input(&mut self, images: &ImageSet, epoch: &Epoch, samples: Range<usize>) -> Vec<u32> {
        let batch = &epoch.order[samples.clone()];
        let x = self.network.input(batch.len());
        match epoch.views {
            Some(views) => cpu::gather_augmented(images, batch, &views[samples], x),
            None => cpu::gather(images, batch, x),
        }
        batch.iter().map(|&index| u32::from(images.labels[index as usize])).collect()
    }
}
