//! The last layer with what follows it: logits, log-softmax, the loss, and the gradient at the logits.
//!
//! log p = z − max z − ln Σ exp(z − max z) for the logits z = x Wᵀ + bias, as in `log_softmax.rs`. The loss
//! of an image is `−Σ_k q[k] · log p[k]` for the target q = (1 − ε)·onehot(label) + ε/K, which without
//! smoothing ε is `−log p[label]`; the gradient of its scaled sum at the logits is (softmax(z) − q) · scale,
//! with scale = 1/B for the mean over a batch of B.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → log p and dlogits `[B, K]`, losses and
//! predicted classes `[B]`.

use super::log_softmax::image;
use super::{Real, Targets};
use crate::model::DenseShape;

/// Log-probabilities, gradient at the logits, loss and prediction of every image of a batch. The class
/// predicted is that of the largest logit, the lowest one of equals.
///
/// # Panics
/// Where a slice's length is not its shape's, or a label is not below the number of outputs.
// One fused layer with everything that it tells.
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
    targets.last_layer(shape, x, weight, bias, log_probs, dlogits, losses, predicted, loss);
}
