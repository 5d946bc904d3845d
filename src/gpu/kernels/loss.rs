//! The last dense layer with the loss.

use super::{Kernel, Weights, WithGradient, WorkspaceOffset, dense};
use crate::engine::{Loss, LossKind, Reduction};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::shader::Variant;
use crate::model::DenseShape;

/// Bytes of an image's loss and predicted class, and of its label and its index in the order.
pub(super) const OUTCOME_BYTES: u64 = 16;

/// Operations per class on top of the layer's own: its exponential twice, its share of the sum, its log-probability
/// and its gradient.
pub(super) const FLOPS_PER_CLASS: usize = 6;

/// The tensors of the last layer and its loss.
#[derive(Debug, Clone, Copy)]
pub struct LossOffsets {
    pub x: WorkspaceOffset,
    /// The log-probabilities if the loss is a function of those, else the logits; the gradient is that of the logits.
    pub outputs: WithGradient,
    pub weights: Weights,
}

/// `dense_loss`: the last layer and `loss`, with its gradient.
pub fn dense_loss(
    layer: &str,
    shape: &DenseShape,
    loss: &Loss,
    class_weighted: bool,
    config: &KernelConfig,
    offsets: &LossOffsets,
) -> Kernel {
    let LossOffsets { x, outputs, weights } = *offsets;
    let divisor = match loss.reduction {
        Reduction::Mean => shape.outputs,
        Reduction::Sum => 1,
    };
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("CLASSES", shape.outputs.into()),
        // A workgroup computes one image.
        ("LOGITS", shape.outputs.into()),
        ("DIVISOR", divisor.into()),
        ("X", x.into()),
        ("OUTPUTS", outputs.value.into()),
        ("DZ", outputs.gradient.into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ];
    let (inputs, classes) = (shape.inputs, shape.outputs);
    let per_image = Cost::new(2 * shape.weight_len() + FLOPS_PER_CLASS * classes, inputs + 2 * classes);
    let cost = BatchCost::per_image(per_image.plus_bytes(OUTCOME_BYTES))
        .and_per_batch(Cost::new(0, dense::parameters(shape)));
    let name = match loss.kind {
        LossKind::Nll | LossKind::CrossEntropy => "log-softmax + NLL",
        LossKind::Mse => "MSE",
        LossKind::RawNll => "raw NLL",
    };
    let weighted = if class_weighted { "weighted " } else { "" };
    let label = format!("{layer} + {weighted}{name}");
    Kernel::new("dense_loss", label, config.workgroup, Grid::workgroup_per_image(), cost, constants)
        .with(Variant::loss(loss.kind, class_weighted))
        .with(Variant::target(class_weighted))
}
