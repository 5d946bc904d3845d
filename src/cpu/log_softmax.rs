//! Log-softmax over a layer's outputs.
//!
//! `y[o] = z[o] − max z − ln Σ exp(z − max z)`. Subtracting the maximum keeps exponentials from overflowing. (The
//! paper's listing computes `z[o] − ln Σ exp(z − max z)`, which is not normalised.)
//!
//! Shapes per image: z and y `[O]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::chunk_len;

/// Replaces z by y for a batch `[B, O]`.
///
/// # Panics
/// If the length is not a multiple of `outputs`.
pub fn log_softmax<T: Real>(outputs: usize, values: &mut [T]) {
    let batch = values.len() / outputs;
    assert_eq!(values.len(), batch * outputs, "values is not [batch, outputs]");

    values.par_chunks_mut(chunk_len(batch) * outputs).for_each(|values| {
        for values in values.chunks_exact_mut(outputs) {
            image(values);
        }
    });
}

/// One image: replaces logits by log-probabilities.
pub(super) fn image<T: Real>(values: &mut [T]) {
    let max = values[largest(values)];
    let log_sum = Real::ln(values.iter().map(|&z| Real::exp(z - max)).sum::<T>());
    for value in values {
        *value = *value - max - log_sum;
    }
}

/// Index of the largest value, the first one if several are equal.
pub(super) fn largest<T: Real>(values: &[T]) -> usize {
    let mut largest = 0;
    for (index, &value) in values.iter().enumerate() {
        if value > values[largest] {
            largest = index;
        }
    }
    largest
}
