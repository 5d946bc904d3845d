//! The last layer with its loss: logits, per-image losses, predictions, and the gradient at the logits.
//!
//! For the logits z = x Wᵀ + bias and the target t\[k\] = w\[k\] · ((1 − ε)·onehot(label)\[k\] + ε/K) with smoothing ε
//! and class weights w, all 1 by default, the losses are
//!
//! | [`LossKind`] | loss of an image | gradient at the logits |
//! |---|---|---|
//! | `Nll`, `CrossEntropy` | −Σ_k t\[k\] · log p\[k\], log p = log-softmax(z) | (softmax(z) · Σ_k t\[k\] − t) · scale |
//! | `Mse` | w\[label\] · Σ_k (z\[k\] − u\[k\])², divided by K for the mean | 2w\[label\](z − u) · scale, divided likewise |
//! | `RawNll` | −Σ_k t\[k\] · z\[k\] | −t · scale |
//!
//! where u is t without the weights. The gradient is that of the sum of the losses times `scale`. For the mean, that is
//! 1/B for a step of B images and, with class weights, 1 over the sum of the weights of their labels.
//!
//! Shapes: x `[B, I]`, w `[K, I]`, bias `[K]`, labels `[B]` → outputs and dlogits `[B, K]`, losses and predicted
//! classes `[B]`. The predicted class is that of the largest logit, the lowest class if several are equal.

use rayon::prelude::*;

use super::Real;
use super::blocks::{chunk_len, for_each_chunk};
use super::dense_forward::dense_forward;
use super::log_softmax::{image, largest};
use crate::engine::{Loss, LossKind, Reduction};
use crate::model::{Activation, DenseShape};

/// The outputs are log-probabilities if `loss` is a function of those, else the logits. The batch is part of a step, over
/// which a mean is taken; `step_weight` is the number of its images, or the sum of the weights of their labels.
/// `class_weights` is `[K]`, or `None` for weights of 1.
///
/// # Panics
/// If a slice does not have the length of its shape or a label is not less than the number of outputs.
#[allow(clippy::too_many_arguments)]
pub fn dense_loss<T: Real>(
    shape: &DenseShape,
    loss: &Loss,
    step_weight: f64,
    class_weights: Option<&[T]>,
    x: &[T],
    weight: &[T],
    bias: &[T],
    labels: &[u32],
    outputs: &mut [T],
    dlogits: &mut [T],
    losses: &mut [T],
    predicted: &mut [u32],
) {
    let batch = labels.len();
    assert_eq!(dlogits.len(), batch * shape.outputs, "dlogits is not [batch, outputs]");
    assert_eq!(losses.len(), batch, "losses is not [batch]");
    assert_eq!(predicted.len(), batch, "predicted is not [batch]");
    assert!(class_weights.is_none_or(|weights| weights.len() == shape.outputs), "class_weights is not [K]");

    dense_forward(shape, Activation::Identity, x, weight, bias, outputs);
    let targets = Targets {
        smoothing: T::of(f64::from(loss.label_smoothing)),
        scale: T::of(loss.scale(step_weight)),
        weights: class_weights,
        classes: T::of(shape.outputs as f64),
    };
    let chunk = chunk_len(batch);
    let rows =
        outputs.par_chunks_mut(chunk * shape.outputs).zip(dlogits.par_chunks_mut(chunk * shape.outputs));
    let outcomes = losses.par_chunks_mut(chunk).zip(predicted.par_chunks_mut(chunk));
    let chunks = rows.zip(labels.par_chunks(chunk)).zip(outcomes);
    for_each_chunk(chunks, |(((outputs, dlogits), labels), (losses, predicted))| {
        let rows = outputs.chunks_exact_mut(shape.outputs).zip(dlogits.chunks_exact_mut(shape.outputs));
        let outcomes = labels.iter().zip(losses).zip(predicted);
        for ((outputs, dlogits), ((&label, image_loss), predicted)) in rows.zip(outcomes) {
            let label = label as usize;
            assert!(label < shape.outputs, "label {label} of {} classes", shape.outputs);
            *predicted = largest(outputs) as u32;
            *image_loss = match loss.kind {
                LossKind::Nll | LossKind::CrossEntropy => nll(&targets, label, outputs, dlogits),
                LossKind::Mse => mse(&targets, loss.reduction, label, outputs, dlogits),
                LossKind::RawNll => raw_nll(&targets, label, outputs, dlogits),
            };
        }
    });
}

