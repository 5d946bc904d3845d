//! The interface between training and computation: the [`Engine`] trait and the types that it uses.
//!
//! Training, evaluation and prediction depend only on this trait. The crate has two implementations, one for CPUs and
//! one for GPUs.

mod activations;
mod class_weights;
mod ensemble;
mod epoch;
mod lockstep;
mod loss;
mod mode;
mod optimizer;
mod outcome;
mod population;
mod setup;
mod step;
mod tally;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use activations::LayerOutput;
pub use class_weights::{ClassWeights, ClassWeightsError};
pub use ensemble::{EnsembleEngine, mean_log_probabilities};
pub use epoch::Epoch;
pub use lockstep::{Lockstep, MemberEngine, Worker};
pub use loss::{Loss, LossKind, Reduction};
pub use mode::Mode;
pub use optimizer::{Adam, Clip, Optimizer, OptimizerState, Rule, Sgd};
pub use outcome::SampleOutcome;
pub use population::{MemberEpoch, Population};
pub use setup::Setup;
pub use step::{LARGEST_MICRO_BATCH, MicroBatch, Step, steps};
pub use tally::Tally;

use crate::data::ImageSet;
use crate::ranks::Ranks;

/// A split of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The images to train on.
    Train,
    /// Images held out of training, for choosing weights and stopping early.
    Validation,
    /// The images to test with.
    Test,
}

/// A value for each loaded [`Split`].
#[derive(Debug, Clone)]
pub struct PerSplit<T>([Option<T>; 3]);

impl<T> Default for PerSplit<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> PerSplit<T> {
    /// Sets the value of a split.
    pub fn set(&mut self, split: Split, value: T) {
        self.0[split as usize] = Some(value);
    }

    /// Returns the value of a split.
    ///
    /// # Panics
    /// If the split was not loaded.
    pub fn get(&self, split: Split) -> &T {
        self.0[split as usize].as_ref().expect("a split is loaded before it is used")
    }

    /// Returns the value of a split, if it was loaded.
    pub(crate) fn find(&self, split: Split) -> Option<&T> {
        self.0[split as usize].as_ref()
    }

    /// Iterates over the values of the loaded splits.
    pub fn loaded(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Returns the value of a split.
    ///
    /// # Panics
    /// If the split was not loaded.
    pub fn get_mut(&mut self, split: Split) -> &mut T {
        self.0[split as usize].as_mut().expect("a split is loaded before it is used")
    }
}

/// Receives the outcomes of samples `first..first + outcomes.len()` of the epoch's order.
///
/// It is called in order, as outcomes become known. An engine may be a few steps ahead of it, and may report a large
/// step in several calls. [`ControlFlow::Break`] ends the epoch after the steps that are already under way.
///
/// It may also be called without outcomes: before the first step, and while the engine compiles or a step takes long, so
/// that an epoch can be ended then too.
pub type Observer<'a> = dyn FnMut(usize, &[SampleOutcome]) -> ControlFlow<()> + 'a;

/// A device that trains and evaluates LeNet-5.
///
/// An engine holds the network's parameters, the optimizer's state and the image sets.
pub trait Engine {
    /// Returns the name of the device for display: "CPU, 2 threads", "NVIDIA H100 (Vulkan)".
    fn name(&self) -> String;

    /// Loads the images of a split. A split must be loaded before it is trained on or evaluated.
    ///
    /// # Errors
    /// [`EngineError::SetTooLarge`] if the images must be resident and do not fit; [`EngineError::Device`].
    ///
    /// # Panics
    /// Some engines panic if the images do not have the network's channels or a label is not less than the number of
    /// classes.
    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError>;

    /// Returns the parameters as one arena, in the order of [`crate::model::ParameterTable`].
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn parameters(&mut self) -> Result<Vec<f32>, EngineError>;

    /// Replaces the parameters. The optimizer's state is unchanged.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the length is not the arena's.
    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError>;

    /// Returns the state of the optimizer.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError>;

    /// Replaces the state of the optimizer. The parameters are unchanged.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If a moment does not have the length of the arena's trained part.
    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError>;

    /// Trains the steps of an epoch. Returns the number of completed steps: all of them, unless the observer ended
    /// the epoch.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`] if a parameter or a gradient is not finite before an update;
    /// [`EngineError::Device`]. The engine's state is then unusable: running statistics may include the failed step,
    /// and so may parameters on a device that is a few steps ahead.
    ///
    /// # Panics
    /// If [`Split::Train`] was not loaded, or a step is larger than [`Setup::batch_size`].
    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError>;

