//! The metadata entry of a model file: a JSON object.

use std::num::NonZeroU32;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{VERSION, WeightsError};
use crate::data::DataSource;
use crate::model::{Activation, Fit, LeNet5, Model, ModelInfo, Selection};
use crate::version;

/// The fields of the metadata entry besides the digest. `Run` is the state of a run, in a checkpoint.
///
/// It repeats the fields of [`LeNet5`] and [`ModelInfo`] because serde cannot refuse unknown fields of flattened structs.
/// Defaults are not written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header<Run> {
    version: NonZeroU32,
    /// The version of lenet-gpu that wrote the file; missing in format version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    channels: usize,
    classes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch_norm: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activation: Option<Activation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dataset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<DataSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_names: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selected: Option<Selection>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Run>,
}

fn none<Run>() -> Option<Run> {
    None
}

impl<Run> Header<Run> {
    /// The header of a model, in a checkpoint with the state of a run.
    pub fn new(model: &Model, checkpoint: Option<Run>) -> Self {
        let LeNet5 { channels, classes, batch_norm, activation } = model.network;
        let ModelInfo { dataset, source, fit, class_names, selected } = model.info.clone();
        Self {
            version: VERSION,
            program: Some(version::VERSION.to_owned()),
            channels,
            classes,
            batch_norm: batch_norm.then_some(true),
            activation: (activation != Activation::default()).then_some(activation),
            dataset,
            source,
            fit,
            class_names,
            selected,
            checkpoint,
        }
    }

    /// Divides the header into what it describes.
    pub fn into_parts(self) -> (LeNet5, ModelInfo, Option<Run>) {
        let Self {
            channels,
            classes,
            batch_norm,
            activation,
            dataset,
            source,
            fit,
            class_names,
            selected,
            ..
        } = self;
        let network = LeNet5 {
            channels,
            classes,
            batch_norm: batch_norm.unwrap_or_default(),
            activation: activation.unwrap_or_default(),
        };
        (network, ModelInfo { dataset, source, fit, class_names, selected }, self.checkpoint)
    }
}

/// Reads the format version alone, because the other fields of a newer version are unknown.
pub(super) fn version(text: &str) -> Result<NonZeroU32, WeightsError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: NonZeroU32,
    }
    match serde_json::from_str(text) {
        Ok(Versioned { version }) if version > VERSION => Err(WeightsError::Version { found: version.get() }),
        Ok(Versioned { version }) => Ok(version),
        Err(error) => Err(invalid(text, error)),
    }
}

/// The version of lenet-gpu that wrote a header, if the header contains it.
pub(super) fn program(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    // Format version 1 has the program in checkpoints only.
    let program = value.get("program").or_else(|| value.pointer("/checkpoint/config/program/version"))?;
    program.as_str().map(str::to_owned)
}

/// Reads a header whose version is known.
pub(super) fn parse<Run: DeserializeOwned>(text: &str) -> Result<Header<Run>, WeightsError> {
    serde_json::from_str(text).map_err(|error| invalid(text, error))
}

/// The error for an invalid header. It names the version of lenet-gpu that wrote it, if the header contains it.
fn invalid(text: &str, source: serde_json::Error) -> WeightsError {
    WeightsError::Header { program: program(text), source }
}
