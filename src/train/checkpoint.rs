//! Checkpoints: a model file that also contains everything needed to resume the run. Every command that reads a model
//! file can therefore read a checkpoint.
//!
//! Besides the parameters, the safetensors file holds the optimizer's moments as `optimizer.first_moment.NAME` and
//! `optimizer.second_moment.NAME`, where NAME is that of the parameter. The metadata holds, next to the model's header,
//! an object `checkpoint` with the run's state, its configuration and the fingerprint of its training images. The order
//! of the images is not stored: it follows from the seed and the epoch.

use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{RunConfig, RunState};
use crate::engine::OptimizerState;
use crate::model::weights::{self, Arena, Header, WeightsError};
use crate::model::{Model, ParameterTable};

/// The complete state of a run between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The network and its parameters.
    pub model: Model,
    /// The optimizer's step count and moments.
    pub optimizer: OptimizerState,
    /// The progress of the run.
    pub state: RunState,
    /// The configuration of the run.
    pub config: RunConfig,
    /// [`ImageSet::fingerprint`](crate::data::ImageSet::fingerprint) of the training images.
    pub images: String,
}

/// The metadata as written: the model's header with the run's section.
#[derive(Serialize)]
struct CheckpointHeader<'a> {
    #[serde(flatten)]
    model: Header,
    checkpoint: RunSection<&'a RunState, &'a RunConfig, &'a str>,
}

/// The metadata as read, without the model's part.
#[derive(Deserialize)]
struct ReadHeader {
    checkpoint: Option<RunSection<RunState, RunConfig, String>>,
}

/// The object `checkpoint` in the metadata, borrowed for writing and owned after reading.
#[derive(Serialize, Deserialize)]
struct RunSection<State, Config, Images> {
    #[serde(rename = "standing")]
    state: State,
    config: Config,
    images: Images,
}

/// Why a file's content is not a valid checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is not a valid model file.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// It is a model file without the state of a run.
    #[error("the file holds a model but not the state of a run")]
    NoState,

    /// A second moment is negative, which a mean of squares cannot be.
    #[error("{name} has the value {value} at index {index}; a mean of squares cannot be negative")]
    NegativeMoment {
        /// Name of the tensor in the file.
        name: String,
        /// Row-major index of the value.
        index: usize,
        /// The negative value.
        value: f32,
    },

    /// Parts of the checkpoint do not match.
    #[error("the checkpoint is inconsistent: {0}")]
    Inconsistent(String),
}

/// A checkpoint file that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot resume from {}", path.display())]
pub struct CheckpointLoadError {
    path: PathBuf,
    source: CheckpointError,
}

impl CheckpointLoadError {
    /// Returns whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(&self.source, CheckpointError::Weights(WeightsError::Unreadable(error))
            if error.kind() == io::ErrorKind::NotFound)
    }
}

const FIRST: &str = "optimizer.first_moment.";
const SECOND: &str = "optimizer.second_moment.";

impl Checkpoint {
    /// Returns the content of a checkpoint file. Equal checkpoints give equal bytes.
    ///
    /// # Panics
    /// If the lengths of the parameters or the moments do not match the network.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { model, optimizer, state, config, images } = self;
        let table = ParameterTable::new(&model.network);
        let arenas = [
            Arena { prefix: "", tensors: table.tensors(), values: &model.parameters },
            Arena { prefix: FIRST, tensors: table.trained(), values: &optimizer.first_moment },
            Arena { prefix: SECOND, tensors: table.trained(), values: &optimizer.second_moment },
        ];
        let checkpoint = RunSection { state, config, images: images.as_str() };
        weights::serialize(&CheckpointHeader { model: Header::of(model), checkpoint }, &arenas)
    }

    /// Parses the content of a checkpoint file.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a checkpoint, if a value is not finite, or if the state does not fit the
    /// configuration.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let model = weights::from_bytes(bytes)?;
        let header: Option<ReadHeader> = weights::header(bytes)?;
        let section = header.and_then(|header| header.checkpoint).ok_or(CheckpointError::NoState)?;
        let RunSection { state, config, images } = section;

        let file = SafeTensors::deserialize(bytes).map_err(WeightsError::NotSafetensors)?;
        let moments = |prefix: &str| -> Result<Vec<f32>, CheckpointError> {
            let mut moments = Vec::with_capacity(model.parameters.len());
            for tensor in ParameterTable::new(&model.network).trained() {
                let name = format!("{prefix}{}", tensor.name);
                let values = weights::values(&file, &name, tensor)?;
                if let Some(index) = values.iter().position(|&value| prefix == SECOND && value < 0.0) {
                    return Err(CheckpointError::NegativeMoment { name, index, value: values[index] });
                }
                moments.extend(values);
            }
            Ok(moments)
        };
        let optimizer = OptimizerState {
            step: state.step,
            first_moment: moments(FIRST)?,
            second_moment: moments(SECOND)?,
        };
        let checkpoint = Self { optimizer, state, config, images, model };
        checkpoint.check_consistency().map_err(CheckpointError::Inconsistent)?;
        Ok(checkpoint)
    }

    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a valid checkpoint; see [`Self::from_bytes`].
    pub fn load(path: &Path) -> Result<Self, CheckpointLoadError> {
        Self::load_with_bytes(path).map(|(checkpoint, _)| checkpoint)
    }

    /// Reads a checkpoint file, and returns its content as well.
    pub(super) fn load_with_bytes(path: &Path) -> Result<(Self, Vec<u8>), CheckpointLoadError> {
        let load = || {
            let bytes = weights::read(path)?;
            Ok((Self::from_bytes(&bytes)?, bytes))
        };
        load().map_err(|source| CheckpointLoadError { path: path.to_owned(), source })
    }

    /// Checks that state, configuration and network agree, which the training loop relies on.
    fn check_consistency(&self) -> Result<(), String> {
        let Self { state, config, model, .. } = self;
        let (training, samples) = (&config.training, config.data.train);
        if config.network != model.network {
            return Err("its configuration is for another network than its tensors".to_owned());
        }
        if samples == 0 || training.batch_size == 0 || training.evaluations_per_epoch == 0 {
            return Err(
                "the number of training images, the batch size and the evaluations per epoch must be at least 1"
                    .to_owned(),
            );
        }
        let (step, epochs, total) = (state.step, state.epochs, training.total_steps(samples));
        let first = epochs.saturating_mul(training.steps_per_epoch(samples));
        let last = first.saturating_add(training.steps_per_epoch(samples));
        if step > total || !(step == total || (first..=last).contains(&step)) {
            return Err(format!(
                "step {step} of {total} is not in epoch {}, which has steps {first} to {last}",
                epochs.saturating_add(1)
            ));
        }
        let images_trained = (step.saturating_sub(first)).saturating_mul(training.batch_size as u64);
        if state.tally.samples as u64 > images_trained {
            return Err(format!(
                "it counts {} images in the current epoch, whose steps so far have at most {images_trained}",
                state.tally.samples
            ));
        }
        if state.last.as_ref().map_or(0, |last| last.epoch) != epochs {
            return Err(format!("its last metrics are not those of epoch {epochs}"));
        }
        Ok(())
    }
}