/// What the targets of all images have in common.
struct Targets<'a, T> {
    /// ε: the target is (1 − ε)·onehot + ε/K.
    smoothing: T,
    /// Factor of an image's loss in the step's loss.
    scale: T,
    /// w; `None` for 1 each.
    weights: Option<&'a [T]>,
    /// K.
    classes: T,
}

impl<T: Real> Targets<'_, T> {
    /// The weight of a class.
    fn weight(&self, class: usize) -> T {
        self.weights.map_or(T::one(), |weights| weights[class])
    }

    /// The target of a class for an image with this label, without its weight.
    fn of(&self, label: usize, class: usize) -> T {
        let onehot = if class == label { T::one() } else { T::zero() };
        onehot * (T::one() - self.smoothing) + self.smoothing / self.classes
    }
}

// Each of these returns an image's loss and writes its gradient, for the image's logits.

/// Negative log-likelihood of log-softmax. Replaces the logits by log-probabilities.
fn nll<T: Real>(targets: &Targets<T>, label: usize, log_probs: &mut [T], dlogits: &mut [T]) -> T {
    image(log_probs);
    let weighted = |class| targets.weight(class) * targets.of(label, class);
    // Without weights the targets add up to 1.
    let total = targets.weights.map_or(T::one(), |weights| (0..weights.len()).map(weighted).sum());
    for (class, (log_prob, dlogit)) in log_probs.iter().zip(dlogits).enumerate() {
        *dlogit = (Real::exp(*log_prob) * total - weighted(class)) * targets.scale;
    }
    let loss = -log_probs[label];
    if targets.smoothing == T::zero() {
        return targets.weight(label) * loss;
    }
    if targets.weights.is_some() {
        return -log_probs.iter().enumerate().map(|(class, &log_prob)| weighted(class) * log_prob).sum::<T>();
    }
    let mean = log_probs.iter().copied().sum::<T>() / targets.classes;
    loss + targets.smoothing * (log_probs[label] - mean)
}

/// Squared distance of the logits from their target. With [`Reduction::Mean`] it is divided by the number of classes,
/// as in PyTorch's `MSELoss`. The weight of the label multiplies it.
fn mse<T: Real>(
    targets: &Targets<T>,
    reduction: Reduction,
    label: usize,
    logits: &[T],
    dlogits: &mut [T],
) -> T {
    let terms = match reduction {
        Reduction::Mean => targets.classes,
        Reduction::Sum => T::one(),
    };
    let weight = targets.weight(label);
    let mut sum = T::zero();
    for (class, (&logit, dlogit)) in logits.iter().zip(dlogits).enumerate() {
        let difference = logit - targets.of(label, class);
        sum += difference * difference;
        *dlogit = T::of(2.0) * difference / terms * targets.scale * weight;
    }
    sum / terms * weight
}

/// Negative likelihood of the raw logits, without log-softmax. This loss has no lower bound: without batch
/// normalisation nothing is learned, as the paper reports for its first attempts.
fn raw_nll<T: Real>(targets: &Targets<T>, label: usize, logits: &[T], dlogits: &mut [T]) -> T {
    let mut sum = T::zero();
    for (class, (&logit, dlogit)) in logits.iter().zip(dlogits).enumerate() {
        let target = targets.weight(class) * targets.of(label, class);
        sum -= target * logit;
        *dlogit = -target * targets.scale;
    }
    sum
}
