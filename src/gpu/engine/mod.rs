//! The engine on the GPU, and populations: both run a recording over the batches of epochs. An engine is a population of
//! one.

mod activations;
mod job;
mod limits;
mod population;
mod ranks;
mod submit;

use std::sync::Arc;

pub use population::GpuPopulation;

use super::context::Context;
use super::kernel_config::KernelConfig;
use super::recording::{BufferName, Recording, WorkspaceTensor};
use super::residency::Residency;
use crate::data::ImageSet;
use crate::engine::{
    Engine, EngineError, Epoch, LayerOutput, Mode, Observer, OptimizerState, Population, SampleOutcome,
    Setup, Split,
};
use crate::ranks::{Exchange, Ranks};
use job::Job;

/// What an engine is built for.
#[derive(Debug, Clone, Copy)]
pub struct GpuOptions {
    /// The network, batch size, loss and optimizer.
    pub setup: Setup,
    /// Where the images are stored.
    pub residency: Residency,
    /// The kernels and their block sizes.
    pub kernels: KernelConfig,
}

/// LeNet-5 on a GPU.
#[derive(Debug)]
pub struct GpuEngine {
    /// Its only member is the network.
    pub(super) population: GpuPopulation,
    /// With the other ranks, if there are any.
    exchange: Option<Exchange>,
}

/// The index of the network.
const ONLY: usize = 0;

impl GpuEngine {
    /// Compiles the kernels and allocates everything that does not depend on a data set.
    ///
    /// # Errors
    /// [`EngineError::TooManyClasses`] if the logits of an image do not fit into workgroup memory,
    /// [`EngineError::BatchTooLarge`] if the activations of a batch do not fit into a binding,
    /// [`EngineError::Device`] if the device refuses something else.
    pub fn new(context: Context, options: GpuOptions) -> Result<Self, EngineError> {
        Ok(Self { population: GpuPopulation::new(context, options, 1)?, exchange: None })
    }

    /// The values of the first `images` images of a workspace tensor, as the last batch left them.
    ///
    /// # Errors
    /// If the device fails.
    pub fn tensor(&self, tensor: WorkspaceTensor, images: usize) -> Result<Vec<f32>, EngineError> {
        self.population.read(BufferName::Workspace, tensor.offset.get(), images * tensor.len)
    }

    /// The gradients, in the layout of the arena's trained part, as the last step left them: before clipping.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradients(&self) -> Result<Vec<f32>, EngineError> {
        self.population.read(BufferName::Gradients, 0, self.population.table.trained_len())
    }

    /// What the engine runs.
    pub fn recording(&self) -> &Recording {
        self.population.recording()
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        self.population.name()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.population.load(split, images)
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        self.population.parameters(ONLY)
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.population.set_parameters(ONLY, arena)
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        self.population.optimizer_state(ONLY)
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.population.set_optimizer_state(ONLY, state)
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        if let Some(mut exchange) = self.exchange.take() {
            let trained = self.train_on_ranks(&mut exchange, epoch, observer);
            self.exchange = Some(exchange);
            return trained;
        }
        let job = Job::new(ONLY, *epoch, observer);
        self.population.run(Split::Train, Mode::Train, vec![job], None)?.remove(0)
    }

    fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) -> Result<(), EngineError> {
        self.exchange = Exchange::with(ranks, &self.population.table);
        Ok(())
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        match self.exchange.as_ref().map(Exchange::ranks) {
            Some(ranks) => self.evaluate_on_ranks(&*ranks, split),
            None => Ok(self.population.evaluate(split, &[ONLY])?.remove(0)),
        }
    }

    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError> {
        self.population.log_probabilities(ONLY, split)
    }

    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.population.activations(ONLY, split)
    }
}