    /// Makes the engine train steps and evaluate together with the engines of other ranks, from now on; see
    /// [`crate::ranks`]. All ranks must then call [`Self::train`] and [`Self::evaluate`] alike, with engines of the same
    /// setup, images, parameters and optimizer state. [`crate::ranks::Single`] makes it work alone again.
    ///
    /// # Errors
    /// [`EngineError::OneProcess`] if the engine cannot. The default implementation cannot.
    fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) -> Result<(), EngineError> {
        if ranks.size() == 1 { Ok(()) } else { Err(EngineError::OneProcess) }
    }

    /// Returns the outcome of every image of a split, in order, with the current parameters.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the split was not loaded.
    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError>;

    /// Returns the log-probabilities of every image of a split, in order: N×K, the log-softmax of the logits whatever
    /// the loss is. Labels are not used. The values may be non-finite.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the split was not loaded.
    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError>;

    /// Returns the output of every layer for every image of a split, in order, with the current parameters: conv1, pool1,
    /// conv2, pool2, fc1, fc2 and log_softmax (see [`LayerOutput`]). Batch normalisation uses its running statistics.
    /// Labels are not used. The values take about 32 KB per image.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the split was not loaded.
    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError>;
}

/// An error of an engine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// A parameter or a gradient is not finite.
    #[error(
        "training failed at step {step}: {what} of {tensor} is not finite; \
         a lower learning rate or another initialisation usually helps"
    )]
    NonFinite {
        /// The name of the first such tensor, in the order of [`crate::model::ParameterTable`].
        tensor: &'static str,
        /// Whether its value or its gradient is not finite.
        what: NonFinite,
        /// The step, counted from 1 over the whole run.
        step: u64,
    },

    /// The loss of a training sample is not finite.
    #[error(
        "the loss of sample {sample} of this epoch is not finite; \
         a lower learning rate or another initialisation usually helps"
    )]
    NonFiniteLoss {
        /// The sample's position in the epoch's order.
        sample: usize,
    },

    /// The loss of an image is not finite in an evaluation.
    #[error(
        "the loss of image {sample} is not finite: the weights are too large or corrupt; \
         retrain the model, with a lower learning rate or another initialisation"
    )]
    NonFiniteEvaluation {
        /// The image's index in its set.
        sample: usize,
    },

    /// A batch needs more memory than the device allows.
    #[error(
        "a batch of {batch_size} images needs {needed} MiB of {what}, but this device allows at most {limit} MiB; \
         use a batch size of at most {largest}"
    )]
    BatchTooLarge {
        /// The requested batch size.
        batch_size: usize,
        /// What the memory is for, as a plural noun.
        what: &'static str,
        /// The memory that the batch needs, in MiB.
        needed: u64,
        /// The memory that the device allows, in MiB.
        limit: u64,
        /// The largest batch size that fits.
        largest: usize,
    },

    /// The device cannot train so many networks at the same time.
    #[error("this device trains at most {largest} networks of this kind at the same time, not {size}")]
    PopulationTooLarge {
        /// The requested number of networks.
        size: usize,
        /// The largest number that fits.
        largest: usize,
    },

    /// The network has more classes than the device supports.
    #[error(
        "the network has {classes} classes, but this device's kernels support at most {largest}; \
         the CPU engine supports more"
    )]
    TooManyClasses {
        /// The network's number of classes.
        classes: usize,
        /// The largest supported number of classes.
        largest: usize,
    },

    /// The fused kernels do not support the network; the field says what they lack.
    #[error("the fused set has no kernels for {0}; use the layered set")]
    NotFused(&'static str),

    /// An image set cannot be resident on the device.
    #[error(
        "the {images} images take {needed} MiB, but this device binds at most {limit} MiB at once; \
         they can be streamed instead"
    )]
    SetTooLarge {
        /// The number of images.
        images: usize,
        /// The memory that they need, in MiB.
        needed: u64,
        /// The largest binding of the device, in MiB.
        limit: u64,
    },

    /// The engine cannot share the work of a step with other processes.
    #[error("this engine trains in one process only")]
    OneProcess,

    /// Another rank failed, so that a step or an evaluation cannot be completed.
    #[error("rank {rank} failed")]
    OtherRank {
        /// The first rank that failed.
        rank: usize,
    },

    /// The device failed, for example because it was lost; the field is the driver's message.
    #[error("the GPU failed: {0}")]
    Device(String),
}

/// Which part of a tensor is not finite.
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
