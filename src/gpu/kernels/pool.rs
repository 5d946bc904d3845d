//! Max-pools.

use super::{Constants, Kernel, WorkspaceOffset};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::shader::Variant;
use crate::model::{Activation, PoolShape};

/// The tensors of [`max_pool`].
#[derive(Debug, Clone, Copy)]
pub struct MaxPoolOffsets {
    pub x: WorkspaceOffset,
    pub y: WorkspaceOffset,
    pub argmax: WorkspaceOffset,
}

/// The tensors of [`max_pool_backward`].
#[derive(Debug, Clone, Copy)]
pub struct MaxPoolBackwardOffsets {
    pub dx: WorkspaceOffset,
    pub y: WorkspaceOffset,
    pub dy: WorkspaceOffset,
    pub argmax: WorkspaceOffset,
}

/// `max_pool`.
pub fn max_pool(layer: &str, shape: &PoolShape, config: &KernelConfig, offsets: &MaxPoolOffsets) -> Kernel {
    let MaxPoolOffsets { x, y, argmax } = *offsets;
    let workgroup = config.elementwise_workgroup;
    let mut constants = shape_constants(shape);
    constants.extend([("X", x.into()), ("Y", y.into()), ("ARGMAX", argmax.into())]);
    let (input, output) = (shape.in_len(), shape.out_len());
    let grid = Grid::per_image(output, workgroup);
    let cost = BatchCost::per_image(Cost::new(output * shape.window * shape.window, input + 2 * output));
    Kernel::new("max_pool", format!("{layer} forward"), workgroup, grid, cost, constants)
}

/// `max_pool_backward`, through the `activation` that precedes the pool.
pub fn max_pool_backward(
    layer: &str,
    shape: &PoolShape,
    activation: Activation,
    config: &KernelConfig,
    offsets: &MaxPoolBackwardOffsets,
) -> Kernel {
    let MaxPoolBackwardOffsets { dx, y, dy, argmax } = *offsets;
    let workgroup = config.elementwise_workgroup;
    let mut constants = shape_constants(shape);
    constants.extend([("DX", dx.into()), ("Y", y.into()), ("DY", dy.into()), ("ARGMAX", argmax.into())]);
    let tiles = shape.channels * shape.height.div_ceil(shape.stride) * shape.width.div_ceil(shape.stride);
    let grid = Grid::per_image(tiles, workgroup);
    let (input, output) = (shape.in_len(), shape.out_len());
    let cost = BatchCost::per_image(Cost::new(output, input + 3 * output));
    Kernel::new("max_pool_backward", format!("{layer} backward"), workgroup, grid, cost, constants)
        .with(Variant::activation(activation))
}

fn shape_constants(shape: &PoolShape) -> Constants {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("HEIGHT", shape.height.into()),
        ("WIDTH", shape.width.into()),
        ("WINDOW", shape.window.into()),
        ("STRIDE", shape.stride.into()),
        ("OUT_HEIGHT", shape.out_height().into()),
        ("OUT_WIDTH", shape.out_width().into()),
    ]
}
