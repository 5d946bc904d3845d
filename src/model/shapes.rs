//! The shapes of single layers. All tensors are NCHW and row-major; one image is C×H×W.

/// A convolution: x `[channels, height, width]` → y `[filters, out_height, out_width]` with a weight
/// of shape `[filters, channels, size, size]`. It is a cross-correlation, as in the paper's formula
/// and in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels.
    pub channels: usize,
    /// Input height.
    pub height: usize,
    /// Input width.
    pub width: usize,
    /// Filters: output channels.
    pub filters: usize,
    /// Side of the square filters.
    pub size: usize,
    /// Step of the filter in both directions.
    pub stride: usize,
    /// Zeros on each side of the input.
    pub padding: usize,
}

impl ConvShape {
    /// Returns the output height.
    ///
    /// # Panics
    /// If the window is larger than the padded input, or the stride is 0.
    #[inline]
    pub const fn out_height(&self) -> usize {
        out_side(self.height, self.size, self.stride, self.padding)
    }

    /// Returns the output width.
    ///
    /// # Panics
    /// As [`Self::out_height`].
    #[inline]
    pub const fn out_width(&self) -> usize {
        out_side(self.width, self.size, self.stride, self.padding)
    }

    /// Returns the number of values of one image's input.
    pub const fn in_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Returns the shape of one image's output: channels, height and width.
    pub const fn out_shape(&self) -> [usize; 3] {
        [self.filters, self.out_height(), self.out_width()]
    }

    /// Returns the number of values of one image's output.
    pub const fn out_len(&self) -> usize {
        self.filters * self.out_height() * self.out_width()
    }

    /// Returns the number of values of the weight.
    pub const fn weight_len(&self) -> usize {
        self.filters * self.channels * self.size * self.size
    }
}

/// A max-pool over square windows: x `[channels, height, width]` → y `[channels, out_height, out_width]`.
/// Windows may overlap (`stride < window`). Rows and columns that no window covers are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Channels of the input and the output.
    pub channels: usize,
    /// Input height.
    pub height: usize,
    /// Input width.
    pub width: usize,
    /// Side of the square window.
    pub window: usize,
    /// Step of the window in both directions.
    pub stride: usize,
}

impl PoolShape {
    /// Returns the output height.
    ///
    /// # Panics
    /// If the window is larger than the padded input, or the stride is 0.
    #[inline]
    pub const fn out_height(&self) -> usize {
        out_side(self.height, self.window, self.stride, 0)
    }

    /// Returns the output width.
    ///
    /// # Panics
    /// As [`Self::out_height`].
    #[inline]
    pub const fn out_width(&self) -> usize {
        out_side(self.width, self.window, self.stride, 0)
    }

    /// Returns the number of values of one image's input.
    pub const fn in_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Returns the shape of one image's output: channels, height and width.
    pub const fn out_shape(&self) -> [usize; 3] {
        [self.channels, self.out_height(), self.out_width()]
    }

    /// Returns the number of values of one image's output.
    pub const fn out_len(&self) -> usize {
        self.channels * self.out_height() * self.out_width()
    }
}

/// A fully connected layer: x `[inputs]` → y `[outputs]` with a weight of shape `[outputs, inputs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseShape {
    /// Inputs per image.
    pub inputs: usize,
    /// Outputs per image.
    pub outputs: usize,
}

impl DenseShape {
    /// Returns the number of values of the weight.
    pub const fn weight_len(&self) -> usize {
        self.inputs * self.outputs
    }
}

/// A batch normalisation: x `[channels, positions]` → y of the same shape. Each channel is normalised by its
/// statistics over the batch and all positions. Every output of a dense layer is a channel with one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormShape {
    /// Channels.
    pub channels: usize,
    /// Values per channel of one image.
    pub positions: usize,
}

impl NormShape {
    /// ε, added to the variance under the root; PyTorch's default.
    pub const EPS: f64 = 1e-5;

    /// The weight of a batch's statistics in the running statistics; PyTorch's default.
    pub const MOMENTUM: f64 = 0.1;

    /// Returns the number of values of one image's input, which is also that of its output.
    pub const fn image_len(&self) -> usize {
        self.channels * self.positions
    }
}

/// ⌊(n + 2p − f)/s⌋ + 1: the number of positions of a window of side f.
///
/// # Panics
/// If the window is larger than the padded input, or the stride is 0.
#[inline]
const fn out_side(n: usize, f: usize, s: usize, p: usize) -> usize {
    assert!(s > 0 && f > 0 && f <= n + 2 * p, "the window does not fit into the padded input");
    (n + 2 * p - f) / s + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stride_and_padding_determine_the_output_side() {
        let shape =
            ConvShape { channels: 1, height: 7, width: 8, filters: 1, size: 3, stride: 2, padding: 1 };
        assert_eq!((shape.out_height(), shape.out_width()), (4, 4));
    }

    #[test]
    fn pools_ignore_rows_and_columns_that_no_window_covers() {
        let shape = PoolShape { channels: 2, height: 8, width: 7, window: 3, stride: 2 };
        assert_eq!((shape.out_height(), shape.out_width(), shape.out_len()), (3, 3, 18));
    }
}
