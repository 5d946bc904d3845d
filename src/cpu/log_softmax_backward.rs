//! Gradient of log-softmax: `dz[o] = dy[o] − exp(y[o]) · Σ dy`.
//!
//! Shapes per image: y, dy and dz `[O]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::chunk_len;

/// Replaces dL/dy by dL/dz for a batch, given the outputs y: both `[B, O]`.
///
/// # Panics
/// If the lengths differ or are not a multiple of `outputs`.
pub fn log_softmax_backward<T: Real>(outputs: usize, y: &[T], gradient: &mut [T]) {
    let batch = y.len() / outputs;
    assert_eq!(y.len(), batch * outputs, "y is not [batch, outputs]");
    assert_eq!(gradient.len(), y.len(), "the gradient is not [batch, outputs]");

    let chunk = chunk_len(batch) * outputs;
    gradient.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).for_each(|(gradient, y)| {
        for (gradient, y) in gradient.chunks_exact_mut(outputs).zip(y.chunks_exact(outputs)) {
            let sum: T = gradient.iter().copied().sum();
            for (gradient, &y) in gradient.iter_mut().zip(y) {
                *gradient -= Real::exp(y) * sum;
            }
        }
    });
}
