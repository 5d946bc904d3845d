//! The shapes of single layers. Every map is NCHW and row-major; one image's part is C×H×W.

/// A convolution: x `[channels, height, width]` → y `[filters, out_height, out_width]` with a weight
/// of shape `[filters, channels, size, size]`. It is a cross-correlation, as in the paper's formula
/// and in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub filters: usize,
    /// Side of the square filter.
    pub size: usize,
    pub stride: usize,
    /// Zeros added on each side of the input.
    pub padding: usize,
}

impl ConvShape {
    #[inline]
    pub const fn out_height(&self) -> usize {
        out_side(self.height, self.size, self.stride, self.padding)
    }

    #[inline]
    pub const fn out_width(&self) -> usize {
        out_side(self.width, self.size, self.stride, self.padding)
    }

    /// Values of one image's input.
    pub const fn in_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Values of one image's output.
    pub const fn out_len(&self) -> usize {
        self.filters * self.out_height() * self.out_width()
    }

    pub const fn weight_len(&self) -> usize {
        self.filters * self.channels * self.size * self.size
    }
}

/// A max-pool over square windows: x `[channels, height, width]` → y `[channels, out_height, out_width]`.
/// Windows may overlap (`stride < window`); rows and columns that no window reaches are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub window: usize,
    pub stride: usize,
}

impl PoolShape {
    #[inline]
    pub const fn out_height(&self) -> usize {
        out_side(self.height, self.window, self.stride, 0)
    }

    #[inline]
    pub const fn out_width(&self) -> usize {
        out_side(self.width, self.window, self.stride, 0)
    }

    /// Values of one image's input.
    pub const fn in_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Values of one image's output.
    pub const fn out_len(&self) -> usize {
        self.channels * self.out_height() * self.out_width()
    }
}

/// A fully connected layer: x `[inputs]` → y `[outputs]` with a weight of shape `[outputs, inputs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseShape {
    pub inputs: usize,
    pub outputs: usize,
}

impl DenseShape {
    pub const fn weight_len(&self) -> usize {
        self.inputs * self.outputs
    }
}

/// A batch normalisation: x `[channels, positions]` → y of the same shape, each channel by statistics
/// over the batch and its positions. A dense layer's output is a channel of one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormShape {
    pub channels: usize,
    /// Values of one image's channel.
    pub positions: usize,
}

impl NormShape {
    /// ε, added to the variance under the root; PyTorch's.
    pub const EPS: f64 = 1e-5;

    /// What a batch's statistics count in the running ones; PyTorch's.
    pub const MOMENTUM: f64 = 0.1;

    /// Values of one image's input, and of its output.
    pub const fn image_len(&self) -> usize {
        self.channels * self.positions
    }
}

/// ⌊(n + 2p − f)/s⌋ + 1, the side of what a window of side f visits.
///
/// # Panics
/// Where the window is larger than the padded input or the stride is 0: such a layer does not exist.
#[inline]
const fn out_side(n: usize, f: usize, s: usize, p: usize) -> usize {
    assert!(s > 0 && f > 0 && f <= n + 2 * p, "the window must fit into its padded input");
    (n + 2 * p - f) / s + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strided_and_padded_convolution_has_the_side_that_the_formula_gives() {
        let shape =
            ConvShape { channels: 1, height: 7, width: 8, filters: 1, size: 3, stride: 2, padding: 1 };
        assert_eq!((shape.out_height(), shape.out_width()), (4, 4));
    }

    #[test]
    fn overlapping_pools_leave_out_what_no_window_reaches() {
        let shape = PoolShape { channels: 2, height: 8, width: 7, window: 3, stride: 2 };
        assert_eq!((shape.out_height(), shape.out_width(), shape.out_len()), (3, 3, 18));
    }
}
