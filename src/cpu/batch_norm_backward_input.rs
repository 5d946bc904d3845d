//! Gradient of batch normalisation's input (Ioffe and Szegedy, 2015, section 3), which includes the effect of x on
//! its channel's mean and variance.
//!
//! `dx = weight[c] / √(variance[c] + ε) · (dy − (dbias[c] + x̂ · dweight[c]) / n)`, where n = B·P and
//! `x̂ = (x − mean[c]) / √(variance[c] + ε)` is the normalised input. dweight and dbias are the gradients of the weight
//! and the bias, which happen to be the sums that the formula needs. The result is then multiplied by the derivative
//! of the activation that x is the output of.
//!
//! Shapes: x, dy and dx `[B, C, P]`, all others `[C]`.

use rayon::prelude::*;

use super::activation::backward_through;
use super::blocks::chunk_len;
use super::{Real, Statistics};
use crate::model::{Activation, NormShape};

/// Computes the gradient at the input of `activation`, whose output x was normalised: x and dy `[B, C, P]`, weight,
/// dweight and dbias `[C]` → dx `[B, C, P]`.
///
/// # Panics
/// If a slice does not have the length of its shape.
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
    let chunk = chunk_len(batch) * shape.image_len();
    x.par_chunks(chunk).zip(dy.par_chunks(chunk)).zip(dx.par_chunks_mut(chunk)).for_each(|((x, dy), dx)| {
        let channels = (0..shape.channels).cycle();
        let gradients = dy.chunks_exact(shape.positions).zip(dx.chunks_exact_mut(shape.positions));
        for (c, (x, (dy, dx))) in channels.zip(x.chunks_exact(shape.positions).zip(gradients)) {
            let (mean, scale, weight) = (statistics.mean[c], scales[c], weight[c]);
            let (dweight, dbias) = (dweight[c], dbias[c]);
            for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
                *dx = weight * scale * (dy - (dbias + (x - mean) * scale * dweight) / n);
            }
        }
        backward_through(activation, x, dx);
    });
}
