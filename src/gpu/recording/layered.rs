//! The layered kernels: one per operation, for every network.

use super::workspace::Workspace;
use super::{Phase, StepKernels};
use crate::engine::{Mode, Setup};
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::kernels::{
    self, ArenaOffset, BatchNormOffsets, ConvBackwardInputOffsets, ConvBackwardWeightOffsets,
    ConvForwardOffsets, DenseBackwardOffsets, DenseForwardOffsets, GradientSource, Kernel, LossOffsets,
    MaxPoolBackwardOffsets, MaxPoolOffsets, PartialSums, Weights, WithGradient, WorkspaceOffset,
};
use crate::model::Activation::{Identity, LogSoftmax, Relu};
use crate::model::parameters::LayerKind;
use crate::model::{Activation, LeNet5, NormShape, ParameterTable};

/// The layered kernels of a setup, for forward passes of up to `batch` images.
pub(super) fn record(
    setup: &Setup,
    table: &ParameterTable,
    config: &KernelConfig,
    batch: usize,
) -> StepKernels {
    let mut workspace = Workspace::new(batch);
    let layers = Layers::new(&setup.network, table, &mut workspace);
    let frozen = setup.optimizer.frozen.contains(LayerKind::Conv);
    let (partials, gradients) = if frozen {
        // Nothing writes the gradients of frozen layers, which are 0 from the start.
        (PartialSums { len: 0, chunks: 0 }, GradientSource::Arena)
    } else {
        let partials = PartialSums { len: table.conv_len(), chunks: config.weight_chunks };
        (partials, GradientSource::PartialSums(partials))
    };
    let mut step = StepKernels::new(setup, workspace, &partials);
    layers.forward(setup, config, &mut step);
    layers.backward_dense(frozen, config, &mut step);
    if !frozen {
        layers.backward_conv(config, partials, &mut step);
    }
    step.finish(setup, table.trained(), config, gradients);
    step
}

/// The tensors between the layers, and the layers' parameters.
struct Layers<'a> {
    network: &'a LeNet5,
    /// The input, which needs no gradient.
    x: WorkspaceOffset,
    conv1: WithGradient,
    pool1: WithGradient,
    argmax1: WorkspaceOffset,
    conv2: WithGradient,
    pool2: WithGradient,
    argmax2: WorkspaceOffset,
    fc1: WithGradient,
    fc2: WithGradient,
    outputs: WithGradient,
    /// After conv1, conv2, fc1 and fc2, if the network has batch normalisation.
    norms: [Option<BatchNorm>; 4],
    /// Of conv1, conv2, fc1, fc2 and fc3.
    weights: [Weights; 5],
}

impl<'a> Layers<'a> {
    fn new(network: &'a LeNet5, table: &ParameterTable, workspace: &mut Workspace) -> Self {
        let [conv1_len, conv2_len] = [network.conv1().out_len(), network.conv2().out_len()];
        let [pool1_len, pool2_len] = [network.pool1().out_len(), network.pool2().out_len()];
        let [fc1_len, fc2_len] = [network.fc1().outputs, network.fc2().outputs];
        let normalised = |workspace: &mut Workspace, names, len| {
            network.batch_norm.then(|| workspace.with_gradient(names, len))
        };

        let x = workspace.tensor("x", network.image_len());
        let conv1 = workspace.with_gradient(["conv1", "d.conv1"], conv1_len);
        let bn1 = normalised(workspace, ["bn1", "d.bn1"], conv1_len);
        let pool1 = workspace.with_gradient(["pool1", "d.pool1"], pool1_len);
        let argmax1 = workspace.tensor("argmax1", pool1_len);
        let conv2 = workspace.with_gradient(["conv2", "d.conv2"], conv2_len);
        let bn2 = normalised(workspace, ["bn2", "d.bn2"], conv2_len);
        let pool2 = workspace.with_gradient(["pool2", "d.pool2"], pool2_len);
        let argmax2 = workspace.tensor("argmax2", pool2_len);
        let fc1 = workspace.with_gradient(["fc1", "d.fc1"], fc1_len);
        let bn3 = normalised(workspace, ["bn3", "d.bn3"], fc1_len);
        let fc2 = workspace.with_gradient(["fc2", "d.fc2"], fc2_len);
        let bn4 = normalised(workspace, ["bn4", "d.bn4"], fc2_len);
        let outputs = workspace.with_gradient(["outputs", "d.logits"], network.fc3().outputs);

        let mut norm = |layer, shape, activation, x, y: Option<WithGradient>| {
            y.map(|y| BatchNorm::new(layer, shape, activation, x, y, table, workspace))
        };
        let norms = [
            norm("bn1", network.bn1(), Relu, conv1, bn1),
            norm("bn2", network.bn2(), Relu, conv2, bn2),
            norm("bn3", network.bn3(), network.activation, fc1, bn3),
            norm("bn4", network.bn4(), network.activation, fc2, bn4),
        ];
        let weights = ["conv1", "conv2", "fc1", "fc2", "fc3"].map(|layer| Weights::of(table, layer));
        Self { network, x, conv1, pool1, argmax1, conv2, pool2, argmax2, fc1, fc2, outputs, norms, weights }
    }

