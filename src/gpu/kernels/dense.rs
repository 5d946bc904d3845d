//! Dense layers.

use super::{Kernel, Weights, WorkspaceOffset, all_multiples};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::{KernelConfig, even_block};
use crate::gpu::shader::Variant;
use crate::model::{Activation, DenseShape};

/// The tensors of [`dense_forward`].
#[derive(Debug, Clone, Copy)]
pub struct DenseForwardOffsets {
    pub x: WorkspaceOffset,
    pub y: WorkspaceOffset,
    pub weights: Weights,
}

/// The tensors of [`dense_backward`], which writes the gradients of `weights` to the gradient arena.
#[derive(Debug, Clone, Copy)]
pub struct DenseBackwardOffsets {
    pub x: WorkspaceOffset,
    pub dx: WorkspaceOffset,
    pub dy: WorkspaceOffset,
    pub weights: Weights,
}

/// `dense_forward`, followed by `activation`.
pub fn dense_forward(
    layer: &str,
    shape: &DenseShape,
    activation: Activation,
    config: &KernelConfig,
    offsets: &DenseForwardOffsets,
) -> Kernel {
    let DenseForwardOffsets { x, y, weights } = *offsets;
    // Outputs are stored four at a time.
    let outputs = even_block(shape.outputs, config.dense_columns).next_multiple_of(4);
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("OUTPUTS", shape.outputs.into()),
        ("BLOCK_IMAGES", config.dense_rows.into()),
        ("BLOCK_OUTPUTS", outputs.into()),
        ("X", x.into()),
        ("Y", y.into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ];
    let grid = Grid::per_block(shape.outputs.div_ceil(outputs), config.dense_rows, config.workgroup);
    let cost = BatchCost::per_image(Cost::new(2 * shape.weight_len(), shape.inputs + shape.outputs))
        .and_per_batch(Cost::new(0, parameters(shape)));
    let label = format!("{layer} forward");
    let aligned = all_multiples(4, &[shape.inputs, shape.outputs, x.get(), y.get()]);
    Kernel::new("dense_forward", label, config.workgroup, grid, cost, constants)
        .with(Variant::activation(activation))
        .with(Variant::parameters_vec4(all_multiples(4, &[shape.inputs, weights.weight.get()])))
        .with(Variant::workspace_vec4(aligned))
}

/// `dense_backward`, through the `activation` that precedes the layer.
pub fn dense_backward(
    layer: &str,
    shape: &DenseShape,
    activation: Activation,
    config: &KernelConfig,
    offsets: &DenseBackwardOffsets,
) -> Kernel {
    let DenseBackwardOffsets { x, dx, dy, weights } = *offsets;
    let (rows, columns) = (config.dense_rows, config.dense_columns);
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("OUTPUTS", shape.outputs.into()),
        ("BLOCK_ROWS", rows.into()),
        ("BLOCK_INPUTS", columns.into()),
        ("X", x.into()),
        ("DX", dx.into()),
        ("DY", dy.into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ];
    let grid = Grid::per_block(shape.inputs.div_ceil(columns), rows, config.workgroup)
        .and_workgroups(weight_workgroups(shape, config));
    // x is needed for the weight's gradient and for the activation's; it counts once.
    let per_image = Cost::new(4 * shape.weight_len() + shape.outputs, 2 * shape.inputs + shape.outputs);
    let cost =
        BatchCost::per_image(per_image).and_per_batch(Cost::new(0, shape.weight_len() + parameters(shape)));
    let offsets = [x.get(), dx.get(), dy.get()];
    let aligned = all_multiples(4, &[shape.inputs, shape.outputs]) && all_multiples(4, &offsets);
    let label = format!("{layer} backward");
    Kernel::new("dense_backward", label, config.workgroup, grid, cost, constants)
        .with(Variant::activation(activation))
        .with(Variant::parameters_vec4(all_multiples(4, &[shape.inputs, weights.weight.get()])))
        .with(Variant::workspace_vec4(aligned))
}

/// `dense_backward` without the gradient of its input: the workgroups that compute that are left out.
pub fn dense_backward_weight(
    layer: &str,
    shape: &DenseShape,
    config: &KernelConfig,
    offsets: &DenseBackwardOffsets,
) -> Kernel {
    let whole = dense_backward(layer, shape, Activation::Identity, config, offsets);
    let per_image = Cost::new(2 * shape.weight_len() + shape.outputs, shape.inputs + shape.outputs);
    let cost = BatchCost::per_image(per_image).and_per_batch(Cost::new(0, parameters(shape)));
    let grid = Grid::workgroups_per_batch(weight_workgroups(shape, config));
    Kernel { label: format!("{layer} backward, weight"), grid, cost, ..whole }
}

/// Workgroups of `dense_backward` that compute the gradients of weight and bias. They are the first.
fn weight_workgroups(shape: &DenseShape, config: &KernelConfig) -> usize {
    let blocks = shape.inputs.div_ceil(config.dense_columns) * shape.outputs.div_ceil(config.dense_rows);
    blocks.div_ceil(config.workgroup)
}

/// Values of weight and bias.
pub(super) fn parameters(shape: &DenseShape) -> usize {
    shape.weight_len() + shape.outputs
}
