//! The layered kernels: one per operation, for every network.

use super::workspace::Workspace;
use super::{Phase, StepKernels};
use crate::engine::{Mode, Setup};
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::kernels::{
    self, ArenaOffset, BatchNormOffsets, ConvBackwardInputOffsets, ConvBackwardWeightOffsets,
    ConvForwardOffsets, DenseBackwardOffsets, DenseForwardOffsets, GradientSource, Kernel, LossOffsets,
    MaxPoolBackwardOffsets, MaxPoolOffsets, Partials, Weights, WithGradient,
};
use crate::model::{Activation, NormShape, ParameterTable};

/// The layered kernels of a setup.
pub(super) fn record(setup: &Setup, table: &ParameterTable, config: &KernelConfig) -> StepKernels {
    use Activation::{Identity, LogSoftmax, Relu};
    let network = &setup.network;
    let act = network.activation;
    let weights = |layer| Weights::of(table, layer);

    let (conv1, pool1) = (network.conv1(), network.pool1());
    let (conv2, pool2) = (network.conv2(), network.pool2());
    let (fc1, fc2, fc3) = (network.fc1(), network.fc2(), network.fc3());

    let mut workspace = Workspace::new(setup.at_once());
    let x = workspace.tensor("x", network.image_len());
    let normed = |workspace: &mut Workspace, names, len| {
        network.batch_norm.then(|| workspace.with_gradient(names, len))
    };
    let conv1_out = workspace.with_gradient(["conv1", "d.conv1"], conv1.out_len());
    let bn1_out = normed(&mut workspace, ["bn1", "d.bn1"], conv1.out_len());
    let pool1_out = workspace.with_gradient(["pool1", "d.pool1"], pool1.out_len());
    let argmax1 = workspace.tensor("argmax1", pool1.out_len());
    let conv2_out = workspace.with_gradient(["conv2", "d.conv2"], conv2.out_len());
    let bn2_out = normed(&mut workspace, ["bn2", "d.bn2"], conv2.out_len());
    let pool2_out = workspace.with_gradient(["pool2", "d.pool2"], pool2.out_len());
    let argmax2 = workspace.tensor("argmax2", pool2.out_len());
    let fc1_out = workspace.with_gradient(["fc1", "d.fc1"], fc1.outputs);
    let bn3_out = normed(&mut workspace, ["bn3", "d.bn3"], fc1.outputs);
    let fc2_out = workspace.with_gradient(["fc2", "d.fc2"], fc2.outputs);
    let bn4_out = normed(&mut workspace, ["bn4", "d.bn4"], fc2.outputs);
    let outputs = workspace.with_gradient(["outputs", "d.logits"], fc3.outputs);

    let mut norm = |layer, shape, activation, input, output: Option<WithGradient>| {
        output.map(|output| BatchNorm::new(layer, shape, activation, input, output, table, &mut workspace))
    };
    let bn1 = norm("bn1", network.bn1(), Relu, conv1_out, bn1_out);
    let bn2 = norm("bn2", network.bn2(), Relu, conv2_out, bn2_out);
    let bn3 = norm("bn3", network.bn3(), act, fc1_out, bn3_out);
    let bn4 = norm("bn4", network.bn4(), act, fc2_out, bn4_out);
    let partials = Partials { len: table.conv_len(), chunks: config.weight_chunks };

    // What the next layer reads.
    let (pool1_in, pool2_in) = (bn1_out.unwrap_or(conv1_out), bn2_out.unwrap_or(conv2_out));
    let (fc2_in, fc3_in) = (bn3_out.unwrap_or(fc1_out), bn4_out.unwrap_or(fc2_out));

    let mut step = StepKernels::new(workspace, &partials);
    match setup.augmented {
        true => {
            step.push(Phase::Training, kernels::gather(network.channels, true, config, x));
            step.push(Phase::Evaluation, kernels::gather(network.channels, false, config, x));
        }
        false => step.push(Phase::Always, kernels::gather(network.channels, false, config, x)),
    }
    let offsets = ConvForwardOffsets { x, y: conv1_out.value, weights: weights("conv1") };
    step.push(Phase::Always, kernels::conv_forward("conv1", &conv1, Relu, config, &offsets));
    BatchNorm::forward(bn1.as_ref(), config, &mut step);
    let offsets = MaxPoolOffsets { x: pool1_in.value, y: pool1_out.value, argmax: argmax1 };
    step.push(Phase::Always, kernels::max_pool("pool1", &pool1, config, &offsets));
    let offsets = ConvForwardOffsets { x: pool1_out.value, y: conv2_out.value, weights: weights("conv2") };
    step.push(Phase::Always, kernels::conv_forward("conv2", &conv2, Relu, config, &offsets));
    BatchNorm::forward(bn2.as_ref(), config, &mut step);
    let offsets = MaxPoolOffsets { x: pool2_in.value, y: pool2_out.value, argmax: argmax2 };
    step.push(Phase::Always, kernels::max_pool("pool2", &pool2, config, &offsets));

    let log_softmax = |layer, outputs, y: WithGradient| {
        (act == LogSoftmax).then(|| kernels::log_softmax(layer, outputs, config, y.value))
    };
    let offsets = DenseForwardOffsets { x: pool2_out.value, y: fc1_out.value, weights: weights("fc1") };
    step.push(Phase::Always, kernels::dense_forward("fc1", &fc1, act, config, &offsets));
    step.extend(Phase::Always, log_softmax("fc1", fc1.outputs, fc1_out));
    BatchNorm::forward(bn3.as_ref(), config, &mut step);
    let offsets = DenseForwardOffsets { x: fc2_in.value, y: fc2_out.value, weights: weights("fc2") };
    step.push(Phase::Always, kernels::dense_forward("fc2", &fc2, act, config, &offsets));
    step.extend(Phase::Always, log_softmax("fc2", fc2.outputs, fc2_out));
    BatchNorm::forward(bn4.as_ref(), config, &mut step);
    let offsets = LossOffsets { x: fc3_in.value, outputs, weights: weights("fc3") };
    step.push(Phase::Always, kernels::dense_loss("fc3", &fc3, &setup.loss, config, &offsets));

    // A layer's backward kernel also takes the gradient through the activation that precedes the layer, unless a batch
    // normalisation does. A pool precedes fc1; the pool's backward kernel takes it through the convolution's.
    let through = |activation| if network.batch_norm { Identity } else { activation };
    let log_softmax_backward = |layer, outputs, y: WithGradient| {
        (act == LogSoftmax).then(|| kernels::log_softmax_backward(layer, outputs, config, &y))
    };
    let dense_offsets = |layer, input: WithGradient, output: WithGradient| DenseBackwardOffsets {
        x: input.value,
        dx: input.gradient,
        dy: output.gradient,
        weights: weights(layer),
    };
    let pool_offsets = |input: WithGradient, output: WithGradient, argmax| MaxPoolBackwardOffsets {
        dx: input.gradient,
        y: output.value,
        dy: output.gradient,
        argmax,
    };
    let backward = Phase::Training;
    let offsets = dense_offsets("fc3", fc3_in, outputs);
    step.push(backward, kernels::dense_backward("fc3", &fc3, through(act), config, &offsets));
    BatchNorm::backward(bn4.as_ref(), config, &mut step);
    step.extend(backward, log_softmax_backward("fc2", fc2.outputs, fc2_out));
    let offsets = dense_offsets("fc2", fc2_in, fc2_out);
    step.push(backward, kernels::dense_backward("fc2", &fc2, through(act), config, &offsets));
    BatchNorm::backward(bn3.as_ref(), config, &mut step);
    step.extend(backward, log_softmax_backward("fc1", fc1.outputs, fc1_out));
    let offsets = dense_offsets("fc1", pool2_out, fc1_out);
    step.push(backward, kernels::dense_backward("fc1", &fc1, Identity, config, &offsets));

    let offsets = pool_offsets(pool2_in, pool2_out, argmax2);
    step.push(backward, kernels::max_pool_backward("pool2", &pool2, through(Relu), config, &offsets));
    BatchNorm::backward(bn2.as_ref(), config, &mut step);
    let offsets = ConvBackwardWeightOffsets {
        x: pool1_out.value,
        dy: conv2_out.gradient,
        weights: weights("conv2"),
        partials,
    };
    step.push(backward, kernels::conv_backward_weight("conv2", &conv2, config, &offsets));
    let offsets = ConvBackwardInputOffsets {
        dx: pool1_out.gradient,
        dy: conv2_out.gradient,
        weights: weights("conv2"),
    };
    step.push(backward, kernels::conv_backward_input("conv2", &conv2, config, &offsets));
    let offsets = pool_offsets(pool1_in, pool1_out, argmax1);
    step.push(backward, kernels::max_pool_backward("pool1", &pool1, through(Relu), config, &offsets));
    BatchNorm::backward(bn1.as_ref(), config, &mut step);
    // The input needs no gradient.
    let offsets =
        ConvBackwardWeightOffsets { x, dy: conv1_out.gradient, weights: weights("conv1"), partials };
    step.push(backward, kernels::conv_backward_weight("conv1", &conv1, config, &offsets));
    step.finish(setup, table.trained(), config, GradientSource::PartialSums(partials));
    step
}

