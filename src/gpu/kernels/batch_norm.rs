//! Batch normalisation.

use super::update::tensor_constants;
use super::{ArenaOffset, Constants, Kernel, REDUCTION_WORKGROUP, WithGradient, WorkspaceOffset};
use crate::engine::Mode;
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::shader::{Constant, Variant};
use crate::model::{Activation, NormShape};

/// The tensors of a batch normalisation.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormOffsets {
    pub x: WithGradient,
    pub y: WithGradient,
    /// Statistics of the batch.
    pub mean: WorkspaceOffset,
    pub variance: WorkspaceOffset,
    pub weight: ArenaOffset,
    pub bias: ArenaOffset,
    pub running_mean: ArenaOffset,
    pub running_var: ArenaOffset,
}

/// `batch_norm_statistics`, for training: the statistics of the batch, and the running ones. The tensors of the arena
/// end at `ends`.
pub fn batch_norm_statistics(
    layer: &str,
    shape: &NormShape,
    ends: Vec<usize>,
    offsets: &BatchNormOffsets,
) -> Kernel {
    let mut constants = constants(shape, offsets, [offsets.mean.into(), offsets.variance.into()]);
    constants.extend(tensor_constants(ends));
    constants.extend([
        ("MOMENTUM", (NormShape::MOMENTUM as f32).into()),
        ("RUNNING_MEAN", offsets.running_mean.into()),
        ("RUNNING_VAR", offsets.running_var.into()),
    ]);
    let grid = Grid::workgroups_per_batch(shape.channels);
    let label = format!("{layer} statistics");
    Kernel::new("batch_norm_statistics", label, REDUCTION_WORKGROUP, grid, cost(shape, [4, 1, 6]), constants)
}

/// `batch_norm_forward`, with the statistics of the batch in training and the running ones in evaluation.
pub fn batch_norm_forward(
    layer: &str,
    shape: &NormShape,
    mode: Mode,
    config: &KernelConfig,
    offsets: &BatchNormOffsets,
) -> Kernel {
    let workgroup = config.elementwise_workgroup;
    let (running, statistics, label) = match mode {
        Mode::Train => (false, [offsets.mean.into(), offsets.variance.into()], "forward"),
        Mode::Evaluate => {
            (true, [offsets.running_mean.into(), offsets.running_var.into()], "forward, running")
        }
    };
    let mut constants = constants(shape, offsets, statistics);
    constants.extend([("RUNNING", running.into()), ("Y", offsets.y.value.into())]);
    let grid = Grid::per_image(shape.image_len(), workgroup);
    let label = format!("{layer} {label}");
    Kernel::new("batch_norm_forward", label, workgroup, grid, cost(shape, [4, 2, 4]), constants)
}

/// `batch_norm_backward_weight`.
pub fn batch_norm_backward_weight(layer: &str, shape: &NormShape, offsets: &BatchNormOffsets) -> Kernel {
    let mut constants = constants(shape, offsets, [offsets.mean.into(), offsets.variance.into()]);
    constants.push(("DY", offsets.y.gradient.into()));
    let grid = Grid::workgroups_per_batch(shape.channels);
    let (label, cost) = (format!("{layer} backward, weight"), cost(shape, [5, 2, 4]));
    Kernel::new("batch_norm_backward_weight", label, REDUCTION_WORKGROUP, grid, cost, constants)
}

/// `batch_norm_backward_input`, through the `activation` that precedes the normalisation.
pub fn batch_norm_backward_input(
    layer: &str,
    shape: &NormShape,
    activation: Activation,
    config: &KernelConfig,
    offsets: &BatchNormOffsets,
) -> Kernel {
    let workgroup = config.elementwise_workgroup;
    let mut constants = constants(shape, offsets, [offsets.mean.into(), offsets.variance.into()]);
    constants.extend([("DX", offsets.x.gradient.into()), ("DY", offsets.y.gradient.into())]);
    let grid = Grid::per_image(shape.image_len(), workgroup);
    let (label, cost) = (format!("{layer} backward, input"), cost(shape, [8, 3, 5]));
    Kernel::new("batch_norm_backward_input", label, workgroup, grid, cost, constants)
        .with(Variant::activation(activation))
}

fn constants(shape: &NormShape, offsets: &BatchNormOffsets, [mean, variance]: [Constant; 2]) -> Constants {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("POSITIONS", shape.positions.into()),
        ("EPS", (NormShape::EPS as f32).into()),
        ("X", offsets.x.value.into()),
        ("MEAN", mean),
        ("VARIANCE", variance),
        ("WEIGHT", offsets.weight.into()),
        ("BIAS", offsets.bias.into()),
    ]
}

/// The cost from the operations on each value, the tensors of an image's size that are read or written, and those of a
/// value per channel.
fn cost(shape: &NormShape, [flops, image_tensors, channel_tensors]: [usize; 3]) -> BatchCost {
    let values = shape.image_len();
    BatchCost::per_image(Cost::new(flops * values, image_tensors * values))
        .and_per_batch(Cost::new(0, channel_tensors * shape.channels))
}
