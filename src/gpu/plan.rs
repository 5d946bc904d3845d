//! The kernel plan: how much of a kernel's output one invocation keeps in registers, and how many
//! invocations make a workgroup. A plan is data: it is chosen by the class of device before a run,
//! written into the run's configuration, and never by timing during a run, since another order of
//! summation gives other bits.

use serde::{Deserialize, Serialize};

use super::adapter::Description;

/// Block sizes of the layered kernels. A block is evened out to the shape it cuts, so these are upper
/// bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelPlan {
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// Filters (channels, backward) of a convolution's block.
    pub conv_filters: usize,
    /// Columns of a convolution's block.
    pub conv_columns: usize,
    /// Filters of a block of a convolution's weight, backward.
    pub weight_filters: usize,
    /// Filter rows of such a block.
    pub weight_rows: usize,
    /// Columns that such a block goes by.
    pub weight_columns: usize,
    /// Chunks that a batch is dealt out to for the gradient of a convolution's weight.
    pub weight_chunks: usize,
    /// Images, or outputs in the weight's gradient, of a dense layer's block.
    pub dense_rows: usize,
    /// Outputs, or inputs backward, of a dense layer's block.
    pub dense_columns: usize,
}

impl KernelPlan {
    /// The plan for a class of device.
    pub fn of(device: &Description) -> Self {
        if device.is_software() { Self::SOFTWARE } else { Self::HARDWARE }
    }

    /// The same plan for a kernel whose workgroup has all of a tensor, or of a channel of a batch, to add up:
    /// one as large as any device allows, and a power of two.
    pub fn summing(&self) -> Self {
        Self { workgroup: 256, ..*self }
    }

    /// For real GPUs: thousands of invocations must be busy at once, so blocks are small and a batch
    /// is cut into many partial sums.
    pub const HARDWARE: Self = Self {
        workgroup: 64,
        conv_filters: 4,
        conv_columns: 7,
        weight_filters: 4,
        weight_rows: 1,
        weight_columns: 7,
        weight_chunks: 64,
        dense_rows: 4,
        dense_columns: 4,
    };

    /// For software adapters, which run eight lanes on each core and for which a load costs as much as
    /// dozens of FMAs: blocks as large as compile in reasonable time, and few partial sums.
    pub const SOFTWARE: Self = Self {
        workgroup: 32,
        conv_filters: 8,
        conv_columns: 14,
        weight_filters: 4,
        weight_rows: 5,
        weight_columns: 5,
        weight_chunks: 16,
        dense_rows: 4,
        dense_columns: 8,
    };
}

/// The size of equal blocks, of at most `most`, that cut `total` with the least waste.
pub const fn even_block(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_evened_out_to_what_they_cut() {
        for (total, most, block) in [(28, 14, 14), (28, 16, 14), (10, 14, 10), (16, 8, 8), (6, 4, 3)] {
            assert_eq!(even_block(total, most), block);
        }
    }
}
