//! Max-pooling, forward.
//!
//! `y[c, r, q] = max over u, v < w of x[c, r·s + u, q·s + v]`; windows overlap where s < w, and rows and
//! columns that no window reaches are ignored. The first maximum in row-major order wins and its place
//! is kept for the way back. A NaN wins over every number (the last one of several, as in PyTorch), so
//! that pooling hides none.
//!
//! Shapes, an image: x `[C, H, W]` → y and argmax `[C, ⌊(H − w)/s⌋ + 1, ⌊(W − w)/s⌋ + 1]`.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Real;
use super::blocks::{for_each_part, part_len, starts};

const COLUMNS: usize = 5;
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
    let maxima = y.par_chunks_mut(part * shape.out_len()).zip(argmax.par_chunks_mut(part * shape.out_len()));
    for_each_part(x.par_chunks(part * shape.in_len()).zip(maxima), |(x, (y, argmax))| {
        let planes = x.chunks_exact(shape.height * shape.width);
        let out = y.chunks_exact_mut(out_plane).zip(argmax.chunks_exact_mut(out_plane));
        for (x, (y, argmax)) in planes.zip(out) {
            plane(shape, x, y, argmax);
        }
    });
}

/// One plane, H×W → H'×W'.
#[multiversion(targets("x86_64+avx2"))]
fn plane<T: Real>(shape: &PoolShape, x: &[T], y: &mut [T], argmax: &mut [u32]) {
    let rows = y.chunks_exact_mut(shape.out_width()).zip(argmax.chunks_exact_mut(shape.out_width()));
    for (r, (y, argmax)) in rows.enumerate() {
        let first = r * shape.stride * shape.width;
        // A stride known when compiling saves the multiplications by it, in the loop that counts.
        match (shape.out_width() >= COLUMNS, shape.stride) {
            (true, 2) => row::<T, COLUMNS>(shape, 2, x, first, y, argmax),
            (true, stride) => row::<T, COLUMNS>(shape, stride, x, first, y, argmax),
            (false, stride) => row::<T, 1>(shape, stride, x, first, y, argmax),
        }
    }
}

/// One row of windows, the first of which has its corner at `first`; [`COLUMNS`] neighbours are looked
/// through together.
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
        let mut place: [u32; COLUMNS] = std::array::from_fn(|q| (corner + q * stride) as u32);
        for u in 0..shape.window {
            for v in 0..shape.window {
                let start = corner + u * shape.width + v;
                let x = &x[start..][..(COLUMNS - 1) * stride + 1];
                for q in 0..COLUMNS {
                    let value = x[q * stride];
                    let better = wins(value, best[q]);
                    best[q] = if better { value } else { best[q] };
                    place[q] = if better { (start + q * stride) as u32 } else { place[q] };
                }
            }
        }
        y[column..][..COLUMNS].copy_from_slice(&best);
        argmax[column..][..COLUMNS].copy_from_slice(&place);
    }
}

/// Whether a value takes the place of the best one before it. `|` does not branch.
#[inline(always)]
pub(super) fn wins<T: Real>(value: T, best: T) -> bool {
    (value > best) | value.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_anywhere_in_its_window_is_the_maximum() {
        for window in [2, 3] {
            // One window, and as many as are looked through together.
            for columns in [1, COLUMNS] {
                let shape = PoolShape {
                    channels: 1,
                    height: window,
                    width: columns * window,
                    window,
                    stride: window,
                };
                for place in 0..shape.in_len() {
                    let mut x: Vec<f32> = (0..shape.in_len()).map(|i| i as f32).collect();
                    x[place] = f32::NAN;
                    let (mut y, mut argmax) = (vec![0.0; columns], vec![0; columns]);
                    max_pool(&shape, &x, &mut y, &mut argmax);
                    for (q, (y, argmax)) in y.iter().zip(argmax).enumerate() {
                        let hit = q == place % shape.width / window;
                        assert_eq!(
                            (y.is_nan(), argmax as usize == place),
                            (hit, hit),
                            "window {q}, NaN at {place}"
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
