//! Max-pooling, forward.
//!
//! `y[c, r, q] = max over u, v < w of x[c, r·s + u, q·s + v]`. Windows overlap if s < w; rows and columns that no
//! window covers are ignored. The first maximum in row-major order wins, and its position is kept for the backward
//! pass. A NaN wins over every number (the last one of several, as in PyTorch), so that pooling hides none.
//!
//! Shapes per image: x `[C, H, W]` → y and argmax `[C, ⌊(H − w)/s⌋ + 1, ⌊(W − w)/s⌋ + 1]`.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Real;
use super::array_view::{ArrayView, indices};
use super::blocks::{chunk_len, for_each_chunk, starts};
use crate::model::PoolShape;

/// Neighbouring windows that are searched together. LeNet-5's rows have 14 and 5 windows.
const COLUMNS: usize = 5;

/// Computes the maxima of a batch and their positions: x `[B, C, H, W]` → y, argmax `[B, C, H', W']`. An argmax is
/// row · W + column within the input plane.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn max_pool<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * shape.out_len(), "y is not [batch, channels, out_height, out_width]");
    assert_eq!(argmax.len(), y.len(), "argmax is not [batch, channels, out_height, out_width]");

    let chunk = chunk_len(batch);
    let out_plane = shape.out_height() * shape.out_width();
    let maxima =
        y.par_chunks_mut(chunk * shape.out_len()).zip(argmax.par_chunks_mut(chunk * shape.out_len()));
    for_each_chunk(x.par_chunks(chunk * shape.in_len()).zip(maxima), |(x, (y, argmax))| {
        let planes = x.chunks_exact(shape.height * shape.width);
        let out = y.chunks_exact_mut(out_plane).zip(argmax.chunks_exact_mut(out_plane));
        for (x, (y, argmax)) in planes.zip(out) {
            plane(shape, x, y, argmax);
        }
    });
}

/// The naive definition of [`max_pool()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let &PoolShape { channels, height, width, window, stride } = shape;
    let batch = x.len() / shape.in_len();
    let y_dims = [batch, channels, shape.out_height(), shape.out_width()];
    let x = ArrayView::new(x, [batch, channels, height, width]);
    let (mut y, mut argmax) = (ArrayView::new(y, y_dims), ArrayView::new(argmax, y_dims));
    for [b, c, r, q] in indices(y_dims) {
        let mut best = T::neg_infinity();
        let mut position = (r * stride * width + q * stride) as u32;
        for [u, v] in indices([window, window]) {
            let (i, j) = (r * stride + u, q * stride + v);
            if replaces(x[[b, c, i, j]], best) {
                best = x[[b, c, i, j]];
                position = (i * width + j) as u32;
            }
        }
        y[[b, c, r, q]] = best;
        argmax[[b, c, r, q]] = position;
    }
}

/// One plane: x `[H, W]` → y and argmax `[H', W']`.
#[multiversion(targets("x86_64+avx2"))]
fn plane<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let rows = y.chunks_exact_mut(shape.out_width()).zip(argmax.chunks_exact_mut(shape.out_width()));
    for (r, (y, argmax)) in rows.enumerate() {
        let first = r * shape.stride * shape.width;
        // With LeNet-5's stride as a constant the inner loop needs no multiplication.
        match (shape.out_width() >= COLUMNS, shape.stride) {
            (true, 2) => row::<T, COLUMNS>(shape, 2, x, first, y, argmax),
            (true, stride) => row::<T, COLUMNS>(shape, stride, x, first, y, argmax),
            (false, stride) => row::<T, 1>(shape, stride, x, first, y, argmax),
        }
    }
}

/// One row of windows, [`COLUMNS`] of them at a time. `first` is the index of the first window's corner.
#[inline(always)]
fn row<T: Real, const COLUMNS: usize>(
    shape: &PoolShape,
    stride: usize,
    x: &[T],
    first: usize,
    y: &mut [T],
    argmax: &mut [u32],
) {
    for column in starts(y.len(), COLUMNS) {
        let corner = first + column * stride;
        let mut best: [T; COLUMNS] = std::array::from_fn(|q| x[corner + q * stride]);
        let mut position: [u32; COLUMNS] = std::array::from_fn(|q| (corner + q * stride) as u32);
        for u in 0..shape.window {
            for v in 0..shape.window {
                let start = corner + u * shape.width + v;
                let x = &x[start..][..(COLUMNS - 1) * stride + 1];
                for q in 0..COLUMNS {
                    let value = x[q * stride];
                    let better = replaces(value, best[q]);
                    best[q] = if better { value } else { best[q] };
                    position[q] = if better { (start + q * stride) as u32 } else { position[q] };
                }
            }
        }
        y[column..][..COLUMNS].copy_from_slice(&best);
        argmax[column..][..COLUMNS].copy_from_slice(&position);
    }
}

/// Whether a value replaces the best one before it. `|` instead of `||` avoids a branch.
#[inline(always)]
pub(super) fn replaces<T: Real>(value: T, best: T) -> bool {
    (value > best) | value.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_anywhere_in_a_window_is_its_maximum() {
        for window in [2, 3] {
            // One window, and as many as are searched together.
            for columns in [1, COLUMNS] {
                let shape = PoolShape {
                    channels: 1,
                    height: window,
                    width: columns * window,
                    window,
                    stride: window,
                };
                for position in 0..shape.in_len() {
                    let mut x: Vec<f32> = (0..shape.in_len()).map(|i| i as f32).collect();
                    x[position] = f32::NAN;
                    let (mut y, mut argmax) = (vec![0.0; columns], vec![0; columns]);
                    max_pool(&shape, &x, &mut y, &mut argmax);
                    for (q, (y, argmax)) in y.iter().zip(argmax).enumerate() {
                        let hit = q == position % shape.width / window;
                        assert_eq!(
                            (y.is_nan(), argmax as usize == position),
                            (hit, hit),
                            "window {q}, NaN at {position}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_equal_maxima_wins() {
        let shape = PoolShape { channels: 1, height: 2, width: 4, window: 2, stride: 2 };
        let x = [0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        let (mut y, mut argmax) = ([0.0; 2], [9; 2]);
        max_pool(&shape, &x, &mut y, &mut argmax);
        assert_eq!((y, argmax), ([1.0, 0.0], [1, 2]));
    }
}
