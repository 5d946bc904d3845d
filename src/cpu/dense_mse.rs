//! The last layer with the squared distance of its logits from their target, and the gradient at the logits.
//!
//! For z = x Wᵀ + bias and the target t = (1 − ε)·onehot(label) + ε/K the loss of an image is
//! `Σ_k (z[k] − t[k])²`, divided by K where the reduction is the mean, as PyTorch's `MSELoss` divides by the
//! number of values; the gradient of its scaled sum at the logits is 2(z − t)·scale, divided likewise.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → z and dlogits `[B, K]`, losses and predicted
//! classes `[B]`.

use super::{Real, Targets};
use crate::engine::Reduction;
use crate::model::DenseShape;

/// Logits, their gradient, loss and prediction of every image of a batch. The class predicted is that of the
/// largest logit, the lowest one of equals.
///
/// # Panics
/// Where a slice's length is not its shape's, or a label is not below the number of outputs.
// One fused layer with everything that it tells.
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
        assert!(label < logits.len(), "a label is below the number of outputs");
        let mut sum = T::zero();
        for (class, (&mut logit, dlogit)) in logits.iter_mut().zip(dlogits).enumerate() {
            let difference = logit - targets.of(label, class, shape.outputs);
            sum += difference * difference;
            *dlogit = T::of(2.0) * difference / terms * targets.scale;
        }
        sum / terms
    };
    targets.last_layer(shape, x, weight, bias, logits, dlogits, losses, predicted, loss);
}
