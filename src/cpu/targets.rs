//! What a loss wants of a batch's outputs, and the loop that the losses share.

use rayon::prelude::*;

use super::Real;
use super::blocks::{for_each_part, part_len};
use super::dense_forward::dense_forward;
use super::log_softmax::largest;
use crate::model::{Activation, DenseShape};

/// What a loss wants of the outputs of each image of a batch, and what a loss counts.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a, T> {
    /// The class of each image.
    pub labels: &'a [u32],
    /// ε: the target is (1 − ε)·onehot + ε/K.
    pub smoothing: T,
    /// What the gradient of an image's loss is multiplied by: 1/B for the mean over a batch of B.
    pub scale: T,
}

impl<T: Real> Targets<'_, T> {
    /// The target of one class of `classes`, for an image with this label.
    pub(super) fn of(&self, label: usize, class: usize, classes: usize) -> T {
        let onehot = if class == label { T::one() } else { T::zero() };
        onehot * (T::one() - self.smoothing) + self.smoothing / T::of(classes as f64)
    }

    /// What a last layer and its loss make of a batch: its outputs are the logits, of which `loss` sees one
    /// image's at a time, with its label. It leaves the gradient beside them and gives the loss.
    ///
    /// # Panics
    /// Where a slice's length is not its shape's.
    // One fused layer with everything that it tells.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn last_layer(
        &self,
        shape: &DenseShape,
        x: &[T],
        weight: &[T],
        bias: &[T],
        outputs: &mut [T],
        dlogits: &mut [T],
        losses: &mut [T],
        predicted: &mut [u32],
        loss: impl Fn(usize, &mut [T], &mut [T]) -> T + Sync,
    ) {
        let batch = self.labels.len();
        assert_eq!(dlogits.len(), batch * shape.outputs, "dlogits is not [batch, outputs]");
        assert_eq!(losses.len(), batch, "losses is not [batch]");
        assert_eq!(predicted.len(), batch, "predicted is not [batch]");

        dense_forward(shape, Activation::Identity, x, weight, bias, outputs);
        let part = part_len(batch);
        let rows =
            outputs.par_chunks_mut(part * shape.outputs).zip(dlogits.par_chunks_mut(part * shape.outputs));
        let outcomes = losses.par_chunks_mut(part).zip(predicted.par_chunks_mut(part));
        let parts = rows.zip(self.labels.par_chunks(part)).zip(outcomes);
        for_each_part(parts, |(((outputs, dlogits), labels), (losses, predicted))| {
            let rows = outputs.chunks_exact_mut(shape.outputs).zip(dlogits.chunks_exact_mut(shape.outputs));
            let outcomes = labels.iter().zip(losses).zip(predicted);
            for ((outputs, dlogits), ((&label, told), predicted)) in rows.zip(outcomes) {
                *predicted = largest(outputs) as u32;
                *told = loss(label as usize, outputs, dlogits);
            }
        });
    }
}
