//! The last dense layer with the loss.

use super::{Constants, Kernel, Weights, WithGradient, WorkspaceOffset, dense};
use crate::engine::Reduction;
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;
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
    /// The log-probabilities or, if the loss is a function of those, the logits; the gradient is that of the logits.
    pub outputs: WithGradient,
    pub weights: Weights,
}

/// `dense_log_softmax`: negative log-likelihood of the log-softmax.
pub fn dense_log_softmax(
    layer: &str,
    shape: &DenseShape,
    config: &KernelConfig,
    offsets: &LossOffsets,
) -> Kernel {
    let label = format!("{layer} + log-softmax + NLL");
    last_layer("dense_log_softmax", label, shape, config, constants(shape, offsets))
}

/// `dense_mse`: mean squared error of the logits.
pub fn dense_mse(
    layer: &str,
    shape: &DenseShape,
    reduction: Reduction,
    config: &KernelConfig,
    offsets: &LossOffsets,
) -> Kernel {
    let divisor = match reduction {
        Reduction::Mean => shape.outputs,
        Reduction::Sum => 1,
    };
    let mut constants = constants(shape, offsets);
    constants.push(("DIVISOR", divisor.into()));
    last_layer("dense_mse", format!("{layer} + MSE"), shape, config, constants)
}

/// `dense_raw_nll`: negative likelihood of the logits.
pub fn dense_raw_nll(
    layer: &str,
    shape: &DenseShape,
    config: &KernelConfig,
    offsets: &LossOffsets,
) -> Kernel {
    let constants = constants(shape, offsets);
    last_layer("dense_raw_nll", format!("{layer} + raw NLL"), shape, config, constants)
}

fn last_layer(
    shader: &'static str,
    label: String,
    shape: &DenseShape,
    config: &KernelConfig,
    constants: Constants,
) -> Kernel {
    let (inputs, classes) = (shape.inputs, shape.outputs);
    let per_image = Cost::new(2 * shape.weight_len() + FLOPS_PER_CLASS * classes, inputs + 2 * classes);
    let cost = BatchCost::per_image(per_image.plus_bytes(OUTCOME_BYTES))
        .and_per_batch(Cost::new(0, dense::parameters(shape)));
    Kernel::new(shader, label, config.workgroup, Grid::workgroup_per_image(), cost, constants)
}

fn constants(shape: &DenseShape, offsets: &LossOffsets) -> Constants {
    let LossOffsets { x, outputs, weights } = *offsets;
    vec![
        ("INPUTS", shape.inputs.into()),
        ("CLASSES", shape.outputs.into()),
        // A workgroup computes one image.
        ("LOGITS", shape.outputs.into()),
        ("X", x.into()),
        ("OUTPUTS", outputs.value.into()),
        ("DZ", outputs.gradient.into()),
        ("WEIGHT", weights.weight.into()),
        ("BIAS", weights.bias.into()),
    ]
}