    /// The inputs of pool1, pool2, fc2 and fc3: the outputs of the layers before them, normalised if the network
    /// has batch normalisation.
    fn normalised(&self) -> [WithGradient; 4] {
        let layers = [self.conv1, self.conv2, self.fc1, self.fc2];
        let [bn1, bn2, bn3, bn4] = self.norms.each_ref().map(|norm| norm.as_ref().map(|norm| norm.offsets.y));
        [(bn1, layers[0]), (bn2, layers[1]), (bn3, layers[2]), (bn4, layers[3])]
            .map(|(norm, layer)| norm.unwrap_or(layer))
    }

    fn forward(&self, setup: &Setup, config: &KernelConfig, step: &mut StepKernels) {
        let Self { network, x, .. } = *self;
        let [conv1, conv2, fc1, fc2, fc3] = self.weights;
        let [pool1_in, pool2_in, fc2_in, fc3_in] = self.normalised();
        let [bn1, bn2, bn3, bn4] = self.norms.each_ref().map(|norm| norm.as_ref());
        let frozen = setup.optimizer.frozen.contains(LayerKind::Conv);
        let activation = network.activation;
        let log_softmax = |layer, outputs, y: WithGradient| {
            (activation == LogSoftmax).then(|| kernels::log_softmax(layer, outputs, config, y.value))
        };

        match setup.augmented {
            true => {
                step.push(Phase::Training, kernels::gather(network.channels, true, config, x));
                step.push(Phase::Evaluation, kernels::gather(network.channels, false, config, x));
            }
            false => step.push(Phase::Always, kernels::gather(network.channels, false, config, x)),
        }
        let offsets = ConvForwardOffsets { x, y: self.conv1.value, weights: conv1 };
        step.push(Phase::Always, kernels::conv_forward("conv1", &network.conv1(), Relu, config, &offsets));
        BatchNorm::forward(bn1, frozen, config, step);
        let offsets = MaxPoolOffsets { x: pool1_in.value, y: self.pool1.value, argmax: self.argmax1 };
        step.push(Phase::Always, kernels::max_pool("pool1", &network.pool1(), config, &offsets));

        let offsets = ConvForwardOffsets { x: self.pool1.value, y: self.conv2.value, weights: conv2 };
        step.push(Phase::Always, kernels::conv_forward("conv2", &network.conv2(), Relu, config, &offsets));
        BatchNorm::forward(bn2, frozen, config, step);
        let offsets = MaxPoolOffsets { x: pool2_in.value, y: self.pool2.value, argmax: self.argmax2 };
        step.push(Phase::Always, kernels::max_pool("pool2", &network.pool2(), config, &offsets));

        let offsets = DenseForwardOffsets { x: self.pool2.value, y: self.fc1.value, weights: fc1 };
        step.push(Phase::Always, kernels::dense_forward("fc1", &network.fc1(), activation, config, &offsets));
        step.extend(Phase::Always, log_softmax("fc1", network.fc1().outputs, self.fc1));
        BatchNorm::forward(bn3, false, config, step);

        let offsets = DenseForwardOffsets { x: fc2_in.value, y: self.fc2.value, weights: fc2 };
        step.push(Phase::Always, kernels::dense_forward("fc2", &network.fc2(), activation, config, &offsets));
        step.extend(Phase::Always, log_softmax("fc2", network.fc2().outputs, self.fc2));
        BatchNorm::forward(bn4, false, config, step);

        let offsets = LossOffsets { x: fc3_in.value, outputs: self.outputs, weights: fc3 };
        let dense_loss =
            |weighted| kernels::dense_loss("fc3", &network.fc3(), &setup.loss, weighted, config, &offsets);
        match setup.class_weighted {
            true => {
                step.push(Phase::Training, dense_loss(true));
                step.push(Phase::Evaluation, dense_loss(false));
            }
            false => step.push(Phase::Always, dense_loss(false)),
        }
    }

    /// The activation whose derivative the backward kernel after it applies: the identity if a batch normalisation
    /// follows, which applies it itself.
    fn through(&self, activation: Activation) -> Activation {
        if self.network.batch_norm { Identity } else { activation }
    }

