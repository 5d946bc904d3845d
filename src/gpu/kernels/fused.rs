//! The kernels that compute several layers of LeNet-5 at once.

use super::gather::read_cost;
use super::loss::{FLOPS_PER_CLASS, OUTCOME_BYTES};
use super::{Constants, Kernel, PartialSums, Weights, WithGradient, WorkspaceOffset};
use crate::engine::{Mode, Setup};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::{FusedConfig, KernelConfig};
use crate::gpu::shader::Variant;
use crate::model::lenet::IMAGE_SIDE;
use crate::model::parameters::LayerKind;
use crate::model::{Activation, Frozen, LeNet5};

/// The tensors of the two convolution blocks. The gradient of the first pool's output never leaves a workgroup.
#[derive(Debug, Clone, Copy)]
pub struct ConvBlockOffsets {
    pub conv1: Weights,
    pub pool1: WorkspaceOffset,
    pub argmax1: WorkspaceOffset,
    pub conv2: Weights,
    pub pool2: WithGradient,
    pub argmax2: WorkspaceOffset,
}

/// The tensors of the three dense layers and the loss.
#[derive(Debug, Clone, Copy)]
pub struct DenseHeadOffsets {
    pub pool2: WithGradient,
    pub fc1: WithGradient,
    pub fc2: WithGradient,
    /// The log-probabilities, and the gradient of the logits.
    pub outputs: WithGradient,
    pub fc1_weights: Weights,
    pub fc2_weights: Weights,
    pub fc3_weights: Weights,
}

/// `fused_conv_forward`: from the stored images to the second pool. In training it also stores what the backward pass
/// needs, unless the convolutions are frozen.
pub fn conv_forward(
    network: &LeNet5,
    augmented: bool,
    mode: Mode,
    frozen: Frozen,
    config: &KernelConfig,
    offsets: &ConvBlockOffsets,
) -> Kernel {
    let augmented = augmented && mode == Mode::Train;
    let backward = mode == Mode::Train && !frozen.contains(LayerKind::Conv);
    let mut constants = block_constants(network, offsets);
    constants.extend([("BLOCK_FILTERS", config.fused.conv_filters.into()), ("BACKWARD", backward.into())]);
    let [pool1, pool2] = [network.pool1().out_len(), network.pool2().out_len()];
    let [filter1, filter2] = filter_lens(network);
    // Each pooled value is the largest of four.
    let flops = 4 * (2 * (pool1 * filter1 + pool2 * filter2) + pool1 + pool2);
    let kept = if backward { 2 * (pool1 + pool2) } else { pool2 };
    let parameters = network.conv1().filters * (filter1 + 1) + network.conv2().filters * (filter2 + 1);
    let cost = BatchCost::per_image(read_cost(network.channels, augmented) + Cost::new(flops, kept))
        .and_per_batch(Cost::new(0, parameters));
    let (label, grid) = (format!("conv blocks forward{}", suffix(mode)), Grid::workgroup_per_image());
    Kernel::new("fused_conv_forward", label, FusedConfig::WORKGROUP, grid, cost, constants)
        .with(Variant::activation(Activation::Relu))
        .with(Variant::input(augmented))
}

