//! Model files: safetensors with PyTorch's names and shapes.
//!
//! `load_state_dict(load_file("model.safetensors"))` works in PyTorch, and a file saved by PyTorch loads here.
//!
//! The metadata has one entry, `lenet-gpu`: a JSON object with, in this order,
//! - `digest`: the SHA-256 of the rest of the entry and of all tensors, see [`digest`](self#the-digest);
//! - `version`: the format version, 2;
//! - `program`: the version of lenet-gpu that wrote the file;
//! - `channels` and `classes`, and `batch_norm` and `activation` if they are not the defaults: the [`LeNet5`](super::LeNet5);
//! - `dataset`, `source`, `fit`, `class_names` and `selected`, if they are known: the [`ModelInfo`](super::ModelInfo);
//! - `checkpoint`, in a [`Checkpoint`](crate::train::Checkpoint): the state of the run.
//!
//! Other fields are rejected. There is only one entry because several would be written in random order, and equal models
//! must give equal bytes.
//!
//! Files of format version 1, which have no digest and no `program`, can be read. So can files without the entry, such as
//! those from PyTorch: the shapes determine the network, except for the activation, which is then ReLU. If all of their
//! tensors' names have the same prefix, such as `module.` of PyTorch's `DataParallel` or `_orig_mod.` of `torch.compile`, it
//! is ignored.
//!
//! # The digest
//! The digest is 64 lower-case hexadecimal digits: the SHA-256 of these byte strings, each preceded by its length as a
//! little-endian u64:
//! - the text of the entry without `"digest":"…",` at its beginning;
//! - for each tensor, in the order of the names' bytes: its name, its type as safetensors names it (`F32`), its shape as
//!   little-endian u64, and its values as stored.
//!
//! A file that has been changed is rejected, whichever byte it was: the digest is verified whenever a file is loaded, and
//! the rest of a file is either structure that safetensors verifies or padding, which must be spaces. A program that
//! changes the tensors must omit the entry, as PyTorch's `save_file` does unless it is given metadata.

mod digest;
mod error;
mod file;
mod foreign;
mod header;

use std::collections::HashMap;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde::de::IgnoredAny;

use super::{Model, ParameterTable, Tensor};
use crate::files::open_regular;
use digest::Content;

pub use error::{Damage, LoadError, WeightsError};
pub(crate) use file::ModelFile;
pub use file::Writer;
pub use foreign::Foreign;
pub(crate) use header::Header;

/// The key of the metadata entry.
const HEADER: &str = "lenet-gpu";

/// The format version that is written. Older versions can be read, newer ones are rejected.
const VERSION: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

/// The largest file that is read, in bytes. A checkpoint of a network with [`MAX_CLASSES`] classes takes 68 MB, and their
/// names may take as much again.
pub(crate) const MAX_FILE: u64 = 128 << 20;

/// The largest number of classes: labels are u16.
const MAX_CLASSES: usize = 1 << 16;

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

/// Serializes a model. Equal models give equal bytes.
///
/// # Panics
/// If the number of parameters is not that of the network.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let table = ParameterTable::new(&model.network);
    let arena = Arena { prefix: "", tensors: table.tensors(), values: &model.parameters };
    serialize(&Header::<()>::new(model, None), &[arena])
}

/// Serializes arenas, with `header` and the digest as the metadata entry.
///
/// # Panics
/// If an arena does not have as many values as its tensors.
pub(crate) fn serialize(header: &Header<impl Serialize>, arenas: &[Arena]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = arenas
        .iter()
        .map(|arena| {
            let end = arena.tensors.last().map_or(0, |tensor| tensor.range().end);
            assert_eq!(arena.values.len(), end, "the arena does not have as many values as its tensors");
            arena.values.iter().flat_map(|value| value.to_le_bytes()).collect()
        })
        .collect();
    let tensors: Vec<(String, &Tensor, &[u8])> = arenas
        .iter()
        .zip(&bytes)
        .flat_map(|(arena, bytes)| {
            arena.tensors.iter().map(|tensor| {
                let range = tensor.range();
                let name = format!("{}{}", arena.prefix, tensor.name);
                (name, tensor, &bytes[range.start * 4..range.end * 4])
            })
        })
        .collect();

    let text = serde_json::to_string(header).expect("numbers and strings can be serialized as JSON");
    let contents = tensors.iter().map(|(name, tensor, bytes)| {
        let shape = tensor.shape.as_slice();
        Content { name, dtype: Dtype::F32, shape, bytes }
    });
    let entry = digest::insert(&digest::of(&text, contents.collect()), &text);
    let views = tensors.iter().map(|(name, tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)
            .expect("a tensor's range has as many values as its shape");
        (name, view)
    });
    safetensors::serialize(views, Some(HashMap::from([(HEADER.to_owned(), entry)])))
        .expect("a few small tensors fit into a safetensors file")
}