    /// The backward pass through fc3, fc2 and fc1. A layer's backward kernel also applies the derivative of the
    /// activation that precedes the layer. fc1 is preceded by a pool, whose backward kernel applies that of the
    /// convolution's ReLU. Frozen convolutions do not need the gradient of fc1's input.
    fn backward_dense(&self, frozen_conv: bool, config: &KernelConfig, step: &mut StepKernels) {
        let network = self.network;
        let [_, _, fc1, fc2, fc3] = self.weights;
        let [_, _, fc2_in, fc3_in] = self.normalised();
        let [_, _, bn3, bn4] = self.norms.each_ref().map(|norm| norm.as_ref());
        let activation = self.through(network.activation);
        let log_softmax_backward = |layer, outputs, y: WithGradient| {
            let used = network.activation == LogSoftmax;
            used.then(|| kernels::log_softmax_backward(layer, outputs, config, &y))
        };
        let dense = |x: WithGradient, y: WithGradient, weights| DenseBackwardOffsets {
            x: x.value,
            dx: x.gradient,
            dy: y.gradient,
            weights,
        };
        let mut push = |kernel| step.push(Phase::Training, kernel);

        let offsets = dense(fc3_in, self.outputs, fc3);
        push(kernels::dense_backward("fc3", &network.fc3(), activation, config, &offsets));
        BatchNorm::backward(bn4, config, &mut push);
        log_softmax_backward("fc2", network.fc2().outputs, self.fc2).into_iter().for_each(&mut push);
        let offsets = dense(fc2_in, self.fc2, fc2);
        push(kernels::dense_backward("fc2", &network.fc2(), activation, config, &offsets));
        BatchNorm::backward(bn3, config, &mut push);
        log_softmax_backward("fc1", network.fc1().outputs, self.fc1).into_iter().for_each(&mut push);
        let offsets = dense(self.pool2, self.fc1, fc1);
        push(match frozen_conv {
            false => kernels::dense_backward("fc1", &network.fc1(), Identity, config, &offsets),
            true => kernels::dense_backward_weight("fc1", &network.fc1(), config, &offsets),
        });
    }

    /// The backward pass through pool2, conv2, pool1 and conv1.
    fn backward_conv(&self, config: &KernelConfig, partials: PartialSums, step: &mut StepKernels) {
        let network = self.network;
        let [conv1, conv2, ..] = self.weights;
        let [pool1_in, pool2_in, ..] = self.normalised();
        let [bn1, bn2, ..] = self.norms.each_ref().map(|norm| norm.as_ref());
        let relu = self.through(Relu);
        let pool = |x: WithGradient, y: WithGradient, argmax| MaxPoolBackwardOffsets {
            dx: x.gradient,
            y: y.value,
            dy: y.gradient,
            argmax,
        };
        let mut push = |kernel| step.push(Phase::Training, kernel);

        let offsets = pool(pool2_in, self.pool2, self.argmax2);
        push(kernels::max_pool_backward("pool2", &network.pool2(), relu, config, &offsets));
        BatchNorm::backward(bn2, config, &mut push);
        let (x, dy) = (self.pool1, self.conv2.gradient);
        let offsets = ConvBackwardWeightOffsets { x: x.value, dy, weights: conv2, partials };
        push(kernels::conv_backward_weight("conv2", &network.conv2(), config, &offsets));
        let offsets = ConvBackwardInputOffsets { dx: x.gradient, dy, weights: conv2 };
        push(kernels::conv_backward_input("conv2", &network.conv2(), config, &offsets));

        let offsets = pool(pool1_in, self.pool1, self.argmax1);
        push(kernels::max_pool_backward("pool1", &network.pool1(), relu, config, &offsets));
        BatchNorm::backward(bn1, config, &mut push);
        let dy = self.conv1.gradient;
        let offsets = ConvBackwardWeightOffsets { x: self.x, dy, weights: conv1, partials };
        push(kernels::conv_backward_weight("conv1", &network.conv1(), config, &offsets));
    }
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

    /// A frozen batch normalisation uses the running statistics in training too, and does not update them.
    fn forward(norm: Option<&Self>, frozen: bool, config: &KernelConfig, step: &mut StepKernels) {
        let Some(Self { layer, shape, offsets, ends, .. }) = norm else { return };
        let forward = |mode| kernels::batch_norm_forward(layer, shape, mode, config, offsets);
        if frozen {
            return step.push(Phase::Always, forward(Mode::Evaluate));
        }
        step.push(Phase::Training, kernels::batch_norm_statistics(layer, shape, ends.clone(), offsets));
        step.push(Phase::Training, forward(Mode::Train));
        step.push(Phase::Evaluation, forward(Mode::Evaluate));
    }

    fn backward(norm: Option<&Self>, config: &KernelConfig, push: &mut impl FnMut(Kernel)) {
        let Some(Self { layer, shape, activation, offsets, .. }) = norm else { return };
        push(kernels::batch_norm_backward_weight(layer, shape, offsets));
        push(kernels::batch_norm_backward_input(layer, shape, *activation, config, offsets));
    }
}
