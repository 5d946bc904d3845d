//! The contract between training and what computes: [`Engine`], implemented by
//! `crate::cpu::CpuEngine` and `crate::gpu::GpuEngine`. Training sees nothing else of them.

mod epoch;
mod loss;
mod mode;
mod optimizer;
mod outcome;
mod setup;
mod step;
mod tally;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use epoch::Epoch;
pub use loss::{Loss, LossKind, Reduction};
pub use mode::Mode;
pub use optimizer::{Adam, Clip, Optimizer, OptimizerState, Rule, Sgd};
pub use outcome::SampleOutcome;
pub use setup::Setup;
pub use step::{LARGEST_MICRO_BATCH, MicroBatch, Step, steps};
pub use tally::Tally;

use crate::data::ImageSet;

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    /// Held back from training, to choose and to stop by.
    Validation,
    Test,
}

/// One thing for each [`Split`] that was loaded.
#[derive(Debug, Clone)]
pub struct PerSplit<T>([Option<T>; 3]);

impl<T> Default for PerSplit<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> PerSplit<T> {
    pub fn set(&mut self, part: Split, loaded: T) {
        self.0[part as usize] = Some(loaded);
    }

    /// # Panics
    /// Where the part was not loaded: a caller's error, which [`Engine`] forbids.
    pub fn get(&self, part: Split) -> &T {
        self.0[part as usize].as_ref().expect("a part is loaded before it is used")
    }

    /// Those that were loaded.
    pub fn loaded(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// # Panics
    /// As [`Self::get`].
    pub fn get_mut(&mut self, part: Split) -> &mut T {
        self.0[part as usize].as_mut().expect("a part is loaded before it is used")
    }
}

/// Called with the outcomes of samples `first..first + outcomes.len()` of the epoch's order, in order,
/// as they become known (an engine may be some steps ahead, and a large step is told of bit by bit).
/// Breaking ends the epoch after the steps that are already under way.
pub type Observer<'a> = dyn FnMut(usize, &[SampleOutcome]) -> ControlFlow<()> + 'a;

/// Something that trains LeNet-5.
pub trait Engine {
    /// What computes, for people: "CPU, 2 threads", "NVIDIA H100 (Vulkan)".
    fn name(&self) -> String;

    /// Hands over the images to train on or to evaluate with. To be called before either.
    ///
    /// # Panics
    /// On some engines where images have not the network's channels, or a label is none of its classes.
    fn load(&mut self, part: Split, split: Arc<ImageSet>) -> Result<(), EngineError>;

    /// The parameters as one arena, in the order of [`crate::model::ParameterTable`].
    fn parameters(&mut self) -> Result<Vec<f32>, EngineError>;

    /// Sets the parameters. The optimizer's state stays as it is.
    ///
    /// # Panics
    /// Where the length is not the arena's.
    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError>;

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError>;

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError>;

    /// Trains the steps of an epoch. Returns how many were done: all, unless the observer broke off.
    ///
    /// # Errors
    /// After one nothing is under way, but what the engine holds is of no more use: of the step that failed,
    /// running statistics and, on a device that is ahead, parameters may have been moved.
    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError>;

    /// The outcome of every sample of a part, in the part's order, with the parameters as they are.
    fn evaluate(&mut self, part: Split) -> Result<Vec<SampleOutcome>, EngineError>;

    /// The log-probability of every class for every sample of a part, N×K, in the part's order: the log-softmax of
    /// the logits, whatever the loss is of. Labels play no part in it. What is not finite is told as it is.
    fn log_probabilities(&mut self, part: Split) -> Result<Vec<f32>, EngineError>;
}

/// Why an engine could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(
        "training went wrong at step {step}: {what} of {tensor} is not finite; \
         a lower --lr or another --init usually helps"
    )]
    NonFinite { tensor: &'static str, what: NonFinite, step: u64 },

    #[error(
        "the loss went wrong at sample {sample} of this pass: it is not finite; \
         a lower --lr or another --init usually helps"
    )]
    NonFiniteLoss { sample: usize },

    #[error(
        "the loss of image {sample} is not finite when evaluated: the weights are too large, or spoilt; \
         trained anew, with a lower --lr or another --init, they usually are not"
    )]
    NonFiniteEvaluation { sample: usize },

    #[error(
        "batch size {batch_size} needs {needed} MiB of {what} and this device gives at most \
         {limit} MiB; take a --batch-size of at most {largest}"
    )]
    BatchTooLarge { batch_size: usize, what: &'static str, needed: u64, limit: u64, largest: usize },

    #[error(
        "the network has {classes} classes and this device's kernels take at most {largest}; \
         the CPU engine (--backend cpu) takes more"
    )]
    TooManyClasses { classes: usize, largest: usize },

    #[error("--kernels fused has no kernels for {0}; --kernels auto takes the layered ones then")]
    NotFused(&'static str),

    #[error(
        "the {images} images take {needed} MiB and this device binds at most {limit} MiB at once; \
         --residency auto streams them"
    )]
    SetTooLarge { images: usize, needed: u64, limit: u64 },

    #[error("the GPU failed: {0}")]
    Device(String),
}

/// What of a tensor was found not to be finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// The parameter itself, before the step's update.
    Parameter,
    /// Its gradient.
    Gradient,
}

impl std::fmt::Display for NonFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parameter => "the value",
            Self::Gradient => "the gradient",
        })
    }
}
