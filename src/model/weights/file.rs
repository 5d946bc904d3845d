//! The content of a model file, read with its digest verified.

use std::num::NonZeroU32;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::de::DeserializeOwned;

use super::digest::{self, Content};
use super::{AUXILIARY_PREFIX, Damage, Foreign, HEADER, MAX_CLASSES, WeightsError, header};
use crate::model::parameters::TensorRole;
use crate::model::{LeNet5, Model, ModelInfo, ParameterTable, Tensor};

/// The first format version with a digest.
const FIRST_WITH_DIGEST: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

/// The name of the first layer's weight.
const FIRST: &str = "conv1.weight";

/// A model file that is as it was written, as far as its digest can tell.
pub(crate) struct ModelFile<'a> {
    tensors: Metadata,
    /// The bytes after the safetensors header.
    data: &'a [u8],
    /// The text of the metadata entry without the digest; `None` if there is no entry, as in a file from PyTorch.
    text: Option<String>,
    /// What precedes every tensor's name, in files from other programs only.
    prefix: String,
}

/// The program that wrote a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The file's format version. From version 2 on, a digest of the content has been verified.
    pub format: u32,
    /// The version of lenet-gpu; unknown for models of format version 1.
    pub program: Option<String>,
}

impl<'a> ModelFile<'a> {
    /// Reads the header and verifies the digest.
    ///
    /// # Errors
    /// If the bytes are not a safetensors file, if its format version is unknown, or if it is corrupt.
    pub fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let (length, tensors) = SafeTensors::read_metadata(bytes).map_err(|error| {
            Foreign::of_content(bytes).map_or(WeightsError::NotSafetensors(error), WeightsError::Foreign)
        })?;
        let (start, data) = bytes[8..].split_at(length);
        let mut file = Self { tensors, data, text: None, prefix: String::new() };
        let entries = file.tensors.metadata().as_ref();
        let Some(entry) = entries.and_then(|entries| entries.get(HEADER)) else {
            // One changed byte in the entry's key must not make it a file without a digest.
            if entries.is_some_and(|entries| entries.values().any(|entry| entry.starts_with(digest::START))) {
                return Err(WeightsError::Corrupt(Damage::Key));
            }
            file.prefix = common_prefix(&file.tensors.offset_keys());
            return Ok(file);
        };
        file.text = Some(match digest::split(entry) {
            Some((digest, text)) => {
                // A newer version may compute its digest in another way. Other errors of the header are damage.
                if let Err(newer @ WeightsError::Version { .. }) = header::version(&text) {
                    return Err(newer);
                }
                if digest != file.digest(&text) || !is_padded_with_spaces(start) {
                    return Err(WeightsError::Corrupt(Damage::Digest));
                }
                text
            }
            None if header::version(entry)? >= FIRST_WITH_DIGEST => {
                return Err(WeightsError::Corrupt(Damage::NoDigest));
            }
            None => entry.clone(),
        });
        Ok(file)
    }

    /// Reads the model and, in a checkpoint, the state of the run.
    ///
    /// # Errors
    /// If the file is not a valid LeNet-5 model, or if the state does not have this type.
    pub fn read<Run: DeserializeOwned>(&self) -> Result<(Model, Option<Run>), WeightsError> {
        let mut network = self.network()?;
        let (mut info, mut run) = (ModelInfo::default(), None);
        if let Some(text) = &self.text {
            let described;
            (described, info, run) = header::parse(text)?.into_parts();
            // The tensors do not determine the activation.
            network.activation = described.activation;
            if described != network {
                return Err(WeightsError::HeaderDisagrees { header: described, tensors: network });
            }
            check_info(&info, &network)?;
        }

        let table = ParameterTable::new(&network);
        let known = |name: &str| {
            let Some(name) = name.strip_prefix(&self.prefix) else { return false };
            name.starts_with(AUXILIARY_PREFIX)
                || table.tensors().iter().any(|tensor| tensor.name == name)
                || (network.batch_norm && is_counter(name))
        };
        // The smallest name, so that the message does not depend on the order of tensors.
        if let Some(name) = self.tensors.offset_keys().into_iter().filter(|name| !known(name)).min() {
            return Err(WeightsError::Unexpected { name });
        }

        let mut parameters = Vec::with_capacity(table.arena_len());
        for tensor in table.tensors() {
            parameters.extend(self.values(tensor.name, tensor)?);
        }
        Ok((Model { network, parameters, info }, run))
    }

    /// What wrote the file. `None` if another program did.
    pub fn writer(&self) -> Option<Writer> {
        let text = self.text.as_deref()?;
        let format = header::version(text).ok()?.get();
        Some(Writer { format, program: header::program(text) })
    }

    /// Reads the values of a tensor that must have the shape of `like`. All must be finite, and variances not negative.
    pub fn values(&self, name: &str, like: &Tensor) -> Result<Vec<f32>, WeightsError> {
        let info = self.info(name)?;
        let name = || name.to_owned();
        if info.dtype != Dtype::F32 {
            return Err(WeightsError::Type { name: name(), found: info.dtype });
        }
        if info.shape != like.shape {
            let (found, expected) = (info.shape.clone(), format!("{:?}", like.shape));
            return Err(WeightsError::Shape { name: name(), found, expected });
        }
        let (words, _) = self.bytes(info).as_chunks();
        let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(WeightsError::NonFinite { name: name(), index, value: values[index] });
        }
        match values.iter().position(|&value| like.role == TensorRole::RunningVar && value < 0.0) {
            Some(index) => Err(WeightsError::NegativeVariance { name: name(), index, value: values[index] }),
            None => Ok(values),
        }
    }

    /// Determines the network from the shapes of the first and the last layer, and from the presence of bn1.
    fn network(&self) -> Result<LeNet5, WeightsError> {
        let (first, last) = (FIRST, "fc3.weight");
        let wrong_shape = |name: &str, found: &[usize], expected: &str| {
            let (name, found, expected) = (name.to_owned(), found.to_owned(), expected.to_owned());
            Err(WeightsError::Shape { name, found, expected })
        };
        let channels = match self.info(first)?.shape[..] {
            [6, channels @ (1 | 3), 5, 5] => channels,
            ref other => return wrong_shape(first, other, "[6, 1, 5, 5] or [6, 3, 5, 5]"),
        };
        let classes = match self.info(last)?.shape[..] {
            [classes @ 2..=MAX_CLASSES, 84] => classes,
            ref other => return wrong_shape(last, other, "[2 to 65536, 84]"),
        };
        let batch_norm = self.info("bn1.weight").is_ok();
        Ok(LeNet5 { batch_norm, ..LeNet5::new(channels, classes) })
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, WeightsError> {
        let stored = self.tensors.info(&format!("{}{name}", self.prefix));
        stored.ok_or_else(|| WeightsError::Missing { name: name.to_owned() })
    }

    fn bytes(&self, info: &TensorInfo) -> &'a [u8] {
        let (start, end) = info.data_offsets;
        &self.data[start..end]
    }

    /// The digest of the tensors as they are, with the text of the metadata entry.
    fn digest(&self, text: &str) -> String {
        let names = self.tensors.offset_keys();
        let contents = names.iter().filter_map(|name| {
            let info = self.tensors.info(name)?;
            Some(Content { name, dtype: info.dtype, shape: &info.shape, bytes: self.bytes(info) })
        });
        digest::of(text, contents.collect())
    }
}

