//! The last layer with what follows it: logits, log-softmax, the loss, and the gradient at the logits.
//!
//! log p = z − max z − ln Σ exp(z − max z) for the logits z = x Wᵀ + bias: with the maximum taken out no
//! exponential overflows, and the result is normalised (the paper's listing forgets to subtract the
//! maximum again). The loss of an image is `−log p[label]`; the gradient of its scaled sum at the logits
//! is (softmax(z) − onehot(label)) · scale, with scale = 1/B for the mean over a batch of B.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → log p and dlogits `[B, K]`, losses and
//! predicted classes `[B]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::part_len;
use super::dense_forward::dense_forward;
use crate::model::{Activation, DenseShape};

/// Log-probabilities, gradient at the logits, loss and prediction of every image of a batch. The class
/// predicted is that of the largest log-probability, the lowest one of equals.
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
    labels: &[u32],
    scale: T,
    log_probs: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
) {
    let batch = labels.len();
    assert_eq!(dlogits.len(), batch * shape.outputs, "dlogits is not [batch, outputs]");
    assert_eq!(losses.len(), batch, "losses is not [batch]");
    assert_eq!(predicted.len(), batch, "predicted is not [batch]");

    dense_forward(shape, Activation::Identity, x, weight, bias, log_probs);
    let part = part_len(batch);
    log_probs
        .par_chunks_mut(part * shape.outputs)
        .zip(dlogits.par_chunks_mut(part * shape.outputs))
        .zip(labels.par_chunks(part))
        .zip(losses.par_chunks_mut(part))
        .zip(predicted.par_chunks_mut(part))
        .for_each(|((((log_probs, dlogits), labels), losses), predicted)| {
            let rows = log_probs.chunks_exact_mut(shape.outputs).zip(dlogits.chunks_exact_mut(shape.outputs));
            let outcomes = labels.iter().zip(losses).zip(predicted);
            for ((log_probs, dlogits), ((&label, loss), predicted)) in rows.zip(outcomes) {
                (*loss, *predicted) = image(label as usize, scale, log_probs, dlogits);
            }
        });
}

/// One image: `log_probs` holds the logits and is turned into log-probabilities.
fn image<T: Real>(label: usize, scale: T, log_probs: &mut [T], dlogits: &mut [T]) -> (T, u32) {
    let mut predicted = 0;
    for (class, &logit) in log_probs.iter().enumerate() {
        if logit > log_probs[predicted] {
            predicted = class;
        }
    }
    let max = log_probs[predicted];
    let sum: T = log_probs.iter().map(|&logit| (logit - max).exp()).sum();
    let log_sum = sum.ln();
    for (class, (log_prob, dlogit)) in log_probs.iter_mut().zip(dlogits).enumerate() {
        *log_prob = *log_prob - max - log_sum;
        let target = if class == label { T::one() } else { T::zero() };
        *dlogit = (log_prob.exp() - target) * scale;
    }
    (-log_probs[label], predicted as u32)
}
