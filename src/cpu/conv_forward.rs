//! The convolution, forward.
//!
//! `y[f, r, q] = act(b[f] + Σ_c Σ_u Σ_v w[f, c, u, v] · x[c, r·s + u − p, q·s + v − p])`, with x = 0
//! beyond its edges: the paper's formula, a cross-correlation. The bias is added once, not once for each
//! input channel as in the paper's listing.
//!
//! Shapes, an image: x `[C, H, W]`, w `[F, C, f, f]`, b `[F]`, y `[F, ⌊(H + 2p − f)/s⌋ + 1, ⌊(W + 2p − f)/s⌋ + 1]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::{PARTS, Scratch, part_len};
use super::correlate::{Correlation, correlate};
use super::stage::Stage;
use crate::model::{Activation, ConvShape};

/// y = act(x ∗ weight + bias) for a batch: x `[B, C, H, W]` → y `[B, F, H', W']`.
///
/// # Panics
/// Where a slice's length is not its shape's.
pub fn conv_forward<T: Real>(
    shape: &ConvShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    conv_forward_in(&mut Scratch::default(), shape, activation, x, weight, bias, y);
}

/// [`conv_forward`] with memory to work in.
pub(super) fn conv_forward_in<T: Real>(
    scratch: &mut Scratch<T>,
    shape: &ConvShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * shape.out_len(), "y is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [filters, channels, size, size]");
    assert_eq!(bias.len(), shape.filters, "the bias is not [filters]");

    let stage = Stage::of_input(shape);
    let correlation = Correlation::over(&stage, shape.filters, shape.size, shape.stride);
    let maps_len = stage.len() + correlation.vectors_len();
    let (packed, maps) = scratch.pieces(correlation.packed_len(), PARTS * maps_len);
    let area = shape.size * shape.size;
    correlation.pack(packed, |f, c, k| weight[(f * shape.channels + c) * area + k]);

    let part = part_len(batch);
    x.par_chunks(part * shape.in_len())
        .zip(y.par_chunks_mut(part * shape.out_len()))
        .zip(maps.par_chunks_mut(maps_len))
        .for_each(|((x, y), maps)| {
            let (staged, vectors) = maps.split_at_mut(stage.len());
            staged.fill(T::zero());
            for (x, y) in x.chunks_exact(shape.in_len()).zip(y.chunks_exact_mut(shape.out_len())) {
                stage.place(x, staged);
                correlate(&correlation, activation, staged, packed, bias, vectors, y);
            }
        });
}
