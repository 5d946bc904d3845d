//! A trained network and its metadata.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Fit, LeNet5};
use crate::data::DataSource;

/// A network with its parameters and metadata: the content of a model file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The architecture.
    pub network: LeNet5,
    /// The parameter arena, in the order of [`super::ParameterTable`].
    pub parameters: Vec<f32>,
    /// Metadata.
    pub info: ModelInfo,
}

/// What a model was trained on, as far as it is known. Images must be prepared for the model as they were in
/// training.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelInfo {
    /// A short name of the data set for display: `mnist`, `cifar10`, or that of a folder. It may be the name of a known
    /// set although the images are others; [`DataSource::kind`] says which set they are.
    pub dataset: Option<String>,
    /// The data set and where it is; `None` in files of PyTorch and of earlier versions.
    pub source: Option<DataSource>,
    /// How images were brought to 32×32.
    pub fit: Option<Fit>,
    /// A name for each class, in the order of labels, if classes have names.
    pub class_names: Option<Vec<String>>,
    /// How the weights were chosen among those of several epochs, if they were.
    pub selected: Option<Selection>,
}

/// How weights were chosen among those of several epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The chosen epoch, counted from 1.
    pub epoch: u64,
    /// The images on which its accuracy was the highest.
    #[serde(rename = "part")]
    pub split: SelectionSplit,
    /// That accuracy, as a fraction.
    pub accuracy: f64,
}

impl Selection {
    /// Whether a run can have such an epoch.
    pub(crate) fn is_valid(&self) -> bool {
        self.epoch >= 1 && (0.0..=1.0).contains(&self.accuracy)
    }
}

/// The images on which weights are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectionSplit {
    /// Images held out of training.
    Validation,
    /// The test images. The accuracy on these is biased upwards by the choice.
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
    /// Returns the names of `classes` classes, or their numbers if they have none. `None` if nothing is known about the
    /// classes, because another program wrote the file.
    pub fn classes(&self, classes: usize) -> Option<Vec<String>> {
        let is_known = self.class_names.is_some() || self.dataset.is_some();
        is_known.then(|| (0..classes).map(|class| self.class(class)).collect())
    }

    /// Returns the name of a class, or its number if it has none.
    pub fn class(&self, label: usize) -> String {
        let named = self.class_names.as_ref().and_then(|names| names.get(label));
        named.cloned().unwrap_or_else(|| label.to_string())
    }
}
