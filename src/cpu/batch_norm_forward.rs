//! Batch normalisation, forward (Ioffe and Szegedy, 2015): scales each channel to mean 0 and variance 1, then applies
//! a trained weight and bias.
//!
//! `y[b, c, i] = (x[b, c, i] − mean[c]) / √(variance[c] + ε) · weight[c] + bias[c]`, with the batch's statistics in
//! training and the running statistics in evaluation. (The paper's listing normalises each position separately, has
//! no weight and bias, and uses the batch's statistics in evaluation too.)
//!
//! Shapes: x and y `[B, C, P]`; statistics, weight and bias `[C]`.

use rayon::prelude::*;

use super::blocks::chunk_len;
use super::{Real, Statistics};
use crate::model::NormShape;

/// Normalises a batch: x `[B, C, P]`, weight and bias `[C]` → y `[B, C, P]`.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn batch_norm_forward<T: Real>(
    shape: &NormShape,
    x: &[T],
    statistics: &Statistics<T>,
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    assert_eq!(x.len(), batch * shape.image_len(), "x is not [batch, channels, positions]");
    assert_eq!(y.len(), x.len(), "y is not [batch, channels, positions]");

    let scales = statistics.inverse_deviations();
    let chunk = chunk_len(batch) * shape.image_len();
    x.par_chunks(chunk).zip(y.par_chunks_mut(chunk)).for_each(|(x, y)| {
        let channels = (0..shape.channels).cycle();
        let planes = x.chunks_exact(shape.positions).zip(y.chunks_exact_mut(shape.positions));
        for (c, (x, y)) in channels.zip(planes) {
            let (mean, scale, weight, bias) = (statistics.mean[c], scales[c], weight[c], bias[c]);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * scale * weight + bias;
            }
        }
    });
}
