//! Checkpoints: a model file that also contains everything needed to resume the run. Every command that reads a model
//! file can therefore read a checkpoint.
//!
//! Besides the parameters, the safetensors file holds the optimizer's moments as `optimizer.first_moment.NAME` and
//! `optimizer.second_moment.NAME`, where NAME is that of the parameter. The [metadata entry](crate::model::weights) holds,
//! after the model's fields, an object `checkpoint` with the run's state as `standing`, its configuration as `config` and
//! the fingerprint of its training images as `images`. The order of the images is not stored: it follows from the seed
//! and the epoch.
//!
//! The digest of the file covers all of it. A checkpoint that is intact but that no run can have written, such as one with
//! more correct predictions than images, is rejected too.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::invalid_value::{InvalidValue, require};
use super::{RunConfig, RunState, TrainingConfigError, weights_hash};
use crate::engine::OptimizerState;
use crate::model::weights::{self, Arena, Header, ModelFile, WeightsError};
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

/// The object `checkpoint` in the metadata, borrowed for writing and owned after reading.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

    /// A setting is out of range.
    #[error("the checkpoint is inconsistent: config.training: {0}")]
    Config(TrainingConfigError),

    /// The configuration is for another network than the tensors.
    #[error("the checkpoint is inconsistent: its configuration is for another network than its tensors")]
    OtherNetwork,

    /// No run with this configuration and these parameters can have this state.
    #[error("the checkpoint is inconsistent")]
    Inconsistent(#[from] InvalidValue),
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
        let section = RunSection { state, config, images: images.as_str() };
        weights::serialize(&Header::new(model, Some(section)), &arenas)
    }

    /// Parses the content of a checkpoint file.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a checkpoint, if they do not match their digest, if a value is not finite,
    /// or if no run with the configuration can have the state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let file = ModelFile::open(bytes)?;
        let (model, section) = file.read()?;
        let RunSection { state, config, images }: RunSection<RunState, RunConfig, String> =
            section.ok_or(CheckpointError::NoState)?;

        let moments = |prefix: &str| -> Result<Vec<f32>, CheckpointError> {
            let mut moments = Vec::with_capacity(model.parameters.len());
            for tensor in ParameterTable::new(&model.network).trained() {
                let name = format!("{prefix}{}", tensor.name);
                let values = file.values(&name, tensor)?;
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
        checkpoint.check()?;
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

    /// Checks that state, configuration and parameters agree, which the training loop relies on.
    fn check(&self) -> Result<(), CheckpointError> {
        let Self { state, config, model, .. } = self;
        if config.network != model.network {
            return Err(CheckpointError::OtherNetwork);
        }
        require(config.data.train >= 1, "config.data.train", config.data.train, "at least 1")?;
        config.training.check_ranges().map_err(CheckpointError::Config)?;
        if let Some(weights) = &config.training.class_weights {
            let (given, classes) = (weights.values().len(), config.network.classes);
            require(
                given == classes,
                "config.training.class_weights",
                given,
                format_args!("{classes}, the classes"),
            )?;
        }
        state.check(config).map_err(|error| error.of("standing"))?;
        if let Some(last) = state.last.as_ref().filter(|last| last.step == state.step) {
            let (hash, expected) = (&last.weights_hash, weights_hash(&model.parameters));
            require(
                *hash == expected,
                "standing.last.weights_hash",
                hash,
                format_args!("{expected}, the parameters'"),
            )?;
        }
        Ok(())
    }
}
