//! Parameters as a safetensors file, under PyTorch's names and in PyTorch's shapes, so that
//! `load_state_dict(load_file("model.safetensors"))` works, and a file from PyTorch works here.
//!
//! The file's metadata has one entry, `lenet-gpu`, a JSON object of version, network and what the model is
//! [`ModelInfo`]. It is one because a second would be written in a random order, and equal weights shall be equal
//! bytes. A file without it is read too: its tensors tell the network, all but the activation, which is then taken
//! for ReLU.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parameters::TensorRole;
use super::{LeNet5, Model, ModelInfo, ParameterTable, Tensor};
use crate::files::open_regular;

/// The metadata's one entry.
const HEADER: &str = "lenet-gpu";

/// The number of the format that is written; lower ones are read, higher ones refused.
const VERSION: u32 = 1;

/// The largest file that is read, in bytes. The weights of a network of [`MAX_CLASSES`] classes take
/// 23 MB.
const MAX_FILE: u64 = 64 << 20;

/// Labels are stored as u16.
const MAX_CLASSES: usize = 1 << 16;

/// What the file tells of itself beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    #[serde(flatten)]
    network: LeNet5,
    #[serde(flatten)]
    about: ModelInfo,
}

/// Why bytes are not the weights of a LeNet-5.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),

    #[error("it is not a regular file")]
    NotAFile,

    #[error("the file has {length} bytes, and weights of LeNet-5 have at most {MAX_FILE}")]
    TooLarge { length: u64 },

    #[error("this is no safetensors file, or it is damaged")]
    NotSafetensors(#[source] SafeTensorError),

    #[error("the metadata entry \"{HEADER}\" is not understood")]
    Header(#[source] serde_json::Error),

    #[error(
        "the metadata says format version {found}, and this program knows versions up to {VERSION}; \
         a newer lenet-gpu reads it"
    )]
    Version { found: u32 },

    #[error(
        "the metadata says {} channels and {} classes{}, and the tensors say {} and {}{}",
        said.channels, said.classes, normed(said), found.channels, found.classes, normed(found)
    )]
    HeaderDisagrees { said: LeNet5, found: LeNet5 },

    #[error("the metadata names {names} classes, and the tensors have {classes}")]
    ClassNames { names: usize, classes: usize },

    #[error("tensor {name} is missing; the weights of a LeNet-5 have {}", names())]
    Missing { name: String },

    #[error("tensor {name} is none of LeNet-5's, which has {}", names())]
    Unexpected { name: String },

    #[error("tensor {name} has shape {found:?}, and {expected} is needed")]
    Shape { name: String, found: Vec<usize>, expected: String },

    #[error("tensor {name} is stored as {found:?}, and F32 is needed; call .float() before saving it")]
    Type { name: String, found: Dtype },

    #[error("tensor {name} has the value {value} at place {place}; the weights are of no use")]
    NonFinite { name: String, place: usize, value: f32 },

    #[error("tensor {name} has the value {value} at place {place}, and no variance is below 0")]
    NegativeVariance { name: String, place: usize, value: f32 },
}

/// A file whose weights could not be loaded, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the weights in {}", path.display())]
pub struct LoadError {
    path: PathBuf,
    source: WeightsError,
}

/// Tensors of a checkpoint that are no parameters have names that begin so; who looks for a model passes them over.
pub(crate) const BESIDE: &str = "optimizer.";

/// Values in the layout of a table's tensors, under names of their own.
pub(crate) struct Arena<'a> {
    /// What stands before the tensors' names.
    pub prefix: &'static str,
    pub tensors: &'a [Tensor],
    pub values: &'a [f32],
}

impl Header {
    pub(crate) fn of(model: &Model) -> Self {
        Self { version: VERSION, network: model.network, about: model.about.clone() }
    }
}

/// The content of a model's file. Equal models give equal bytes.
///
/// # Panics
/// Where the parameters are not the network's.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let table = ParameterTable::new(&model.network);
    let arena = Arena { prefix: "", tensors: table.tensors(), values: &model.parameters };
    serialize(&Header::of(model), &[arena])
}

/// The content of a file of these arenas, whose header is the metadata's one entry.
///
/// # Panics
/// Where an arena's values are not as many as its tensors have.
pub(crate) fn serialize(header: &impl Serialize, arenas: &[Arena]) -> Vec<u8> {
    let header = serde_json::to_string(header).expect("numbers and names can be written as JSON");
    let bytes: Vec<Vec<u8>> = arenas
        .iter()
        .map(|arena| {
            let end = arena.tensors.last().map_or(0, |tensor| tensor.range().end);
            assert_eq!(arena.values.len(), end, "the values belong to another network");
            arena.values.iter().flat_map(|value| value.to_le_bytes()).collect()
        })
        .collect();
    let views = arenas.iter().zip(&bytes).flat_map(|(arena, bytes)| {
        arena.tensors.iter().map(move |tensor| {
            let place = tensor.range();
            let view =
                TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[place.start * 4..place.end * 4])
                    .expect("a tensor's place in the arena has as many values as its shape");
            (format!("{}{}", arena.prefix, tensor.name), view)
        })
    });
    safetensors::serialize(views, Some(HashMap::from([(HEADER.to_owned(), header)])))
        .expect("a few small tensors fit into a safetensors file")
}

