//! Export of a trained model for other programs: ONNX runtimes, PyTorch and C compilers.
//!
//! ```no_run
//! use lenet_gpu::export::{Format, Input, to_bytes};
//! use lenet_gpu::model::weights;
//!
//! let model = weights::load("model.safetensors".as_ref())?;
//! std::fs::write("lenet.onnx", to_bytes(&model, Format::Onnx, Input::raw(&model, None)?))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod c_header;
mod input;
mod onnx;

use std::path::Path;

use crate::model::{Ensemble, Model, weights};

pub use input::{Input, InputError};

/// The format of an exported model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole network, for onnxruntime, tract and other ONNX readers.
    Onnx,
    /// The weights under PyTorch's names, for `load_state_dict`.
    Safetensors,
    /// Weights and forward pass as a C99 header for microcontrollers; no malloc.
    CHeader,
}

impl Format {
    /// Returns the format for the extension of the file name: `.onnx`, `.safetensors` or `.h`.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "onnx" => Some(Self::Onnx),
            "safetensors" => Some(Self::Safetensors),
            "h" => Some(Self::CHeader),
            _ => None,
        }
    }

    /// Returns whether a file of this format computes something and so has an [`Input`]; a safetensors file holds only
    /// weights.
    pub fn has_input(self) -> bool {
        self != Self::Safetensors
    }
}

/// Returns the content of a file of this format; [`Format::Safetensors`] ignores `input`. Equal models give equal bytes.
///
/// # Panics
/// If the number of parameters is not the network's.
pub fn to_bytes(model: &Model, format: Format, input: Input) -> Vec<u8> {
    match format {
        Format::Onnx => onnx::to_bytes(model, input),
        Format::Safetensors => weights::to_bytes(model),
        Format::CHeader => c_header::text(model, input).into_bytes(),
    }
}

/// Returns the content of an ONNX file that averages the probabilities of the models of an ensemble. Its output is called
/// `log_probabilities`: the logarithm of the mean probability of each class, f32 `[N, K]`. The metadata entry `ensemble`
/// lists the models. An ensemble of one model gives the model's own file, whose output is `logits`.
///
/// # Panics
/// If the number of a model's parameters is not its network's.
pub fn ensemble_to_onnx(ensemble: &Ensemble, input: Input) -> Vec<u8> {
    match ensemble.members() {
        [one] => onnx::to_bytes(&one.model, input),
        _ => onnx::ensemble_to_bytes(ensemble, input),
    }
}
