//! The last layer with its loss: logits, per-image losses, predictions, and the gradient at the logits.
//!
//! For the logits z = x Wᵀ + bias and the target t = (1 − ε)·onehot(label) + ε/K with smoothing ε, the variants are
//!
//! | function | loss of an image | gradient at the logits |
//! |---|---|---|
//! | [`dense_log_softmax`] | −Σ_k t\[k\] · log p\[k\], log p = log-softmax(z) | (softmax(z) − t) · scale |
//! | [`dense_mse`] | Σ_k (z\[k\] − t\[k\])², divided by K for the mean | 2(z − t) · scale, divided likewise |
//! | [`dense_raw_nll`] | −Σ_k t\[k\] · z\[k\] | −t · scale |
//!
//! The gradient is that of the sum of the losses times `scale`, which is 1/B for the mean over a batch of B.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → outputs and dlogits `[B, K]`, losses and predicted
//! classes `[B]`. The predicted class is that of the largest logit, the lowest class if several are equal.

use rayon::prelude::*;

use super::Real;
use super::blocks::{chunk_len, for_each_chunk};
use super::dense_forward::dense_forward;
use super::log_softmax::{image, largest};
use crate::engine::Reduction;
use crate::model::{Activation, DenseShape};

/// The targets of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a, T> {
    /// The class of each image.
    pub labels: &'a [u32],
    /// ε: the target is (1 − ε)·onehot + ε/K.
    pub smoothing: T,
    /// Factor of an image's loss in the batch's loss: 1/B for the mean over a batch of B.
    pub scale: T,
}

impl<T: Real> Targets<'_, T> {
    /// The target of one of `classes` classes for an image with this label.
    fn of(&self, label: usize, class: usize, classes: usize) -> T {
        let onehot = if class == label { T::one() } else { T::zero() };
        onehot * (T::one() - self.smoothing) + self.smoothing / T::of(classes as f64)
    }
}

/// Negative log-likelihood of log-softmax. `log_probs` receives the log-probabilities.
///
/// # Panics
/// If a slice does not have the length of its shape or a label is not less than the number of outputs.
#[allow(clippy::too_many_arguments)]
pub fn dense_log_softmax<T: Real>(
    shape: &DenseShape,
    x: &[T],
    weight: &[T],
    bias: &[T],
    targets: &Targets<T>,
    log_probs: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
) {
    let loss = |label: usize, log_probs: &mut [T], dlogits: &mut [T]| {
        image(log_probs);
        for (class, (log_prob, dlogit)) in log_probs.iter().zip(dlogits).enumerate() {
            *dlogit = (log_prob.exp() - targets.of(label, class, shape.outputs)) * targets.scale;
        }
        let loss = -log_probs[label];
        if targets.smoothing == T::zero() {
            return loss;
        }
        let mean = log_probs.iter().copied().sum::<T>() / T::of(shape.outputs as f64);
        loss + targets.smoothing * (log_probs[label] - mean)
    };
    last_layer(shape, x, weight, bias, targets, log_probs, dlogits, losses, predicted, loss);
}

/// Squared distance of the logits from their target. With [`Reduction::Mean`] it is divided by the number of classes,
/// as in PyTorch's `MSELoss`. `logits` receives the logits.
///
/// # Panics
/// If a slice does not have the length of its shape or a label is not less than the number of outputs.
#[allow(clippy::too_many_arguments)]
pub fn dense_mse<T: Real>(
    shape: &DenseShape,
    reduction: Reduction,
    x: &[T],
    weight: &[T],
    bias: &[T],
    targets: &Targets<T>,
    logits: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
) {
    let terms = T::of(match reduction {
        Reduction::Mean => shape.outputs as f64,
        Reduction::Sum => 1.0,
    });
    let loss = |label: usize, logits: &mut [T], dlogits: &mut [T]| {
        let mut sum = T::zero();
        for (class, (&mut logit, dlogit)) in logits.iter_mut().zip(dlogits).enumerate() {
            let difference = logit - targets.of(label, class, shape.outputs);
            sum += difference * difference;
            *dlogit = T::of(2.0) * difference / terms * targets.scale;
        }
        sum / terms
    };
    last_layer(shape, x, weight, bias, targets, logits, dlogits, losses, predicted, loss);
}

/// Negative likelihood of the raw logits, without log-softmax. `logits` receives the logits. This loss has no lower
/// bound: without batch normalisation nothing is learned, as the paper reports for its first attempts.
///
/// # Panics
/// If a slice does not have the length of its shape or a label is not less than the number of outputs.
#[allow(clippy::too_many_arguments)]
pub fn dense_raw_nll<T: Real>(
    shape: &DenseShape,
    x: &[T],
    weight: &[T],
    bias: &[T],
    targets: &Targets<T>,
    logits: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
) {
    let loss = |label: usize, logits: &mut [T], dlogits: &mut [T]| {
        let mut sum = T::zero();
        for (class, (&mut logit, dlogit)) in logits.iter_mut().zip(dlogits).enumerate() {
            let target = targets.of(label, class, shape.outputs);
            sum -= target * logit;
            *dlogit = -target * targets.scale;
        }
        sum
    };
    last_layer(shape, x, weight, bias, targets, logits, dlogits, losses, predicted, loss);
}

/// The logits of a batch, then `loss` for each image. `loss` is given the label and the image's logits, which it may
/// overwrite; it writes the gradient and returns the loss.
#[allow(clippy::too_many_arguments)]
fn last_layer<T: Real>(
    shape: &DenseShape,
    x: &[T],
    weight: &[T],
    bias: &[T],
    targets: &Targets<T>,
    outputs: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
    loss: impl Fn(usize, &mut [T], &mut [T]) -> T + Sync,
) {
    let batch = targets.labels.len();
    assert_eq!(dlogits.len(), batch * shape.outputs, "dlogits is not [batch, outputs]");
    assert_eq!(losses.len(), batch, "losses is not [batch]");
    assert_eq!(predicted.len(), batch, "predicted is not [batch]");

    dense_forward(shape, Activation::Identity, x, weight, bias, outputs);
    let chunk = chunk_len(batch);
    let rows =
        outputs.par_chunks_mut(chunk * shape.outputs).zip(dlogits.par_chunks_mut(chunk * shape.outputs));
    let outcomes = losses.par_chunks_mut(chunk).zip(predicted.par_chunks_mut(chunk));
    let chunks = rows.zip(targets.labels.par_chunks(chunk)).zip(outcomes);
    for_each_chunk(chunks, |(((outputs, dlogits), labels), (losses, predicted))| {
        let rows = outputs.chunks_exact_mut(shape.outputs).zip(dlogits.chunks_exact_mut(shape.outputs));
        let outcomes = labels.iter().zip(losses).zip(predicted);
        for ((outputs, dlogits), ((&label, image_loss), predicted)) in rows.zip(outcomes) {
            assert!((label as usize) < shape.outputs, "label {label} of {} classes", shape.outputs);
            *predicted = largest(outputs) as u32;
            *image_loss = loss(label as usize, outputs, dlogits);
        }
    });
}
