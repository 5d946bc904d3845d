//! A convolution's input with its zero padding in memory, so that the filter needs no bounds checks.

use super::Real;
use super::blocks::LANES;
use crate::model::ConvShape;

/// The layout of one padded image `[C, H + 2p, W + 2p]`, followed by room to read a whole vector at its last
/// element.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaddedLayout<'a> {
    shape: &'a ConvShape,
}

impl<'a> PaddedLayout<'a> {
    pub(super) fn new(shape: &'a ConvShape) -> Self {
        Self { shape }
    }

    pub(super) fn height(&self) -> usize {
        self.shape.height + 2 * self.shape.padding
    }

    pub(super) fn width(&self) -> usize {
        self.shape.width + 2 * self.shape.padding
    }

    /// A buffer of zeros for one image.
    pub(super) fn zeros<T: Real>(&self) -> Vec<T> {
        vec![T::zero(); self.shape.channels * self.height() * self.width() + LANES]
    }

    /// Copies one image `[C, H, W]` into a buffer made by [`Self::zeros`]; the padding is left as it is.
    pub(super) fn copy_image<T: Real>(&self, image: &[T], padded: &mut [T]) {
        let (shape, width) = (self.shape, self.width());
        if shape.padding == 0 {
            padded[..image.len()].copy_from_slice(image);
            return;
        }
        let planes = image.chunks_exact(shape.height * shape.width);
        for (plane, padded) in planes.zip(padded.chunks_exact_mut(self.height() * width)) {
            let rows = padded.chunks_exact_mut(width).skip(shape.padding);
            for (row, padded) in plane.chunks_exact(shape.width).zip(rows) {
                padded[shape.padding..][..shape.width].copy_from_slice(row);
            }
        }
    }
}
