//! The gradients of batch normalisation's weight and bias.
//!
//! `dweight[c] = Σ_b Σ_i dy[b, c, i] · x̂[b, c, i]` and `dbias[c] = Σ_b Σ_i dy[b, c, i]`, where
//! x̂ = (x − mean)/√(variance + ε) is what was normalised.
//!
//! Shapes: x and dy `[B, C, P]`, statistics `[C]` → dweight and dbias `[C]`.

use super::channel_sums::{channel_sums, sum};
use super::{Real, Statistics};
use crate::model::NormShape;

/// dL/dweight and dL/dbias `[C]` of a batch: x and dy `[B, C, P]`, and the statistics it was normalised by.
///
/// # Panics
/// Where a slice's length is not its shape's.
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
