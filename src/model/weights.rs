//! Model files: safetensors with PyTorch's names and shapes.
//!
//! `load_state_dict(load_file("model.safetensors"))` works in PyTorch, and a file saved by PyTorch loads here.
//!
//! The metadata has one entry, `lenet-gpu`: a JSON object with the format version, the network and its [`ModelInfo`].
//! There is only one because several would be written in random order, and equal models must give equal bytes. A file
//! without the entry can be loaded too: the shapes determine the network, except for the activation, which is then
//! ReLU.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parameters::TensorRole;
use super::{LeNet5, Model, ModelInfo, ParameterTable, Tensor};
use crate::files::open_regular;

/// The key of the metadata entry.
const HEADER: &str = "lenet-gpu";

/// The format version that is written. Older versions can be read, newer ones are rejected.
const VERSION: u32 = 1;

/// The largest file that is read, in bytes. A network with [`MAX_CLASSES`] classes takes 23 MB.
const MAX_FILE: u64 = 64 << 20;

/// The largest number of classes: labels are u16.
const MAX_CLASSES: usize = 1 << 16;

/// The metadata entry of a model file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    #[serde(flatten)]
    network: LeNet5,
    #[serde(flatten)]
    info: ModelInfo,
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

    /// The metadata entry is not valid.
    #[error("the metadata entry \"{HEADER}\" is invalid")]
    Header(#[source] serde_json::Error),

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
        "the metadata describes {} channels and {} classes{}, but the tensors have {} and {}{}",
        header.channels, header.classes, norm_suffix(header),
        tensors.channels, tensors.classes, norm_suffix(tensors)
    )]
    HeaderDisagrees {
        /// The network that the metadata describes.
        header: LeNet5,
        /// The network that the tensors belong to.
        tensors: LeNet5,
    },

    /// The metadata does not name every class.
    #[error("the metadata names {names} classes, but the tensors have {classes}")]
    ClassNames {
        /// The number of names.
        names: usize,
        /// The number of classes.
        classes: usize,
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

/// A model file that cannot be loaded, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the weights in {}", path.display())]
pub struct LoadError {
    path: PathBuf,
    source: WeightsError,
}

/// The prefix of a checkpoint's tensors that are not parameters. They are ignored when a model is loaded.
pub(crate) const AUXILIARY_PREFIX: &str = "optimizer.";

/// Values in the layout of some tensors, to be stored under prefixed names.
pub(crate) struct Arena<'a> {
    /// The prefix of the tensors' names.
    pub prefix: &'static str,
    /// The tensors, in the arena's order.
    pub tensors: &'a [Tensor],
    /// The values of all tensors.
    pub values: &'a [f32],
}

impl Header {
    pub(crate) fn of(model: &Model) -> Self {
        Self { version: VERSION, network: model.network, info: model.info.clone() }
    }
}

/// Serializes a model. Equal models give equal bytes.
///
/// # Panics
/// If the number of parameters is not that of the network.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let table = ParameterTable::new(&model.network);
    let arena = Arena { prefix: "", tensors: table.tensors(), values: &model.parameters };
    serialize(&Header::of(model), &[arena])
}

/// Serializes arenas, with `header` as the metadata entry.
///
/// # Panics
/// If an arena does not have as many values as its tensors.
pub(crate) fn serialize(header: &impl Serialize, arenas: &[Arena]) -> Vec<u8> {
    let header = serde_json::to_string(header).expect("numbers and strings can be serialized as JSON");
    let bytes: Vec<Vec<u8>> = arenas
        .iter()
        .map(|arena| {
            let end = arena.tensors.last().map_or(0, |tensor| tensor.range().end);
            assert_eq!(arena.values.len(), end, "the arena does not have as many values as its tensors");
            arena.values.iter().flat_map(|value| value.to_le_bytes()).collect()
        })
        .collect();
    let views = arenas.iter().zip(&bytes).flat_map(|(arena, bytes)| {
        arena.tensors.iter().map(move |tensor| {
            let range = tensor.range();
            let view =
                TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[range.start * 4..range.end * 4])
                    .expect("a tensor's range has as many values as its shape");
            (format!("{}{}", arena.prefix, tensor.name), view)
        })
    });
    safetensors::serialize(views, Some(HashMap::from([(HEADER.to_owned(), header)])))
        .expect("a few small tensors fit into a safetensors file")
}

