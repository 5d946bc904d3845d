//! Why a model file is rejected.

use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensorError;
use safetensors::tensor::Dtype;

use super::{Foreign, HEADER, MAX_FILE, VERSION};
use crate::model::{LeNet5, ParameterTable};
use crate::wording::count;

/// A model file that cannot be loaded, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the weights in {}", path.display())]
pub struct LoadError {
    pub(super) path: PathBuf,
    pub(super) source: WeightsError,
}

impl LoadError {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it cannot be loaded.
    pub fn reason(&self) -> &WeightsError {
        &self.source
    }
}

/// Why a file is not a valid LeNet-5 model.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),

    /// The path is not a regular file.
    #[error("not a regular file")]
    NotAFile,

    /// The file is larger than any model.
    #[error("the file has {length} bytes; LeNet-5 models have at most {MAX_FILE}")]
    TooLarge {
        /// The size of the file in bytes.
        length: u64,
    },

    /// The file is not in safetensors format.
    #[error("not a safetensors file, or corrupt or truncated")]
    NotSafetensors(#[source] SafeTensorError),

    /// The file has another format.
    #[error("{0}, which is not in safetensors format")]
    Foreign(Foreign),

    /// The file has changed since it was written.
    #[error(
        "the file is corrupt: {0}; restore a copy of it (a program that changes the tensors must remove the metadata \
         entry \"{HEADER}\")"
    )]
    Corrupt(Damage),

    /// The metadata entry is not valid.
    #[error("the metadata entry \"{HEADER}\"{} is invalid", written_by(program.as_deref()))]
    Header {
        /// The version of lenet-gpu that wrote it, if known.
        program: Option<String>,
        /// What is wrong, such as an unknown field.
        source: serde_json::Error,
    },

    /// The file has a newer format.
    #[error(
        "format version {found} is newer than {VERSION}, the newest supported; update lenet-gpu to load this file"
    )]
    Version {
        /// The version in the metadata.
        found: u32,
    },

    /// The metadata describes another network than the tensors.
    #[error(
        "the metadata describes {} and {}{}, but the tensors have {} and {}{}",
        count(header.channels, "channel"), count(header.classes, "class"), norm_suffix(header),
        tensors.channels, tensors.classes, norm_suffix(tensors)
    )]
    HeaderDisagrees {
        /// The network that the metadata describes.
        header: LeNet5,
        /// The network that the tensors belong to.
        tensors: LeNet5,
    },

    /// The metadata does not name every class.
    #[error("the metadata names {}, but the tensors have {classes}", count(names, "class"))]
    ClassNames {
        /// The number of names.
        names: usize,
        /// The number of classes.
        classes: usize,
    },

    /// The metadata selects an epoch that no run can have.
    #[error(
        "the metadata selects epoch {epoch} with an accuracy of {accuracy}; epochs count from 1, accuracies are 0 to 1"
    )]
    Selected {
        /// The epoch.
        epoch: u64,
        /// Its accuracy.
        accuracy: f64,
    },

    /// A tensor is missing.
    #[error("missing tensor {name}; a LeNet-5 model has {}", names())]
    Missing {
        /// The name of the tensor.
        name: String,
    },

    /// A tensor does not belong to LeNet-5.
    #[error("unknown tensor {name}; a LeNet-5 model has {}", names())]
    Unexpected {
        /// The name of the tensor.
        name: String,
    },

    /// A tensor has the wrong shape.
    #[error("tensor {name} has shape {found:?}; expected {expected}")]
    Shape {
        /// The name of the tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shapes that are possible.
        expected: String,
    },

    /// A tensor has the wrong data type.
    #[error("tensor {name} has type {found:?}; expected F32 (in PyTorch, call .float() before saving)")]
    Type {
        /// The name of the tensor.
        name: String,
        /// Its type in the file.
        found: Dtype,
    },

    /// A value is infinite or NaN.
    #[error("tensor {name} has the value {value} at index {index}; the model cannot be used")]
    NonFinite {
        /// The name of the tensor.
        name: String,
        /// The index of the value in the flat tensor.
        index: usize,
        /// The value.
        value: f32,
    },

    /// A running variance is negative.
    #[error("tensor {name} has the value {value} at index {index}; a variance cannot be negative")]
    NegativeVariance {
        /// The name of the tensor.
        name: String,
        /// The index of the value in the flat tensor.
        index: usize,
        /// The value.
        value: f32,
    },
}

/// How it shows that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The metadata entry or a tensor has changed.
    #[error("its content does not match its digest")]
    Digest,
    /// The format version requires a digest, and the metadata entry does not begin with one.
    #[error("its metadata has no digest")]
    NoDigest,
    /// The key of the metadata entry has changed.
    #[error("its metadata entry has another key")]
    Key,
}

/// The program of a metadata entry in error messages.
fn written_by(program: Option<&str>) -> String {
    program.map_or(String::new(), |version| format!(", written by lenet-gpu {},", version.escape_debug()))
}

/// Lists the names of all tensors for error messages.
fn names() -> String {
    let table = ParameterTable::new(&LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) });
    let (layers, norms): (Vec<_>, Vec<_>) =
        table.tensors().iter().map(|tensor| tensor.name).partition(|name| !name.starts_with("bn"));
    format!("{}; with batch normalisation also {}", layers.join(", "), norms.join(", "))
}

/// The description of batch normalisation in error messages.
fn norm_suffix(network: &LeNet5) -> &'static str {
    if network.batch_norm { " with batch normalisation" } else { "" }
}
