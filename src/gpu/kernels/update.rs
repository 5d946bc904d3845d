//! What ends a step: gradients that are completed, accumulated and clipped, and the optimizer's update.

use super::{Constants, Kernel, PartialSums, REDUCTION_WORKGROUP, Weights, WorkspaceOffset};
use crate::engine::{Clip, Optimizer, Rule};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::shader::{Constant, Variant};
use crate::model::parameters::ranges;
use crate::model::{DenseShape, Tensor};

/// A dense layer whose weight's gradient, the outer product of `x` and `dy` summed over the batch, is still to be
/// computed.
#[derive(Debug, Clone, Copy)]
pub struct DenseGradient {
    pub shape: DenseShape,
    pub x: WorkspaceOffset,
    pub dy: WorkspaceOffset,
    pub weights: Weights,
}

/// Where a kernel that uses gradients gets them. A kernel that has to complete them also writes them to the arena.
#[derive(Debug, Clone)]
pub enum GradientSource {
    /// They are complete, in the arena.
    Arena,
    /// The convolutions' gradients are partial sums; the others are complete.
    PartialSums(PartialSums),
    /// The convolutions' gradients are partial sums, and the dense layers' are outer products.
    OuterProducts(PartialSums, Vec<DenseGradient>),
}

impl GradientSource {
    fn variant(&self) -> Variant {
        match self {
            Self::Arena | Self::PartialSums(_) => Variant::PARTIAL_SUMS,
            Self::OuterProducts(..) => Variant::OUTER_PRODUCTS,
        }
    }

    fn partials(&self) -> PartialSums {
        match self {
            Self::Arena => PartialSums { len: 0, chunks: 0 },
            Self::PartialSums(partials) | Self::OuterProducts(partials, _) => *partials,
        }
    }

    fn constants(&self) -> Constants {
        let PartialSums { chunks, len } = self.partials();
        let mut constants = vec![("CHUNKS", chunks.into()), ("PARTIAL_LEN", len.into())];
        if let Self::OuterProducts(_, layers) = self {
            let each =
                |value: fn(&DenseGradient) -> usize| Constant::Sizes(layers.iter().map(value).collect());
            constants.extend([
                ("DENSE_LAYERS", layers.len().into()),
                ("DENSE_INPUTS", each(|layer| layer.shape.inputs)),
                ("DENSE_OUTPUTS", each(|layer| layer.shape.outputs)),
                ("DENSE_WEIGHT", each(|layer| layer.weights.weight.get())),
                ("DENSE_BIAS", each(|layer| layer.weights.bias.get())),
                ("DENSE_X", each(|layer| layer.x.get())),
                ("DENSE_DY", each(|layer| layer.dy.get())),
            ]);
        }
        constants
    }

    /// The cost of completing `parameters` gradients, followed by `each` on every one of them.
    fn cost(&self, parameters: usize, each: Cost) -> BatchCost {
        let PartialSums { chunks, len } = self.partials();
        // Frozen layers have no chunks.
        let partial = if chunks == 0 { 0 } else { len };
        let rest = parameters - partial;
        let per_image = match self {
            Self::Arena | Self::PartialSums(_) => Cost::default(),
            Self::OuterProducts(_, layers) => {
                let values = layers.iter().map(|layer| layer.shape.inputs + layer.shape.outputs).sum();
                Cost::new(2 * rest, values)
            }
        };
        // Partial sums are read, and complete gradients written.
        BatchCost::per_image(per_image)
            .and_per_chunk(chunks, Cost::new(partial, partial))
            .and_per_batch(each * parameters as u64 + Cost::new(0, partial + rest))
    }
}

/// `accumulate`: adds the gradients of a micro-batch to those of its step, over an arena of `tensors`.
pub fn accumulate(tensors: &[Tensor], config: &KernelConfig, gradients: &GradientSource) -> Kernel {
    let (workgroup, parameters) = (config.elementwise_workgroup, arena_len(tensors));
    let grid = Grid::per_batch(parameters, workgroup);
    let cost = gradients.cost(parameters, Cost::new(1, 3));
    let constants = arena_constants(tensors, config, gradients);
    Kernel::new("accumulate", "accumulate", workgroup, grid, cost, constants).with(gradients.variant())
}

