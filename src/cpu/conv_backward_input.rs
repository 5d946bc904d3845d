//! The gradient of a convolution's input: the paper's second proof, as code.
//!
//! dL/dX is the full convolution of dL/dY with the filter rotated by 180°, summed over filters:
//! `dx[c, i, j] = Σ_k Σ_u Σ_v w[k, c, f−1−u, f−1−v] · dy'[k, i + u, j + v]`, where dy' is dL/dY padded by
//! f − 1 zeros on each side. For a stride s and a padding p, dL/dY is first dilated by s − 1 zeros and
//! then padded by f − 1 − p (cropped where that is negative); rows of the input that no window reached
//! get 0. So it is the forward convolution's own loop, over another map and with other weights. (The
//! paper's listing pads by (f − 1)/2 and keeps the last filter's part alone.)
//!
//! Shapes, an image: dy `[F, H', W']`, w `[F, C, f, f]` → dx `[C, H, W]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::{PARTS, Scratch, part_len};
use super::correlate::{Correlation, correlate};
use super::stage::Stage;
use crate::model::{Activation, ConvShape};

/// dL/dX of a batch: dy `[B, F, H', W']` → dx `[B, C, H, W]`. `dy` is the gradient before the
/// activation, that is, already masked.
///
/// # Panics
/// Where a slice's length is not its shape's.
pub fn conv_backward_input<T: Real>(shape: &ConvShape, weight: &[T], dy: &[T], dx: &mut [T]) {
    conv_backward_input_in(&mut Scratch::default(), shape, weight, dy, dx);
}

/// [`conv_backward_input`] with memory to work in.
pub(super) fn conv_backward_input_in<T: Real>(
    scratch: &mut Scratch<T>,
    shape: &ConvShape,
    weight: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let batch = dx.len() / shape.in_len();
    assert_eq!(dx.len(), batch * shape.in_len(), "dx is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [filters, channels, size, size]");

    let stage = Stage::of_output_gradient(shape);
    let correlation = Correlation::over(&stage, shape.channels, shape.size, 1);
    let maps_len = stage.len() + correlation.vectors_len();
    let (packed, maps) = scratch.pieces(correlation.packed_len(), PARTS * maps_len);
    let area = shape.size * shape.size;
    // A filter rotated by 180° is the filter read backwards.
    correlation.pack(packed, |c, f, k| weight[(f * shape.channels + c) * area + area - 1 - k]);

    let part = part_len(batch);
    dy.par_chunks(part * shape.out_len())
        .zip(dx.par_chunks_mut(part * shape.in_len()))
        .zip(maps.par_chunks_mut(maps_len))
        .for_each(|((dy, dx), maps)| {
            let (staged, vectors) = maps.split_at_mut(stage.len());
            staged.fill(T::zero());
            for (dy, dx) in dy.chunks_exact(shape.out_len()).zip(dx.chunks_exact_mut(shape.in_len())) {
                stage.place(dy, staged);
                correlate(&correlation, Activation::Identity, staged, packed, &[], vectors, dx);
            }
        });
}
