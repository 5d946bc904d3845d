//! Gradients of batch normalisation's weight and bias.
//!
//! `dweight[c] = Σ_b Σ_i dy[b, c, i] · x̂[b, c, i]` and `dbias[c] = Σ_b Σ_i dy[b, c, i]`, where
//! `x̂ = (x − mean[c]) / √(variance[c] + ε)` is the normalised input.
//!
//! Shapes: x and dy `[B, C, P]`, statistics `[C]` → dweight and dbias `[C]`.

use super::array_view::{ArrayView, indices};
use super::channel_sums::{channel_sums, sum};
use super::{Real, Statistics};
use crate::model::NormShape;

/// Computes dL/dweight and dL/dbias `[C]`: x and dy `[B, C, P]`, and the statistics used to normalise x.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn batch_norm_backward_weight<T: Real>(
    shape: &NormShape,
    x: &[T],
    statistics: &Statistics<T>,
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    assert_eq!(x.len(), batch * shape.image_len(), "x is not [batch, channels, positions]");
    assert_eq!(dy.len(), x.len(), "dy is not [batch, channels, positions]");

    let scales = statistics.inverse_deviations();
    channel_sums(shape, batch, dbias, |at, _| sum([&dy[at]], |[dy]| dy));
    channel_sums(shape, batch, dweight, |at, channel| {
        let (mean, scale) = (statistics.mean[channel], scales[channel]);
        sum([&x[at.clone()], &dy[at]], |[x, dy]| dy * ((x - mean) * scale))
    });
}

/// The naive definition of [`batch_norm_backward_weight()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(
    shape: &NormShape,
    x: &[T],
    statistics: &Statistics<T>,
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    let dims = [batch, shape.channels, shape.positions];
    let (x, dy) = (ArrayView::new(x, dims), ArrayView::new(dy, dims));
    for c in 0..shape.channels {
        let deviation = (statistics.variance[c] + T::of(NormShape::EPS)).sqrt();
        (dweight[c], dbias[c]) = (T::zero(), T::zero());
        for [b, i] in indices([batch, shape.positions]) {
            dweight[c] += dy[[b, c, i]] * (x[[b, c, i]] - statistics.mean[c]) / deviation;
            dbias[c] += dy[[b, c, i]];
        }
    }
}
