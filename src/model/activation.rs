//! Activation functions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The activation function of a layer (the argument `activation` of the paper's layer class).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// y = x.
    Identity,
    /// y = max(x, 0).
    #[default]
    Relu,
    /// y = 1/(1 + e⁻ˣ).
    Sigmoid,
    /// y = −1, 0 or 1; its gradient is 0.
    Sign,
    /// y = tanh x.
    Tanh,
    /// y = x clamped to −1..1.
    HardTanh,
    /// y = x − ln Σ eˣ over the layer's outputs.
    LogSoftmax,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 7] =
        [Self::Identity, Self::Relu, Self::Sigmoid, Self::Sign, Self::Tanh, Self::HardTanh, Self::LogSoftmax];
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
