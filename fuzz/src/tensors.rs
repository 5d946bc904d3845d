//! Model files. Their values are some 60,000 numbers that a fuzzer need not see, so an input is a text, and after a zero
//! byte a few edits of values.

use lenet_gpu::data::DataSource;
use lenet_gpu::model::{Fit, LeNet5, Model, ModelInfo, ParameterTable, Selection};
use serde::{Deserialize, Serialize};

/// A [`ModelInfo`] as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    pub dataset: Option<String>,
    pub source: Option<DataSource>,
    pub fit: Option<Fit>,
    pub class_names: Option<Vec<String>>,
    pub selected: Option<Selection>,
}

impl From<Info> for ModelInfo {
    fn from(Info { dataset, source, fit, class_names, selected }: Info) -> Self {
        Self { dataset, source, fit, class_names, selected }
    }
}

/// The text of an input, and its edits as positions and values.
pub fn split(input: &[u8]) -> Option<(&str, impl Iterator<Item = (usize, f32)>)> {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let (edits, _) = input.get(end + 1..).unwrap_or_default().as_chunks::<8>();
    let edits = edits.iter().map(|&[a, b, c, d, value @ ..]| {
        (u32::from_le_bytes([a, b, c, d]) as usize, f32::from_le_bytes(value))
    });
    Some((std::str::from_utf8(&input[..end]).ok()?, edits))
}

/// The value at a position of the values of a file, from 0 to 0.1.
pub fn value(position: usize) -> f32 {
    (position % 1000) as f32 * 1e-4
}

/// A safetensors file with this header and as many bytes of values as it refers to, up to 1 MiB.
pub fn file(header: &str, edits: impl Iterator<Item = (usize, f32)>) -> Vec<u8> {
    let length = values_len(header).min(1 << 20);
    let mut bytes = Vec::with_capacity(8 + header.len() + length + 4);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..length.div_ceil(4)).flat_map(|position| value(position).to_le_bytes()));
    bytes.truncate(8 + header.len() + length);
    let (values, _) = bytes[8 + header.len()..].as_chunks_mut::<4>();
    for (position, value) in edits {
        if let Some(place) = values.get_mut(position) {
            *place = value.to_le_bytes();
        }
    }
    bytes
}

/// The end of the last tensor.
fn values_len(header: &str) -> usize {
    let header: serde_json::Value = serde_json::from_str(header).unwrap_or_default();
    let tensors = header.as_object().into_iter().flat_map(|tensors| tensors.values());
    let ends = tensors.filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    ends.max().map_or(0, |end| usize::try_from(end).unwrap_or(usize::MAX))
}

/// A model whose values are small, with some of them replaced.
pub fn model(network: LeNet5, info: ModelInfo, edits: impl Iterator<Item = (usize, f32)>) -> Model {
    let mut parameters: Vec<f32> = (0..ParameterTable::new(&network).arena_len()).map(value).collect();
    replace(&mut parameters, edits);
    Model { network, parameters, info }
}

/// Replaces some values.
pub fn replace(values: &mut [f32], edits: impl Iterator<Item = (usize, f32)>) {
    for (position, value) in edits {
        if let Some(place) = values.get_mut(position) {
            *place = value;
        }
    }
}
