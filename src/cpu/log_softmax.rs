//! Log-softmax over a layer's outputs, as an activation.
//!
//! `y[o] = z[o] − max z − ln Σ exp(z − max z)`: with the maximum taken out no exponential overflows, and the
//! result is normalised (the paper's listing forgets to subtract the maximum again).
//!
//! Shapes, an image: z and y `[O]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::part_len;

/// Replaces z by y, for a batch: `[B, O]`.
///
/// # Panics
/// Where the length is no multiple of `outputs`.
pub fn log_softmax<T: Real>(outputs: usize, values: &mut [T]) {
    let batch = values.len() / outputs;
    assert_eq!(values.len(), batch * outputs, "values is not [batch, outputs]");

    values.par_chunks_mut(part_len(batch) * outputs).for_each(|values| {
        for values in values.chunks_exact_mut(outputs) {
            image(values);
        }
    });
}

/// One image: logits become log-probabilities.
pub(super) fn image<T: Real>(values: &mut [T]) {
    let max = values[largest(values)];
    let log_sum = values.iter().map(|&z| (z - max).exp()).sum::<T>().ln();
    for value in values {
        *value = *value - max - log_sum;
    }
}

/// Place of the largest value, the first one of equals.
pub(super) fn largest<T: Real>(values: &[T]) -> usize {
    let mut largest = 0;
    for (place, &value) in values.iter().enumerate() {
        if value > values[largest] {
            largest = place;
        }
    }
    largest
}
