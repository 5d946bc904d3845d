//! The non-zero gradients of an image's feature maps. After ReLU and a 2×2 max-pool at least three quarters are
//! 0, and those add nothing to any sum.

use super::Real;
use super::padded::PaddedLayout;
use crate::model::ConvShape;

/// One image's dL/dY `[F, H', W']` without its zeros: a list per filter, in the order of positions.
pub(super) struct SparseGradient<T> {
    /// The first index of each position's window in the padded input.
    windows: Vec<usize>,
    /// The most gradients that a filter may have.
    capacity: usize,
    /// `[F, capacity]`: first indices of the windows of the non-zero gradients.
    starts: Vec<usize>,
    /// `[F, capacity]`: the non-zero gradients.
    values: Vec<T>,
    /// `[F]`: how many elements of its list each filter uses.
    counts: Vec<usize>,
}

impl<T: Real> SparseGradient<T> {
    /// Empty lists with room for `capacity` gradients per filter.
    pub(super) fn new(shape: &ConvShape, layout: &PaddedLayout, capacity: usize) -> Self {
        let rows = 0..shape.out_height();
        let window = |r, q| (r * layout.width() + q) * shape.stride;
        Self {
            windows: rows.flat_map(|r| (0..shape.out_width()).map(move |q| window(r, q))).collect(),
            capacity,
            starts: vec![0; shape.filters * capacity],
            values: vec![T::zero(); shape.filters * capacity],
            counts: vec![0; shape.filters],
        }
    }

    /// Replaces the lists by the non-zero values of dy `[F, H', W']`.
    pub(super) fn set(&mut self, dy: &[T]) {
        let positions = self.windows.len();
        let lists =
            self.starts.chunks_exact_mut(self.capacity).zip(self.values.chunks_exact_mut(self.capacity));
        for ((dy, count), (starts, values)) in dy.chunks_exact(positions).zip(&mut self.counts).zip(lists) {
            *count = list_non_zero(starts, values, self.windows.iter().copied().zip(dy.iter().copied()));
        }
    }

    /// Replaces the lists by the gradient of feature maps that went through ReLU and a max-pool, given the
    /// pool's y, argmax and dy, each `[F, P]`.
    pub(super) fn set_pooled(&mut self, y: &[T], argmax: &[u32], dy: &[T]) {
        let pooled = y.len() / self.counts.len();
        let lists =
            self.starts.chunks_exact_mut(self.capacity).zip(self.values.chunks_exact_mut(self.capacity));
        let planes = y.chunks_exact(pooled).zip(argmax.chunks_exact(pooled).zip(dy.chunks_exact(pooled)));
        for (((y, (argmax, dy)), count), (starts, values)) in planes.zip(&mut self.counts).zip(lists) {
            // ReLU passes a gradient unless its output is exactly 0.
            let masked = y.iter().zip(dy).map(|(&y, &dy)| if y == T::zero() { T::zero() } else { dy });
            let windows = argmax.iter().map(|&position| self.windows[position as usize]);
            *count = list_non_zero(starts, values, windows.zip(masked));
        }
    }

    /// The window starts and the gradients of one filter.
    #[inline(always)]
    pub(super) fn of_filter(&self, f: usize) -> (&[usize], &[T]) {
        let list = f * self.capacity..f * self.capacity + self.counts[f];
        (&self.starts[list.clone()], &self.values[list])
    }
}

/// Lists the non-zero gradients and returns their number.
#[inline(always)]
fn list_non_zero<T: Real>(
    starts: &mut [usize],
    values: &mut [T],
    gradients: impl Iterator<Item = (usize, T)>,
) -> usize {
    let mut count = 0;
    for (start, value) in gradients {
        // Without a branch: the next gradient overwrites a zero.
        starts[count] = start;
        values[count] = value;
        count += usize::from(value != T::zero());
    }
    count
}
