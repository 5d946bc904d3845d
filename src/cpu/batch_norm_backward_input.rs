//! The gradient of batch normalisation's input (Ioffe and Szegedy, 2015, section 3), which moves the mean
//! and the variance of its channel too.
//!
//! `dx = weight[c] / √(variance[c] + ε) · (dy − (dbias[c] + x̂ · dweight[c]) / n)`, where
//! x̂ = (x − mean)/√(variance + ε) is what was normalised, n = B·P, and dweight and dbias are the gradients of
//! the weight and the bias: the very sums that are needed. Then through the activation whose output is x.
//!
//! Shapes: x, dy and dx `[B, C, P]`, all others `[C]`.

use rayon::prelude::*;

use super::activation::through;
use super::blocks::part_len;
use super::{Real, Statistics};
use crate::model::{Activation, NormShape};

/// dL/d(input of `activation`) `[B, C, P]` of a batch, where x = activation(input) `[B, C, P]` is what was
/// normalised.
///
/// # Panics
/// Where a slice's length is not its shape's.
// The gradient of what three things made, by the gradients of two of them.
#[allow(clippy::too_many_arguments)]
pub fn batch_norm_backward_input<T: Real>(
    shape: &NormShape,
    activation: Activation,
    x: &[T],
    statistics: &Statistics<T>,
    weight: &[T],
    dweight: &[T],
    dbias: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    assert_eq!(x.len(), batch * shape.image_len(), "x is not [batch, channels, positions]");
    assert_eq!(dy.len(), x.len(), "dy is not [batch, channels, positions]");
    assert_eq!(dx.len(), x.len(), "dx is not [batch, channels, positions]");

    let scales = statistics.inverse_deviations();
    let n = T::of((batch * shape.positions) as f64);
    let part = part_len(batch) * shape.image_len();
    x.par_chunks(part).zip(dy.par_chunks(part)).zip(dx.par_chunks_mut(part)).for_each(|((x, dy), dx)| {
        let channels = (0..shape.channels).cycle();
        let gradients = dy.chunks_exact(shape.positions).zip(dx.chunks_exact_mut(shape.positions));
        for (c, (x, (dy, dx))) in channels.zip(x.chunks_exact(shape.positions).zip(gradients)) {
            let (mean, scale, weight) = (statistics.mean[c], scales[c], weight[c]);
            let (dweight, dbias) = (dweight[c], dbias[c]);
            for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
                *dx = weight * scale * (dy - (dbias + (x - mean) * scale * dweight) / n);
            }
        }
        through(activation, x, dx);
    });
}
