//! A convolution's input laid out within its zeros, so that a filter may slide over it without asking
//! where it ends.

use super::Real;
use super::blocks::LANES;
use crate::model::ConvShape;

/// Maps `[C, H, W]` padded by p on each side: `[C, H + 2p, W + 2p]`, and room for a vector to be read at
/// the last place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'a> {
    shape: &'a ConvShape,
}

impl<'a> Stage<'a> {
    pub(super) fn new(shape: &'a ConvShape) -> Self {
        Self { shape }
    }

    pub(super) fn height(&self) -> usize {
        self.shape.height + 2 * self.shape.padding
    }

    pub(super) fn width(&self) -> usize {
        self.shape.width + 2 * self.shape.padding
    }

    /// Memory for one image, all 0.
    pub(super) fn empty<T: Real>(&self) -> Vec<T> {
        vec![T::zero(); self.shape.channels * self.height() * self.width() + LANES]
    }

    /// Writes one image's maps to their places, and leaves the zeros around them.
    pub(super) fn place<T: Real>(&self, maps: &[T], staged: &mut [T]) {
        let (shape, width) = (self.shape, self.width());
        if shape.padding == 0 {
            staged[..maps.len()].copy_from_slice(maps);
            return;
        }
        let planes = maps.chunks_exact(shape.height * shape.width);
        for (map, staged) in planes.zip(staged.chunks_exact_mut(self.height() * width)) {
            let rows = staged.chunks_exact_mut(width).skip(shape.padding);
            for (row, staged) in map.chunks_exact(shape.width).zip(rows) {
                staged[shape.padding..][..shape.width].copy_from_slice(row);
            }
        }
    }
}