/// Deserializes a model that [`to_bytes`] or PyTorch wrote.
///
/// # Errors
/// If the bytes are not a valid LeNet-5 model.
pub fn from_bytes(bytes: &[u8]) -> Result<Model, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(WeightsError::NotSafetensors)?;
    let mut network = network(&file)?;
    let mut info = ModelInfo::default();
    if let Some(header) = header::<Header>(bytes)? {
        // The tensors do not determine the activation.
        network.activation = header.network.activation;
        if header.network != network {
            return Err(WeightsError::HeaderDisagrees { header: header.network, tensors: network });
        }
        info = header.info;
        if let Some(names) = &info.class_names
            && names.len() != network.classes
        {
            return Err(WeightsError::ClassNames { names: names.len(), classes: network.classes });
        }
    }

    let table = ParameterTable::new(&network);
    let known = |name: &str| {
        name.starts_with(AUXILIARY_PREFIX)
            || table.tensors().iter().any(|tensor| tensor.name == name)
            || (network.batch_norm && is_counter(name))
    };
    // The smallest name, so that the message does not depend on the order of iteration.
    if let Some(name) = file.names().into_iter().filter(|name| !known(name)).min() {
        return Err(WeightsError::Unexpected { name: name.to_owned() });
    }

    let mut parameters = Vec::with_capacity(table.arena_len());
    for tensor in table.tensors() {
        parameters.extend(values(&file, tensor.name, tensor)?);
    }
    Ok(Model { network, parameters, info })
}

/// Loads a model file.
///
/// # Errors
/// If the file cannot be read or is not a valid LeNet-5 model.
pub fn load(path: &Path) -> Result<Model, LoadError> {
    let load = || from_bytes(&read(path)?);
    load().map_err(|source| LoadError { path: path.to_owned(), source })
}

/// Reads a file, unless it is larger than any model.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let opened = open_regular(path).map_err(WeightsError::Unreadable)?;
    let (file, length) = opened.ok_or(WeightsError::NotAFile)?;
    if length > MAX_FILE {
        return Err(WeightsError::TooLarge { length });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(WeightsError::Unreadable)?;
    Ok(bytes)
}

/// Deserializes the metadata entry, if there is one.
pub(crate) fn header<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, WeightsError> {
    /// The version is checked first, because the other fields of a newer version are unknown.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }

    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(WeightsError::NotSafetensors)?;
    let Some(text) = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER)) else {
        return Ok(None);
    };
    let Versioned { version } = serde_json::from_str(text).map_err(WeightsError::Header)?;
    if version > VERSION {
        return Err(WeightsError::Version { found: version });
    }
    serde_json::from_str(text).map(Some).map_err(WeightsError::Header)
}

/// Whether a tensor is PyTorch's count of batches in a batch normalisation, which is not used.
fn is_counter(name: &str) -> bool {
    ["bn1", "bn2", "bn3", "bn4"].iter().any(|norm| name.strip_prefix(norm) == Some(".num_batches_tracked"))
}

/// Determines the network from the shapes of the first and the last layer, and from the presence of bn1.
fn network(file: &SafeTensors) -> Result<LeNet5, WeightsError> {
    let (first, last) = ("conv1.weight", "fc3.weight");
    let shape = |name: &str| match file.tensor(name) {
        Ok(view) => Ok(view.shape().to_vec()),
        Err(_) => Err(WeightsError::Missing { name: name.to_owned() }),
    };
    let wrong_shape = |name: &str, found, expected: &str| {
        Err(WeightsError::Shape { name: name.to_owned(), found, expected: expected.to_owned() })
    };
    let channels = match shape(first)?[..] {
        [6, channels @ (1 | 3), 5, 5] => channels,
        ref other => return wrong_shape(first, other.to_vec(), "[6, 1, 5, 5] or [6, 3, 5, 5]"),
    };
    let classes = match shape(last)?[..] {
        [classes @ 2..=MAX_CLASSES, 84] => classes,
        ref other => return wrong_shape(last, other.to_vec(), "[2 to 65536, 84]"),
    };
    let batch_norm = file.tensor("bn1.weight").is_ok();
    Ok(LeNet5 { batch_norm, ..LeNet5::new(channels, classes) })
}

/// Reads the values of a tensor that must have the shape of `like`. All must be finite, and variances not negative.
pub(crate) fn values(file: &SafeTensors, name: &str, like: &Tensor) -> Result<Vec<f32>, WeightsError> {
    let name = || name.to_owned();
    let view = file.tensor(&name()).map_err(|_| WeightsError::Missing { name: name() })?;
    if view.dtype() != Dtype::F32 {
        return Err(WeightsError::Type { name: name(), found: view.dtype() });
    }
    if view.shape() != like.shape.as_slice() {
        let (found, expected) = (view.shape().to_vec(), format!("{:?}", like.shape));
        return Err(WeightsError::Shape { name: name(), found, expected });
    }
    let (words, _) = view.data().as_chunks();
    let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(WeightsError::NonFinite { name: name(), index, value: values[index] });
    }
    match values.iter().position(|&value| like.role == TensorRole::RunningVar && value < 0.0) {
        Some(index) => Err(WeightsError::NegativeVariance { name: name(), index, value: values[index] }),
        None => Ok(values),
    }
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
