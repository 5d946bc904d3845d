//! A network that was trained, with what is known of it beside its weights.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Fit, LeNet5};

/// A network and its parameters, as a file keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub network: LeNet5,
    /// In the order of [`super::ParameterTable`].
    pub parameters: Vec<f32>,
    pub about: ModelInfo,
}

/// What a model was trained on, as far as it is known: who uses the model must show it images as it saw them then.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The data set's short name: `mnist`, `cifar10`, or a folder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// How images came to be of 32×32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// A name for each class, in the labels' order; none where classes are known by their numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// Where it was chosen among the weights of several epochs: by what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<Selection>,
}

/// The epoch whose weights were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Counted from 1.
    pub epoch: u64,
    /// The images on which it did best.
    pub part: SelectionSplit,
    /// The fraction of them that it found, the highest of all epochs.
    pub accuracy: f64,
}

/// What weights are chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectionSplit {
    /// Images held back from training.
    Validation,
    /// The images to test with, on which what was chosen by them does better than on others.
    Test,
}

impl fmt::Display for SelectionSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

impl ModelInfo {
    /// What people call a class.
    pub fn class(&self, label: usize) -> String {
        let named = self.class_names.as_ref().and_then(|names| names.get(label));
        named.cloned().unwrap_or_else(|| label.to_string())
    }
}
