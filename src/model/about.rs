//! A network that was trained, with what is known of it beside its weights.

use serde::{Deserialize, Serialize};

use super::LeNet5;
use crate::data::Fit;

/// A network and its parameters, as a file keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub network: LeNet5,
    /// In the order of [`super::ParameterTable`].
    pub parameters: Vec<f32>,
    pub about: About,
}

/// What a model was trained on, as far as it is known: who uses the model must show it images as it saw them then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// The data set's short name: `mnist`, `cifar10`, or a folder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// How images came to be of 32×32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// A name for each class, in the labels' order; none where classes are known by their numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
}

impl About {
    /// What people call a class.
    pub fn class(&self, label: usize) -> String {
        let named = self.class_names.as_ref().and_then(|names| names.get(label));
        named.cloned().unwrap_or_else(|| label.to_string())
    }
}
