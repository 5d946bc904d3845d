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
    /// Filters (or channels, backward) of a convolution's block.
    pub conv_filters: usize,
    /// Columns of a convolution's block.
    pub conv_columns: usize,
    /// Chunks that a batch is dealt out to for the gradient of a convolution's weight.
    pub conv_chunks: usize,
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

    /// For real GPUs: thousands of invocations must be busy at once, so blocks are small and a batch
    /// is cut into many partial sums.
    pub const HARDWARE: Self = Self {
        workgroup: 64,
        conv_filters: 4,
        conv_columns: 7,
        conv_chunks: 64,
        dense_rows: 4,
        dense_columns: 4,
    };

    /// For software adapters, which run eight lanes on each core and pay for every load: fewer partial
    /// sums, larger blocks. Blocks of 6 × 14 were tried for the convolutions: they take seconds to compile
    /// and no longer fit into a CPU's registers.
    pub const SOFTWARE: Self = Self { conv_chunks: 16, dense_rows: 8, ..Self::HARDWARE };
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