/// `fused_dense`, for batches of up to `batch` images: the dense layers and the loss and, in training, their backward
/// pass down to the second pool.
pub fn dense(
    setup: &Setup,
    mode: Mode,
    batch: usize,
    config: &KernelConfig,
    offsets: &DenseHeadOffsets,
) -> Kernel {
    let network = &setup.network;
    let backward = mode == Mode::Train;
    let FusedConfig { head_images, head_groups, head_share, head_loads, .. } = config.fused;
    // Small batches take one image per workgroup, to keep the whole device busy; in large ones several images share
    // each weight that is loaded.
    let images = (batch / head_groups).clamp(1, head_images);
    let DenseHeadOffsets { pool2, fc1, fc2, outputs, fc1_weights, fc2_weights, fc3_weights } = *offsets;
    let constants = vec![
        ("IMAGES", images.into()),
        ("SHARE", head_share.into()),
        ("LOADS", head_loads.into()),
        ("BACKWARD", backward.into()),
        ("POOL2_LEN", network.fc1().inputs.into()),
        ("FC1_LEN", network.fc1().outputs.into()),
        ("FC2_LEN", network.fc2().outputs.into()),
        ("CLASSES", network.classes.into()),
        ("LOGITS", (images * network.classes).into()),
        ("POOL2", pool2.value.into()),
        ("DPOOL2", pool2.gradient.into()),
        ("FC1", fc1.value.into()),
        ("DFC1", fc1.gradient.into()),
        ("FC2", fc2.value.into()),
        ("DFC2", fc2.gradient.into()),
        ("OUTPUTS", outputs.value.into()),
        ("DLOGITS", outputs.gradient.into()),
        ("WEIGHT_FC1", fc1_weights.weight.into()),
        ("BIAS_FC1", fc1_weights.bias.into()),
        ("WEIGHT_FC2", fc2_weights.weight.into()),
        ("BIAS_FC2", fc2_weights.bias.into()),
        ("WEIGHT_FC3", fc3_weights.weight.into()),
        ("BIAS_FC3", fc3_weights.bias.into()),
    ];
    let layers = [network.fc1(), network.fc2(), network.fc3()];
    let weights: usize = layers.iter().map(|layer| layer.weight_len()).sum();
    let biases: usize = layers.iter().map(|layer| layer.outputs).sum();
    let (passes, kept) = match mode {
        Mode::Train => (2, 2 * (network.fc1().inputs + biases)),
        Mode::Evaluate => (1, network.fc1().inputs + network.classes),
    };
    let per_image = Cost::new(2 * passes * weights + FLOPS_PER_CLASS * network.classes, kept);
    let cost = BatchCost::per_image(per_image.plus_bytes(OUTCOME_BYTES))
        .and_per_batch(Cost::new(0, weights + biases));
    let label = match mode {
        Mode::Train => "dense layers, loss and backward".to_owned(),
        Mode::Evaluate => format!("dense layers and loss{}", suffix(mode)),
    };
    let grid = Grid::workgroup_per_block(images);
    Kernel::new("fused_dense", label, FusedConfig::WORKGROUP, grid, cost, constants)
        .with(Variant::activation(Activation::Relu))
        .with(Variant::loss(setup.loss.kind, setup.class_weighted && backward))
        .with(Variant::target(setup.class_weighted && backward))
}

/// `fused_conv_backward`: from the gradient of the second pool to partial sums of the convolutions' gradients.
pub fn conv_backward(
    network: &LeNet5,
    augmented: bool,
    config: &KernelConfig,
    offsets: &ConvBlockOffsets,
    partials: &PartialSums,
) -> Kernel {
    let mut constants = block_constants(network, offsets);
    constants.extend([
        ("SPLIT", config.fused.conv_split.into()),
        ("DPOOL2", offsets.pool2.gradient.into()),
        ("CHUNKS", partials.chunks.into()),
        ("PARTIAL_LEN", partials.len.into()),
    ]);
    let [pool1, pool2] = [network.pool1().out_len(), network.pool2().out_len()];
    let [filter1, filter2] = filter_lens(network);
    // A gradient reaches only the maxima, one position of four.
    let flops = 2 * (pool1 * filter1 + 2 * pool2 * filter2) + pool1 + pool2;
    let read = 2 * pool1 + 3 * pool2;
    let cost = BatchCost::per_image(read_cost(network.channels, augmented) + Cost::new(flops, read))
        .and_per_chunk(partials.chunks, Cost::new(0, partials.len))
        .and_per_batch(Cost::new(0, network.conv2().weight_len()));
    let grid = Grid::workgroups_per_chunk(config.fused.conv_split, partials.chunks);
    let label = "conv blocks backward";
    Kernel::new("fused_conv_backward", label, FusedConfig::WORKGROUP, grid, cost, constants)
        .with(Variant::activation(Activation::Relu))
        .with(Variant::input(augmented))
}

fn suffix(mode: Mode) -> &'static str {
    match mode {
        Mode::Train => "",
        Mode::Evaluate => ", evaluation",
    }
}

/// Values of one filter of each convolution.
fn filter_lens(network: &LeNet5) -> [usize; 2] {
    [network.conv1(), network.conv2()].map(|conv| conv.channels * conv.size * conv.size)
}

fn block_constants(network: &LeNet5, offsets: &ConvBlockOffsets) -> Constants {
    vec![
        ("CHANNELS", network.channels.into()),
        ("SIDE", IMAGE_SIDE.into()),
        ("SIZE", network.conv1().size.into()),
        ("FILTERS1", network.conv1().filters.into()),
        ("FILTERS2", network.conv2().filters.into()),
        ("SIDE1", network.pool1().out_width().into()),
        ("SIDE2", network.pool2().out_width().into()),
        ("POOL1", offsets.pool1.into()),
        ("ARGMAX1", offsets.argmax1.into()),
        ("POOL2", offsets.pool2.value.into()),
        ("ARGMAX2", offsets.argmax2.into()),
        ("WEIGHT1", offsets.conv1.weight.into()),
        ("BIAS1", offsets.conv1.bias.into()),
        ("WEIGHT2", offsets.conv2.weight.into()),
        ("BIAS2", offsets.conv2.bias.into()),
    ]
}
