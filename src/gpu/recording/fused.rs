//! The fused kernels: a training step of the usual LeNet-5 in four dispatches.
//!
//! Only tensors that a later dispatch needs are stored: the outputs of the pools and dense layers, and their gradients.
//! Everything between a convolution and its pool stays in registers.

use super::workspace::Workspace;
use super::{Phase, StepKernels};
use crate::engine::{Mode, Setup};
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::kernels::fused::{ConvBlockOffsets, DenseHeadOffsets, conv_backward, conv_forward, dense};
use crate::gpu::kernels::{DenseGradient, GradientSource, PartialSums, Weights};
use crate::model::ParameterTable;
use crate::model::parameters::LayerKind;

/// The fused kernels of a setup that they support, for forward passes of up to `batch` images.
pub(super) fn record(
    setup: &Setup,
    table: &ParameterTable,
    config: &KernelConfig,
    batch: usize,
) -> StepKernels {
    let network = &setup.network;
    let weights = |layer| Weights::of(table, layer);
    let mut workspace = Workspace::new(batch);
    let pool1 = workspace.tensor("pool1", network.pool1().out_len());
    let argmax1 = workspace.tensor("argmax1", network.pool1().out_len());
    let pool2 = workspace.with_gradient(["pool2", "d.pool2"], network.pool2().out_len());
    let argmax2 = workspace.tensor("argmax2", network.pool2().out_len());
    let fc1 = workspace.with_gradient(["fc1", "d.fc1"], network.fc1().outputs);
    let fc2 = workspace.with_gradient(["fc2", "d.fc2"], network.fc2().outputs);
    let outputs = workspace.with_gradient(["outputs", "d.logits"], network.fc3().outputs);
    let frozen = setup.optimizer.frozen;
    let is_conv_frozen = frozen.contains(LayerKind::Conv);
    // The sum of no chunks is 0, the gradient of a frozen layer.
    let chunks = if is_conv_frozen { 0 } else { config.fused.chunks };
    let partials = PartialSums { len: table.conv_len(), chunks };

    let blocks =
        ConvBlockOffsets { conv1: weights("conv1"), pool1, argmax1, conv2: weights("conv2"), pool2, argmax2 };
    let head = DenseHeadOffsets {
        pool2,
        fc1,
        fc2,
        outputs,
        fc1_weights: weights("fc1"),
        fc2_weights: weights("fc2"),
        fc3_weights: weights("fc3"),
    };
    let gradients = GradientSource::OuterProducts(
        partials,
        vec![
            DenseGradient {
                shape: network.fc1(),
                x: pool2.value,
                dy: fc1.gradient,
                weights: head.fc1_weights,
            },
            DenseGradient { shape: network.fc2(), x: fc1.value, dy: fc2.gradient, weights: head.fc2_weights },
            DenseGradient {
                shape: network.fc3(),
                x: fc2.value,
                dy: outputs.gradient,
                weights: head.fc3_weights,
            },
        ],
    );

    let mut step = StepKernels::new(setup, workspace, &partials);
    for (phase, mode) in [(Phase::Training, Mode::Train), (Phase::Evaluation, Mode::Evaluate)] {
        step.push(phase, conv_forward(network, setup.augmented, mode, frozen, config, &blocks));
    }
    for (phase, mode, batch) in [
        (Phase::Training, Mode::Train, setup.micro_batch_size()),
        // The kernel of a network alone, whatever the batches of a population are.
        (Phase::Evaluation, Mode::Evaluate, setup.max_forward_batch()),
    ] {
        step.push(phase, dense(setup, mode, batch, config, &head));
    }
    if !is_conv_frozen {
        step.push(Phase::Training, conv_backward(network, setup.augmented, config, &blocks, &partials));
    }
    step.finish(setup, table.trained(), config, gradients);
    step
}