/// `gradient_norm`: the 2-norm of each tensor's gradient, over an arena of `tensors`.
pub fn gradient_norm(tensors: &[Tensor], config: &KernelConfig, gradients: &GradientSource) -> Kernel {
    let grid = Grid::workgroups_per_batch(tensors.len());
    let cost = gradients.cost(arena_len(tensors), Cost::new(2, 0));
    let constants = arena_constants(tensors, config, gradients);
    Kernel::new("gradient_norm", "gradient norms", REDUCTION_WORKGROUP, grid, cost, constants)
        .with(gradients.variant())
}

/// The optimizer's `adam` or `sgd`, over an arena of `tensors`, except for those of frozen layers.
pub fn update(
    optimizer: &Optimizer,
    tensors: &[Tensor],
    config: &KernelConfig,
    gradients: &GradientSource,
) -> Kernel {
    let workgroup = config.elementwise_workgroup;
    let frozen = ranges(tensors, |tensor| optimizer.frozen.contains(tensor.kind));
    let updated = arena_len(tensors) - frozen.iter().map(|range| range.len()).sum::<usize>();
    let clip = &optimizer.clip;
    // In the shaders 0 is no bound.
    let bound = |bound: Option<f32>| bound.unwrap_or(0.0);
    let mut constants = arena_constants(tensors, config, gradients);
    constants.extend([
        ("CLIPS", (*clip != Clip::default()).into()),
        ("CLIP_TENSOR_NORM", bound(clip.tensor_norm).into()),
        ("CLIP_NORM", bound(clip.norm).into()),
        ("CLIP_VALUES", tensors.iter().map(|t| bound(clip.value_bound(t.kind))).collect::<Vec<_>>().into()),
        ("BOUND", bound(optimizer.bound).into()),
    ]);
    if !frozen.is_empty() {
        constants.extend([
            ("FROZEN_RANGES", frozen.len().into()),
            ("FROZEN_STARTS", frozen.iter().map(|range| range.start).collect::<Vec<_>>().into()),
            ("FROZEN_LENGTHS", frozen.iter().map(|range| range.len()).collect::<Vec<_>>().into()),
        ]);
    }
    let (shader, each) = match optimizer.rule {
        Rule::Adam(adam) => {
            constants.extend([
                ("BETA1", adam.beta1.into()),
                ("BETA2", adam.beta2.into()),
                ("EPS", adam.eps.into()),
            ]);
            // Reads and writes the parameter and both moments.
            ("adam", Cost::new(14, 6))
        }
        Rule::Sgd(sgd) => {
            constants.extend([("MOMENTUM", sgd.momentum.into()), ("NESTEROV", sgd.nesterov.into())]);
            // Reads and writes the parameter and the momentum.
            ("sgd", Cost::new(6, 4))
        }
    };
    let grid = Grid::per_batch(updated, workgroup);
    let cost = gradients.cost(updated, each);
    Kernel::new(shader, shader, workgroup, grid, cost, constants)
        .with(gradients.variant())
        .with(Variant::updated(frozen.is_empty()))
}

/// Values of an arena of `tensors`.
fn arena_len(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |tensor| tensor.range().end)
}

fn arena_constants(tensors: &[Tensor], config: &KernelConfig, gradients: &GradientSource) -> Constants {
    let mut constants = tensor_constants(tensors.iter().map(|tensor| tensor.range().end).collect());
    constants.push(("PARAMETERS", arena_len(tensors).into()));
    constants.push(("SUM_AHEAD", config.sum_ahead.into()));
    constants.extend(gradients.constants());
    constants
}

/// The tensors of an arena, by their ends.
pub(super) fn tensor_constants(ends: Vec<usize>) -> Constants {
    vec![("TENSORS", ends.len().into()), ("TENSOR_ENDS", ends.into())]
}
