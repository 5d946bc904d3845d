//! Reading images of the data set as the network's input.

use super::{Kernel, WorkspaceOffset};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::shader::Variant;
use crate::model::lenet::IMAGE_SIDE;

/// `gather`: images of `channels` channels, through a view of each if `augmented`, written to `x`.
pub fn gather(channels: usize, augmented: bool, config: &KernelConfig, x: WorkspaceOffset) -> Kernel {
    let workgroup = config.elementwise_workgroup;
    let constants = vec![("CHANNELS", channels.into()), ("SIDE", IMAGE_SIDE.into()), ("X", x.into())];
    let values = channels * IMAGE_SIDE * IMAGE_SIDE;
    let grid = Grid::per_image(values, workgroup);
    let cost = BatchCost::per_image(read_cost(channels, augmented) + Cost::new(0, values));
    let label = if augmented { "gather, augmented" } else { "gather" };
    Kernel::new("gather", label, workgroup, grid, cost, constants).with(Variant::input(augmented))
}

/// The cost of reading an image as the network's input: each value is normalised by a multiply-add; a view
/// adds two sums of three terms and three interpolations. The stored image counts as if it filled the input.
pub(super) fn read_cost(channels: usize, augmented: bool) -> Cost {
    let values = channels * IMAGE_SIDE * IMAGE_SIDE;
    let flops = if augmented { 2 + 2 * 4 + 3 * 3 } else { 2 };
    // A stored value is a byte.
    Cost::new(flops * values, 0).plus_bytes(values as u64)
}
