//! Maps laid out in zeros, so that a filter may slide over them without asking where they end.
//!
//! A convolution's input is padded by p. The gradient of its output is dilated by s − 1 zeros and
//! padded by f − 1 − p (cropped where that is negative) before the filter slides back over it.

use std::ops::Range;

use super::Real;
use crate::model::ConvShape;

/// Where the values of `planes` maps go: (row, column) → (row·dilation + offset, column·dilation +
/// offset) of a larger map of zeros, and nowhere if that lies outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    planes: usize,
    height: usize,
    width: usize,
    dilation: usize,
    offset: isize,
    staged_height: usize,
    staged_width: usize,
}

impl Stage {
    /// The input of a convolution, padded.
    pub(super) fn of_input(shape: &ConvShape) -> Self {
        Self {
            planes: shape.channels,
            height: shape.height,
            width: shape.width,
            dilation: 1,
            offset: shape.padding as isize,
            staged_height: shape.height + 2 * shape.padding,
            staged_width: shape.width + 2 * shape.padding,
        }
    }

    /// The gradient of a convolution's output, dilated and padded so that a filter sliding over it
    /// with stride 1 gives a map of the input's size.
    pub(super) fn of_output_gradient(shape: &ConvShape) -> Self {
        Self {
            planes: shape.filters,
            height: shape.out_height(),
            width: shape.out_width(),
            dilation: shape.stride,
            offset: shape.size as isize - 1 - shape.padding as isize,
            staged_height: shape.height + shape.size - 1,
            staged_width: shape.width + shape.size - 1,
        }
    }

    pub(super) fn staged_height(&self) -> usize {
        self.staged_height
    }

    pub(super) fn staged_width(&self) -> usize {
        self.staged_width
    }

    pub(super) fn planes(&self) -> usize {
        self.planes
    }

    /// The staged rows from the first to the last that hold values; all others are zeros.
    pub(super) fn filled_rows(&self) -> Range<usize> {
        let rows = self.placed(self.height, self.staged_height);
        if rows.is_empty() { 0..0 } else { self.goes_to(rows.start)..self.goes_to(rows.end - 1) + 1 }
    }

    /// Values of one image's staged maps.
    pub(super) fn len(&self) -> usize {
        self.planes * self.staged_height * self.staged_width
    }

    /// Writes one image's maps over `staged`, which is 0 wherever no value goes.
    #[inline(always)]
    pub(super) fn place<T: Real>(&self, maps: &[T], staged: &mut [T]) {
        let columns = self.placed(self.width, self.staged_width);
        let planes = maps.chunks_exact(self.height * self.width);
        for (map, staged) in planes.zip(staged.chunks_exact_mut(self.staged_height * self.staged_width)) {
            for row in self.placed(self.height, self.staged_height) {
                let map = &map[row * self.width..][..self.width];
                let staged = &mut staged[self.goes_to(row) * self.staged_width..][..self.staged_width];
                for column in columns.clone() {
                    staged[self.goes_to(column)] = map[column];
                }
            }
        }
    }

    /// Where row or column `index` goes; meaningful for those that [`Self::placed`] gives.
    #[inline(always)]
    fn goes_to(&self, index: usize) -> usize {
        (index * self.dilation).wrapping_add_signed(self.offset)
    }

    /// The rows or columns, of `count`, that fall within `staged` ones.
    #[inline(always)]
    fn placed(&self, count: usize, staged: usize) -> Range<usize> {
        let first = self.offset.min(0).unsigned_abs().div_ceil(self.dilation);
        let end = (staged as isize - self.offset).max(0).unsigned_abs().div_ceil(self.dilation).min(count);
        first.min(end)..end
    }
}