/// A batch normalisation of the network.
struct BatchNorm {
    layer: &'static str,
    shape: NormShape,
    /// The activation that precedes it.
    activation: Activation,
    offsets: BatchNormOffsets,
    /// The ends of all tensors of the arena.
    ends: Vec<usize>,
}

impl BatchNorm {
    fn new(
        layer: &'static str,
        shape: NormShape,
        activation: Activation,
        x: WithGradient,
        y: WithGradient,
        table: &ParameterTable,
        workspace: &mut Workspace,
    ) -> Self {
        let parameter = |name| ArenaOffset::of(table, &format!("{layer}.{name}"));
        let offsets = BatchNormOffsets {
            x,
            y,
            mean: workspace.unnamed(shape.channels),
            variance: workspace.unnamed(shape.channels),
            weight: parameter("weight"),
            bias: parameter("bias"),
            running_mean: parameter("running_mean"),
            running_var: parameter("running_var"),
        };
        let ends = table.tensors().iter().map(|tensor| tensor.range().end).collect();
        Self { layer, shape, activation, offsets, ends }
    }

    fn forward(norm: Option<&Self>, config: &KernelConfig, step: &mut StepKernels) {
        let Some(Self { layer, shape, offsets, ends, .. }) = norm else { return };
        let forward = |mode| -> Kernel { kernels::batch_norm_forward(layer, shape, mode, config, offsets) };
        step.push(Phase::Training, kernels::batch_norm_statistics(layer, shape, ends.clone(), offsets));
        step.push(Phase::Training, forward(Mode::Train));
        step.push(Phase::Evaluation, forward(Mode::Evaluate));
    }

    fn backward(norm: Option<&Self>, config: &KernelConfig, step: &mut StepKernels) {
        let Some(Self { layer, shape, activation, offsets, .. }) = norm else { return };
        step.push(Phase::Training, kernels::batch_norm_backward_weight(layer, shape, offsets));
        step.push(
            Phase::Training,
            kernels::batch_norm_backward_input(layer, shape, *activation, config, offsets),
        );
    }
}
