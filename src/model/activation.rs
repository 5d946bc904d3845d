//! Activation functions.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The activation function of a layer (the argument `activation` of the paper's layer class).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// y = x
    Identity,
    /// y = max(x, 0)
    #[default]
    Relu,
    /// y = 1/(1 + e⁻ˣ)
    Sigmoid,
    /// y = −1, 0 or 1; nothing passes backward
    Sign,
    /// y = tanh x
    Tanh,
    /// y = x cut off at −1 and 1
    HardTanh,
    /// y = x − ln Σ eˣ over the layer's outputs
    LogSoftmax,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Sign => "sign",
            Self::Tanh => "tanh",
            Self::HardTanh => "hard-tanh",
            Self::LogSoftmax => "log-softmax",
        })
    }
}
