//! The CPU engine or the GPU engine, chosen at run time.

use std::sync::Arc;

use crate::cpu::CpuEngine;
use crate::data::ImageSet;
use crate::engine::{
    Engine, EngineError, Epoch, LayerOutput, Observer, OptimizerState, SampleOutcome, Split,
};
use crate::gpu::GpuEngine;
use crate::ranks::Ranks;

/// An engine on either kind of device, for callers that need more than the [`Engine`] trait offers.
#[derive(Debug)]
pub enum AnyEngine {
    /// The CPU engine.
    Cpu(Box<CpuEngine>),
    /// A GPU engine.
    Gpu(Box<GpuEngine>),
}

impl AnyEngine {
    /// The engine as a trait object.
    pub fn into_boxed(self) -> Box<dyn Engine> {
        match self {
            Self::Cpu(engine) => engine,
            Self::Gpu(engine) => engine,
        }
    }

    /// The GPU engine, or `None` on the CPU.
    pub fn gpu(&self) -> Option<&GpuEngine> {
        match self {
            Self::Cpu(_) => None,
            Self::Gpu(engine) => Some(engine),
        }
    }

    fn as_engine(&self) -> &dyn Engine {
        match self {
            Self::Cpu(engine) => &**engine,
            Self::Gpu(engine) => &**engine,
        }
    }

    fn as_engine_mut(&mut self) -> &mut dyn Engine {
        match self {
            Self::Cpu(engine) => &mut **engine,
            Self::Gpu(engine) => &mut **engine,
        }
    }
}

impl Engine for AnyEngine {
    fn name(&self) -> String {
        self.as_engine().name()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.as_engine_mut().load(split, images)
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        self.as_engine_mut().parameters()
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.as_engine_mut().set_parameters(arena)
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        self.as_engine_mut().optimizer_state()
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.as_engine_mut().set_optimizer_state(state)
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        self.as_engine_mut().train(epoch, observer)
    }

    fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) -> Result<(), EngineError> {
        self.as_engine_mut().set_ranks(ranks)
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        self.as_engine_mut().evaluate(split)
    }

    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError> {
        self.as_engine_mut().log_probabilities(split)
    }

    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.as_engine_mut().activations(split)
    }
}