/// The prefix of the first layer's name, if all tensors have it: wrappers of a network, such as PyTorch's `DataParallel`
/// and `torch.compile`, precede the names of its tensors with their own.
fn common_prefix(names: &[String]) -> String {
    let prefix = names.iter().find_map(|name| name.strip_suffix(FIRST)).unwrap_or_default();
    let is_common = prefix.ends_with('.') && names.iter().all(|name| name.starts_with(prefix));
    if is_common { prefix.to_owned() } else { String::new() }
}

/// Whether the padding after the safetensors header, a JSON object, consists of spaces: other white space is not
/// written, and a change of it would go unnoticed.
fn is_padded_with_spaces(header: &[u8]) -> bool {
    header.iter().rev().find(|&&byte| byte != b' ') == Some(&b'}')
}

/// Checks that the metadata can belong to the network.
fn check_info(info: &ModelInfo, network: &LeNet5) -> Result<(), WeightsError> {
    if let Some(names) = &info.class_names
        && names.len() != network.classes
    {
        return Err(WeightsError::ClassNames { names: names.len(), classes: network.classes });
    }
    match info.selected {
        Some(selected) if !selected.is_valid() => {
            Err(WeightsError::Selected { epoch: selected.epoch, accuracy: selected.accuracy })
        }
        _ => Ok(()),
    }
}

/// Whether a tensor is PyTorch's count of batches in a batch normalisation, which is not used.
fn is_counter(name: &str) -> bool {
    ["bn1", "bn2", "bn3", "bn4"].iter().any(|norm| name.strip_prefix(norm) == Some(".num_batches_tracked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_what_all_names_have_before_the_first_layers() {
        let prefix =
            |names: &[&str]| common_prefix(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        for wrapper in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.net.", ""] {
            let names = ["fc3.bias", "conv1.bias", "conv1.weight"].map(|name| format!("{wrapper}{name}"));
            assert_eq!(prefix(&names.each_ref().map(String::as_str)), wrapper);
        }
        assert_eq!(prefix(&["module.conv1.weight", "conv1.weight"]), "");
        assert_eq!(prefix(&["module.conv1.weight", "module.fc1.weight", "fc2.weight"]), "");
        assert_eq!(prefix(&["myconv1.weight", "myconv1.bias"]), "");
        assert_eq!(prefix(&[]), "");
    }
}
