//! A checkpoint: a model's file with all that going on needs beside it, so that whatever takes a model takes a
//! checkpoint too.
//!
//! Beside the parameters it has the optimizer's moments, under the parameters' names after
//! `optimizer.first_moment.` and `optimizer.second_moment.`, and in the metadata's entry an object `checkpoint`: where
//! the run stands, its config, and the fingerprint of its images. The order of the images follows from these.

use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{RunConfig, RunState, TrainingConfig};
use crate::engine::OptimizerState;
use crate::model::weights::{self, Arena, Header, WeightsError};
use crate::model::{Model, ParameterTable};

/// A run between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub model: Model,
    pub optimizer: OptimizerState,
    pub standing: RunState,
    pub config: RunConfig,
    /// [`ImageSet::fingerprint`](crate::data::ImageSet::fingerprint) of the images to train on.
    pub images: String,
}

/// The metadata's entry: a model's, and beside it what is told of the run.
#[derive(Serialize)]
struct CheckpointHeader<'a> {
    #[serde(flatten)]
    model: Header,
    checkpoint: Told<'a>,
}

/// What of it is read here; the rest is the model's.
#[derive(Deserialize)]
struct ReadHeader {
    checkpoint: Option<Read>,
}

#[derive(Serialize)]
struct Told<'a> {
    standing: &'a RunState,
    config: &'a RunConfig,
    images: &'a str,
}

#[derive(Deserialize)]
struct Read {
    standing: RunState,
    config: RunConfig,
    images: String,
}

/// Why bytes are not a checkpoint that a run can go on from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Weights(#[from] WeightsError),

    #[error("it is a model without the state of a run; --init-from starts a new run from its weights")]
    NoState,

    #[error("{name} has the value {value} at place {place}, and a mean of squares is not below 0")]
    NegativeMoment { name: String, place: usize, value: f32 },

    #[error("it contradicts itself: {0}")]
    Inconsistent(String),
}

/// A checkpoint that could not be loaded, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot go on from {}", path.display())]
pub struct CheckpointLoadError {
    path: PathBuf,
    source: CheckpointError,
}

impl CheckpointLoadError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(&self.source, CheckpointError::Weights(WeightsError::Unreadable(error))
            if error.kind() == io::ErrorKind::NotFound)
    }
}

const FIRST: &str = "optimizer.first_moment.";
const SECOND: &str = "optimizer.second_moment.";

impl Checkpoint {
    /// A file's content. Equal checkpoints give equal bytes.
    ///
    /// # Panics
    /// Where the parameters or the moments are not the network's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { model, optimizer, standing, config, images } = self;
        let table = ParameterTable::new(&model.network);
        let arenas = [
            Arena { prefix: "", tensors: table.tensors(), values: &model.parameters },
            Arena { prefix: FIRST, tensors: table.trained(), values: &optimizer.first_moment },
            Arena { prefix: SECOND, tensors: table.trained(), values: &optimizer.second_moment },
        ];
        let checkpoint = Told { standing, config, images };
        weights::serialize(&CheckpointHeader { model: Header::of(model), checkpoint }, &arenas)
    }

    /// The checkpoint of a file's content.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let model = weights::from_bytes(bytes)?;
        let header: Option<ReadHeader> = weights::header(bytes)?;
        let read = header.and_then(|header| header.checkpoint).ok_or(CheckpointError::NoState)?;
        let Read { standing, config, images } = read;

        let file = SafeTensors::deserialize(bytes).map_err(WeightsError::NotSafetensors)?;
        let moments = |prefix: &str| -> Result<Vec<f32>, CheckpointError> {
            let mut moments = Vec::with_capacity(model.parameters.len());
            for tensor in ParameterTable::new(&model.network).trained() {
                let name = format!("{prefix}{}", tensor.name);
                let values = weights::values(&file, &name, tensor)?;
                if let Some(place) = values.iter().position(|&value| prefix == SECOND && value < 0.0) {
                    return Err(CheckpointError::NegativeMoment { name, place, value: values[place] });
                }
                moments.extend(values);
            }
            Ok(moments)
        };
        let optimizer = OptimizerState {
            step: standing.step,
            first_moment: moments(FIRST)?,
            second_moment: moments(SECOND)?,
        };
        let checkpoint = Self { optimizer, standing, config, images, model };
        checkpoint.check().map_err(CheckpointError::Inconsistent)?;
        Ok(checkpoint)
    }

    /// The checkpoint in a file.
    pub fn load(path: &Path) -> Result<Self, CheckpointLoadError> {
        let load = || Self::from_bytes(&weights::read(path)?);
        load().map_err(|source| CheckpointLoadError { path: path.to_owned(), source })
    }

    /// Whether what is told of the run holds together: what follows relies on it.
    fn check(&self) -> Result<(), String> {
        let Self { standing, config, model, .. } = self;
        let (plan, samples) = (&config.training, config.data.train);
        if config.network != model.network {
            return Err("its config is of another network than its tensors".to_owned());
        }
        if samples == 0 || plan.batch_size == 0 || plan.probes == 0 {
            return Err("a run has images, a batch and an evaluation".to_owned());
        }
        let TrainingConfig { batch_size, .. } = plan;
        let (step, epochs, total) = (standing.step, standing.epochs, plan.total_steps(samples));
        let begun = epochs.saturating_mul(plan.steps_per_epoch(samples));
        let ended = begun.saturating_add(plan.steps_per_epoch(samples));
        if step > total || !(step == total || (begun..=ended).contains(&step)) {
            return Err(format!(
                "step {step} of {total} is not in epoch {}, which has steps {begun} to {ended}",
                epochs.saturating_add(1)
            ));
        }
        if standing.tally.samples as u64 > (step.saturating_sub(begun)).saturating_mul(*batch_size as u64) {
            return Err("more images are counted than its steps have".to_owned());
        }
        if standing.last.as_ref().map_or(0, |last| last.epoch) != epochs {
            return Err(format!("its last metrics are not those of epoch {epochs}"));
        }
        Ok(())
    }
}