/// The model of a file's content; `to_bytes` or PyTorch wrote it.
pub fn from_bytes(bytes: &[u8]) -> Result<Model, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(WeightsError::NotSafetensors)?;
    let mut network = network(&file)?;
    let mut about = ModelInfo::default();
    if let Some(header) = header::<Header>(bytes)? {
        // No tensor tells it.
        network.activation = header.network.activation;
        if header.network != network {
            return Err(WeightsError::HeaderDisagrees { said: header.network, found: network });
        }
        about = header.about;
        if let Some(names) = &about.class_names
            && names.len() != network.classes
        {
            return Err(WeightsError::ClassNames { names: names.len(), classes: network.classes });
        }
    }

    let table = ParameterTable::new(&network);
    let known = |name: &str| {
        name.starts_with(BESIDE)
            || table.tensors().iter().any(|tensor| tensor.name == name)
            || (network.batch_norm && is_counter(name))
    };
    // The least name of several, so that the message is the same each time.
    if let Some(name) = file.names().into_iter().filter(|name| !known(name)).min() {
        return Err(WeightsError::Unexpected { name: name.to_owned() });
    }

    let mut parameters = Vec::with_capacity(table.arena_len());
    for tensor in table.tensors() {
        parameters.extend(values(&file, tensor.name, tensor)?);
    }
    Ok(Model { network, parameters, about })
}

/// The model in a file.
pub fn load(path: &Path) -> Result<Model, LoadError> {
    let load = || from_bytes(&read(path)?);
    load().map_err(|source| LoadError { path: path.to_owned(), source })
}

/// A whole file, unless it is larger than any weights are.
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

/// The metadata's entry, where there is one.
pub(crate) fn header<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, WeightsError> {
    /// A version is looked at first: what else a newer one has is unknown.
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

/// Whether a tensor is the count of batches that PyTorch keeps beside running statistics, which nothing here
/// goes by.
fn is_counter(name: &str) -> bool {
    ["bn1", "bn2", "bn3", "bn4"].iter().any(|norm| name.strip_prefix(norm) == Some(".num_batches_tracked"))
}

/// The network's free sizes, as the first and the last layer's shapes tell them, and whether it is
/// normalised.
fn network(file: &SafeTensors) -> Result<LeNet5, WeightsError> {
    let (first, last) = ("conv1.weight", "fc3.weight");
    let shape = |name: &str| match file.tensor(name) {
        Ok(view) => Ok(view.shape().to_vec()),
        Err(_) => Err(WeightsError::Missing { name: name.to_owned() }),
    };
    let refused = |name: &str, found, expected: &str| {
        Err(WeightsError::Shape { name: name.to_owned(), found, expected: expected.to_owned() })
    };
    let channels = match shape(first)?[..] {
        [6, channels @ (1 | 3), 5, 5] => channels,
        ref other => return refused(first, other.to_vec(), "[6, 1, 5, 5] or [6, 3, 5, 5]"),
    };
    let classes = match shape(last)?[..] {
        [classes @ 2..=MAX_CLASSES, 84] => classes,
        ref other => return refused(last, other.to_vec(), "[2 to 65536, 84]"),
    };
    let batch_norm = file.tensor("bn1.weight").is_ok();
    Ok(LeNet5 { batch_norm, ..LeNet5::new(channels, classes) })
}

/// The values of the tensor of this name, which has another's shape: all of them finite, and no variance below 0.
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
    let (quads, _) = view.data().as_chunks();
    let values: Vec<f32> = quads.iter().map(|&quad| f32::from_le_bytes(quad)).collect();
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(WeightsError::NonFinite { name: name(), place, value: values[place] });
    }
    match values.iter().position(|&value| like.role == TensorRole::RunningVar && value < 0.0) {
        Some(place) => Err(WeightsError::NegativeVariance { name: name(), place, value: values[place] }),
        None => Ok(values),
    }
}

/// The names of all tensors, for messages.
fn names() -> String {
    let table = ParameterTable::new(&LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) });
    let (layers, norms): (Vec<_>, Vec<_>) =
        table.tensors().iter().map(|tensor| tensor.name).partition(|name| !name.starts_with("bn"));
    format!("{}, and with batch normalisation {}", layers.join(", "), norms.join(", "))
}

/// What to add to a network's description in messages.
fn normed(network: &LeNet5) -> &'static str {
    if network.batch_norm { " with batch normalisation" } else { "" }
}
