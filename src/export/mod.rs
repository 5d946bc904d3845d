//! A model as files that other programs read: onnxruntime and its likes, PyTorch, and C compilers.

mod c_header;
mod input;
mod onnx;

use std::path::Path;

use crate::model::{Model, weights};

pub use input::{Input, InputError};

/// What kind of file a model is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole network for onnxruntime, tract, and all that read ONNX
    Onnx,
    /// The weights under PyTorch's names, for load_state_dict
    Safetensors,
    /// Weights and forward pass as a header of plain C99, for microcontrollers; no malloc
    CHeader,
}

impl Format {
    /// The format that a file's ending tells.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "onnx" => Some(Self::Onnx),
            "safetensors" => Some(Self::Safetensors),
            "h" => Some(Self::CHeader),
            _ => None,
        }
    }

    /// Whether such a file has an input: safetensors holds weights and nothing that is done with them.
    pub fn has_input(self) -> bool {
        self != Self::Safetensors
    }
}

/// The content of a file of this format. Equal models give equal bytes.
///
/// # Panics
/// Where the parameters are not the network's.
pub fn to_bytes(model: &Model, format: Format, input: Input) -> Vec<u8> {
    match format {
        Format::Onnx => onnx::to_bytes(model, input),
        Format::Safetensors => weights::to_bytes(model),
        Format::CHeader => c_header::text(model, input).into_bytes(),
    }
}