/// Deserializes a model that [`to_bytes`] or PyTorch wrote.
///
/// # Errors
/// If the bytes are not a valid LeNet-5 model, or if they do not match their digest.
pub fn from_bytes(bytes: &[u8]) -> Result<Model, WeightsError> {
    let (model, _) = ModelFile::open(bytes)?.read::<IgnoredAny>()?;
    Ok(model)
}

/// Loads a model file.
///
/// # Errors
/// If the file cannot be read, is corrupt or is not a valid LeNet-5 model.
pub fn load(path: &Path) -> Result<Model, LoadError> {
    let load = || from_bytes(&read(path)?);
    load().map_err(|source| {
        let source = match (source, Foreign::of_name(path)) {
            (WeightsError::NotSafetensors(_) | WeightsError::TooLarge { .. }, Some(format)) => {
                WeightsError::Foreign(format)
            }
            (source, _) => source,
        };
        LoadError { path: path.to_owned(), source }
    })
}

/// Says what wrote a model file. `None` if another program did, such as PyTorch.
///
/// # Errors
/// If the file cannot be read, is corrupt or is not a safetensors file.
pub fn writer(path: &Path) -> Result<Option<Writer>, LoadError> {
    let writer = || Ok(ModelFile::open(&read(path)?)?.writer());
    writer().map_err(|source| LoadError { path: path.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::data::{DataLocation, DataSource, DatasetKind, RecordedImages, TestSplit};
    use crate::model::parameters::{LayerKind, TensorRole};
    use crate::model::{Fit, LeNet5, ModelInfo, Selection, SelectionSplit};

    /// A file of 1,000 bytes with every field and with the tensors of no network. Unlike a network's file, it is small
    /// enough to try every change of every byte.
    fn small_file() -> Vec<u8> {
        let tensor = |name, shape: &[usize], offset| {
            let (kind, role) = (LayerKind::Conv, TensorRole::Weight);
            Tensor { name, shape: shape.to_vec(), offset, kind, role, fan_in: 1, fan_out: 1 }
        };
        let tensors = [tensor("conv1.weight", &[2, 3], 0), tensor("conv1.bias", &[2], 6)];
        let values = [1.0, -0.0, 0.5, 1e-30, -3.25, 7.0, 0.0, 1e9];
        let selected = Selection { epoch: 3, split: SelectionSplit::Test, accuracy: 0.9875 };
        let source = DataSource {
            kind: Some(DatasetKind::Mnist),
            location: DataLocation::Path("/my/\"set\"".into()),
            requested: None,
            skip_bad_images: true,
            transpose: None,
            test_split: Some(TestSplit { share: 0.25, seed: 7 }),
            test: RecordedImages { images: 9, fingerprint: "09af".to_owned() },
            validation: None,
        };
        let info = ModelInfo {
            dataset: Some("my/\"set\"\n\u{1b}".to_owned()),
            source: Some(source),
            fit: Some(Fit::Pad),
            class_names: Some(vec!["café".to_owned(), "tab\t\\".to_owned()]),
            selected: Some(selected),
        };
        let network = LeNet5 { batch_norm: true, ..LeNet5::new(1, 2) };
        let header = Header::new(&Model { network, parameters: Vec::new(), info }, Some([1, 2]));
        serialize(&header, &[Arena { prefix: "", tensors: &tensors, values: &values }])
    }

    #[track_caller]
    fn assert_all_refused(changed: impl ParallelIterator<Item = Vec<u8>>) -> usize {
        let accepted = |bytes: &Vec<u8>| ModelFile::open(bytes).is_ok();
        changed
            .inspect(|bytes| assert!(!accepted(bytes), "accepted: {}", String::from_utf8_lossy(bytes)))
            .count()
    }

    #[test]
    fn every_change_of_one_byte_of_a_small_file_is_refused() {
        let file = small_file();
        assert!(ModelFile::open(&file).is_ok());
        let changed = (0..file.len()).into_par_iter().flat_map_iter(|position| {
            let file = &file;
            (1..=255).map(move |change: u8| {
                let mut bytes = file.clone();
                bytes[position] ^= change;
                bytes
            })
        });
        assert_eq!(assert_all_refused(changed), 255 * file.len());
    }

    #[test]
    fn a_small_file_with_a_byte_more_or_less_is_refused() {
        let file = small_file();
        let without = (0..file.len()).into_par_iter().map(|position| {
            let mut bytes = file.clone();
            bytes.remove(position);
            bytes
        });
        assert_eq!(assert_all_refused(without), file.len());
        let with = (0..=file.len()).into_par_iter().flat_map_iter(|position| {
            let file = &file;
            b"\0 \t\n\"\\{},0a\xff".iter().map(move |&more| {
                let mut bytes = file.clone();
                bytes.insert(position, more);
                bytes
            })
        });
        assert_all_refused(with);
        assert_all_refused((0..file.len()).into_par_iter().map(|length| file[..length].to_vec()));
    }
}
