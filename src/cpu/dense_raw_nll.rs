//! The last layer with the negative likelihood of its outputs as they are, without log-softmax, and the
//! gradient at them. It has no lowest value: without batch normalisation nothing is learned by it, as the
//! paper tells of the time before its log-softmax.
//!
//! For z = x Wᵀ + bias and the target t = (1 − ε)·onehot(label) + ε/K the loss of an image is `−Σ_k t[k] z[k]`,
//! and the gradient of its scaled sum at the outputs is −t·scale.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → z and dlogits `[B, K]`, losses and predicted
//! classes `[B]`.

use super::{Real, Targets};
use crate::model::DenseShape;

/// Logits, their gradient, loss and prediction of every image of a batch. The class predicted is that of the
/// largest logit, the lowest one of equals.
///
/// # Panics
/// Where a slice's length is not its shape's, or a label is not below the number of outputs.
// One fused layer with everything that it tells.
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
        assert!(label < logits.len(), "a label is below the number of outputs");
        let mut sum = T::zero();
        for (class, (&mut logit, dlogit)) in logits.iter_mut().zip(dlogits).enumerate() {
            let target = targets.of(label, class, shape.outputs);
            sum -= target * logit;
            *dlogit = -target * targets.scale;
        }
        sum
    };
    targets.last_layer(shape, x, weight, bias, logits, dlogits, losses, predicted, loss);
}
