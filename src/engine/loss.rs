//! What training makes small.

use serde::{Deserialize, Serialize};

use crate::cpu::log_softmax;

/// A loss of the last layer's outputs z `[K]` and a label.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Loss {
    pub kind: LossKind,
    pub reduction: Reduction,
    /// ε in [0, 1): in training the target is (1 − ε)·onehot + ε/K; evaluation knows no smoothing.
    #[serde(default)]
    pub label_smoothing: f32,
}

impl Loss {
    /// What an evaluation reports: no smoothing.
    pub fn unsmoothed(self) -> Self {
        Self { label_smoothing: 0.0, ..self }
    }

    /// What a sample's loss counts in that of a batch of `count`.
    pub fn scale(&self, count: usize) -> f64 {
        match self.reduction {
            Reduction::Mean => 1.0 / count as f64,
            Reduction::Sum => 1.0,
        }
    }
}

/// How far outputs are from a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Negative log-likelihood of log-softmax: −log p(label)
    #[default]
    Nll,
    /// Cross-entropy on the logits: the same as nll, whose log-softmax it includes
    CrossEntropy,
    /// Squared distance of the logits from the label's one-hot vector, divided by K where the mean is taken
    Mse,
    /// Negative likelihood of the raw outputs, −z of the label, without log-softmax; it has no lowest value, and
    /// without batch normalisation it learns nothing
    RawNll,
}

impl LossKind {
    /// Every loss.
    pub const ALL: [Self; 4] = [Self::Nll, Self::CrossEntropy, Self::Mse, Self::RawNll];

    /// The last layer's outputs, N×K, as log-probabilities: they are where the loss is of those, and of logits
    /// they are made.
    pub(crate) fn log_probabilities(self, classes: usize, mut outputs: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Nll | Self::CrossEntropy => {}
            Self::Mse | Self::RawNll => log_softmax(classes, &mut outputs),
        }
        outputs
    }
}

/// How a batch's losses become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Their mean
    #[default]
    Mean,
    /// Their sum, so that the gradient grows with the batch
    Sum,
}

impl Reduction {
    /// Every reduction.
    pub const ALL: [Self; 2] = [Self::Mean, Self::Sum];
}
