//! Convolutions.

use super::{Constants, Kernel, PartialSums, Weights, WorkspaceOffset, all_multiples};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::{KernelConfig, even_block};
use crate::gpu::shader::Variant;
use crate::model::{Activation, ConvShape};

/// The tensors of [`conv_forward`].
#[derive(Debug, Clone, Copy)]
pub struct ConvForwardOffsets {
    pub x: WorkspaceOffset,
    pub y: WorkspaceOffset,
    pub weights: Weights,
}

/// The tensors of [`conv_backward_input`].
#[derive(Debug, Clone, Copy)]
pub struct ConvBackwardInputOffsets {
    pub dx: WorkspaceOffset,
    pub dy: WorkspaceOffset,
    pub weights: Weights,
}

/// The tensors of [`conv_backward_weight`], which leaves the gradients of `weights` as partial sums.
#[derive(Debug, Clone, Copy)]
pub struct ConvBackwardWeightOffsets {
    pub x: WorkspaceOffset,
    pub dy: WorkspaceOffset,
    pub weights: Weights,
    pub partials: PartialSums,
}

/// `conv_forward`, followed by `activation`.
pub fn conv_forward(
    layer: &str,
    shape: &ConvShape,
    activation: Activation,
    config: &KernelConfig,
    offsets: &ConvForwardOffsets,
) -> Kernel {
    let ConvForwardOffsets { x, y, weights } = *offsets;
    let filters = even_block(shape.filters, config.conv_filters);
    let columns = even_block(shape.out_width(), config.conv_columns);
    let blocks = shape.filters.div_ceil(filters) * shape.out_height() * shape.out_width().div_ceil(columns);
    let mut constants = shape_constants(shape);
    constants.extend([
        ("BLOCK_FILTERS", filters.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("X", x.into()),
        ("Y", y.into()),
        ("PARAMETER_VEC4S", parameter_vec4s(shape, &weights).into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ]);
    let grid = Grid::per_image(blocks, config.workgroup);
    let label = format!("{layer} forward");
    // Pairs are loaded and stored whole.
    let row = [shape.width, shape.out_width(), columns, columns * shape.stride, shape.padding];
    let aligned = all_multiples(2, &[x.get(), y.get()]) && all_multiples(2, &row);
    Kernel::new("conv_forward", label, config.workgroup, grid, product_cost(shape), constants)
        .with(Variant::activation(activation))
        .with(Variant::parameters_in(config.filters))
        .with(Variant::workspace_vec2(aligned))
}

/// `conv_backward_input`.
pub fn conv_backward_input(
    layer: &str,
    shape: &ConvShape,
    config: &KernelConfig,
    offsets: &ConvBackwardInputOffsets,
) -> Kernel {
    let ConvBackwardInputOffsets { dx, dy, weights } = *offsets;
    let channels = even_block(shape.channels, config.conv_filters);
    let columns = even_block(shape.width, config.conv_columns);
    let blocks = shape.channels.div_ceil(channels) * shape.height * shape.width.div_ceil(columns);
    let mut constants = shape_constants(shape);
    constants.extend([
        ("BLOCK_CHANNELS", channels.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("DX", dx.into()),
        ("DY", dy.into()),
        ("PARAMETER_VEC4S", parameter_vec4s(shape, &weights).into()),
        ("WEIGHT", weights.weight.into()),
    ]);
    let grid = Grid::per_image(blocks, config.workgroup);
    let label = format!("{layer} backward, input");
    let first_column = shape.size - 1 + shape.padding;
    let row = [shape.width, shape.out_width(), columns, first_column];
    let aligned = all_multiples(2, &[dx.get(), dy.get()]) && all_multiples(2, &row);
    Kernel::new("conv_backward_input", label, config.workgroup, grid, product_cost(shape), constants)
        .with(Variant::parameters_in(config.filters))
        .with(Variant::workspace_vec2(aligned))
}

/// `conv_backward_weight`.
pub fn conv_backward_weight(
    layer: &str,
    shape: &ConvShape,
    config: &KernelConfig,
    offsets: &ConvBackwardWeightOffsets,
) -> Kernel {
    let ConvBackwardWeightOffsets { x, dy, weights, partials } = *offsets;
    let filters = even_block(shape.filters, config.weight_filters);
    let columns = even_block(shape.out_width(), config.weight_columns);
    let rows = even_block(shape.size, config.weight_rows);
    let blocks = shape.filters.div_ceil(filters) * shape.channels * shape.size.div_ceil(rows);
    let mut constants = shape_constants(shape);
    constants.extend([
        ("BLOCK_FILTERS", filters.into()),
        ("BLOCK_ROWS", rows.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("CHUNKS", partials.chunks.into()),
        ("X", x.into()),
        ("DY", dy.into()),
        ("PARTIAL_LEN", partials.len.into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ]);
    let grid = Grid::per_chunk(blocks, partials.chunks, config.workgroup);
    let (input, output) = (shape.in_len(), shape.out_len());
    let cost = BatchCost::per_image(Cost::new(2 * products(shape) + output, input + output))
        .and_per_chunk(partials.chunks, Cost::new(0, parameters(shape)));
    let row = [shape.width, shape.out_width(), columns, shape.padding];
    let aligned = all_multiples(2, &[x.get(), dy.get()]) && all_multiples(2, &row);
    let label = format!("{layer} backward, weight");
    Kernel::new("conv_backward_weight", label, config.workgroup, grid, cost, constants)
        .with(Variant::workspace_vec2(aligned))
}

fn shape_constants(shape: &ConvShape) -> Constants {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("HEIGHT", shape.height.into()),
        ("WIDTH", shape.width.into()),
        ("FILTERS", shape.filters.into()),
        ("SIZE", shape.size.into()),
        ("STRIDE", shape.stride.into()),
        ("PADDING", shape.padding.into()),
        ("OUT_HEIGHT", shape.out_height().into()),
        ("OUT_WIDTH", shape.out_width().into()),
    ]
}

/// vec4s from the arena's start to the end of a convolution's weight and bias.
fn parameter_vec4s(shape: &ConvShape, weights: &Weights) -> usize {
    (weights.weight.get() + shape.weight_len()).max(weights.bias.get() + shape.filters).div_ceil(4)
}

/// Multiply-adds for one image.
fn products(shape: &ConvShape) -> usize {
    shape.out_len() * shape.channels * shape.size * shape.size
}

/// Values of weight and bias.
fn parameters(shape: &ConvShape) -> usize {
    shape.weight_len() + shape.filters
}

/// Forward and backward to the input: a product of all outputs, or inputs, with the weights.
fn product_cost(shape: &ConvShape) -> BatchCost {
    BatchCost::per_image(Cost::new(2 * products(shape), shape.in_len() + shape.out_len()))
        .and_per_batch(Cost::new(0, parameters(shape)))
}
