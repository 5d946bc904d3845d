//! Max-pooling, forward.
//!
//! y[c, r, q] = max over u, v < w of x[c, r·s + u, q·s + v]; windows overlap where s < w, and rows and
//! columns that no window reaches are ignored. The first maximum in row-major order wins and its place
//! is kept for the way back. A NaN wins over every number (the last one of several, as in PyTorch), so
//! that pooling hides none.
//!
//! Shapes, an image: x `[C, H, W]` → y and argmax `[C, ⌊(H − w)/s⌋ + 1, ⌊(W − w)/s⌋ + 1]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::part_len;
use crate::model::PoolShape;

/// Maxima of a batch and where they were: x `[B, C, H, W]` → y, argmax `[B, C, H', W']`. An argmax is
/// row · W + column within the input's plane.
///
/// # Panics
/// Where a slice's length is not its shape's.
pub fn max_pool<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * shape.out_len(), "y is not [batch, channels, out_height, out_width]");
    assert_eq!(argmax.len(), y.len(), "argmax is not [batch, channels, out_height, out_width]");

    let part = part_len(batch);
    let out_plane = shape.out_height() * shape.out_width();
    x.par_chunks(part * shape.in_len())
        .zip(y.par_chunks_mut(part * shape.out_len()))
        .zip(argmax.par_chunks_mut(part * shape.out_len()))
        .for_each(|((x, y), argmax)| {
            let planes = x.chunks_exact(shape.height * shape.width);
            let out = y.chunks_exact_mut(out_plane).zip(argmax.chunks_exact_mut(out_plane));
            for (x, (y, argmax)) in planes.zip(out) {
                plane(shape, x, y, argmax);
            }
        });
}

/// One plane, H×W → H'×W'.
fn plane<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let rows = y.chunks_exact_mut(shape.out_width()).zip(argmax.chunks_exact_mut(shape.out_width()));
    for (r, (y, argmax)) in rows.enumerate() {
        for (q, (y, argmax)) in y.iter_mut().zip(argmax).enumerate() {
            let corner = r * shape.stride * shape.width + q * shape.stride;
            let mut best = x[corner];
            let mut place = corner;
            for u in 0..shape.window {
                let first = corner + u * shape.width;
                for (v, &value) in x[first..first + shape.window].iter().enumerate() {
                    if value > best || value.is_nan() {
                        best = value;
                        place = first + v;
                    }
                }
            }
            *y = best;
            *argmax = place as u32;
        }
    }
}
