//! The loss function.

use serde::{Deserialize, Serialize};

/// The loss of a batch, as a function of the last layer's logits z `[K]` and the label of each image.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The loss of an image.
    pub kind: LossKind,
    /// How the losses of a batch are combined.
    pub reduction: Reduction,
    /// Label smoothing ε in [0, 1): the target in training is (1 − ε)·onehot + ε/K. Evaluations do not smooth.
    #[serde(default)]
    pub label_smoothing: f32,
}

impl Loss {
    /// Returns the loss without label smoothing, which evaluations report.
    pub fn without_smoothing(self) -> Self {
        Self { label_smoothing: 0.0, ..self }
    }

    /// Returns the factor of a sample's loss in the loss of a step. `step_weight` is the number of samples of the step
    /// or, with class weights, the sum of the weights of their labels. If that is 0, so is the factor of the mean: such
    /// a step has no gradient. (PyTorch divides 0 by 0.)
    pub fn scale(&self, step_weight: f64) -> f64 {
        match self.reduction {
            Reduction::Mean if step_weight == 0.0 => 0.0,
            Reduction::Mean => 1.0 / step_weight,
            Reduction::Sum => 1.0,
        }
    }
}

/// A loss function: a measure of how far the outputs are from the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Negative log-likelihood of log-softmax: −log p(label).
    #[default]
    Nll,
    /// Cross-entropy on the logits: the same as [`Self::Nll`], which includes the log-softmax.
    CrossEntropy,
    /// Squared distance of the logits from the one-hot vector of the label, divided by the number of classes for
    /// [`Reduction::Mean`].
    Mse,
    /// Negative likelihood of the raw outputs without log-softmax: −z of the label. It has no minimum, and learns
    /// nothing without batch normalisation.
    RawNll,
}

impl LossKind {
    /// Every loss.
    pub const ALL: [Self; 4] = [Self::Nll, Self::CrossEntropy, Self::Mse, Self::RawNll];

    /// Converts the last layer's outputs `[N, classes]`, which are logits for some losses, to log-probabilities.
    pub(crate) fn log_probabilities(self, classes: usize, mut outputs: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Nll | Self::CrossEntropy => {}
            Self::Mse | Self::RawNll => outputs.chunks_exact_mut(classes).for_each(log_softmax),
        }
        outputs
    }
}

/// How the losses of a batch are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum. The gradient then grows with the batch size.
    Sum,
}

impl Reduction {
    /// Every reduction.
    pub const ALL: [Self; 2] = [Self::Mean, Self::Sum];
}

/// Replaces logits z by log-probabilities, z − max z − ln Σ exp(z − max z).
fn log_softmax(logits: &mut [f32]) {
    let max = logits.iter().copied().reduce(|max, z| if z > max { z } else { max });
    let max = max.expect("a network has at least one class");
    let log_sum = libm::logf(logits.iter().map(|&z| libm::expf(z - max)).sum::<f32>());
    for z in logits {
        *z = *z - max - log_sum;
    }
}
