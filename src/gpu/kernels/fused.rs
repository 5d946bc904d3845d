//! The kernels that take several layers at once: LeNet-5's fast path.

use super::{Kernel, Partials, Places};
use crate::engine::Mode;
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::{FusedConfig, KernelConfig};
use crate::gpu::shader::{Choice, Constant};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Activation, LeNet5};

/// Where the tensors of the two convolution blocks stand: `x` of the second one is pool1, `y` of each its
/// pool's output, `argmax` that pool's.
#[derive(Debug, Clone, Copy)]
pub struct ConvBlocks {
    pub first: Places,
    pub second: Places,
}

/// Where the tensors of the dense layers stand, each with its outputs as `y`.
#[derive(Debug, Clone, Copy)]
pub struct DenseHead {
    pub fc1: Places,
    pub fc2: Places,
    pub fc3: Places,
}

/// `shaders/kernels/fused_conv_forward.wgsl`, as one of the passes has it.
pub fn conv_forward(
    network: &LeNet5,
    augmented: bool,
    pass: Mode,
    plan: &KernelConfig,
    at: &ConvBlocks,
) -> Kernel {
    let mut constants = block_constants(network, at);
    constants.extend([
        ("BLOCK_FILTERS", plan.fused.conv_filters.into()),
        ("BACKWARD", (pass == Mode::Train).into()),
    ]);
    let (plan, label) = (plan.fusing(), format!("conv blocks forward{}", suffix(pass)));
    Kernel::new("fused_conv_forward", label, &plan, Grid::workgroup_per_image(&plan), constants)
        .choosing(Choice::activation(Activation::Relu))
        .choosing(Choice::input(augmented && pass == Mode::Train))
        .only_in(pass)
}

/// `shaders/kernels/fused_dense.wgsl`, as one of the passes has it, for batches of up to `batch` images.
pub fn dense(network: &LeNet5, pass: Mode, batch: usize, plan: &KernelConfig, at: &DenseHead) -> Kernel {
    let FusedConfig { head_images, head_groups, head_share, head_loads, .. } = plan.fused;
    // Few images go one by one, so that all of the device has work; of many, several share each weight loaded.
    let images = (batch / head_groups).clamp(1, head_images);
    let constants = vec![
        ("IMAGES", images.into()),
        ("SHARE", head_share.into()),
        ("LOADS", head_loads.into()),
        ("BACKWARD", (pass == Mode::Train).into()),
        ("POOL2_LEN", network.fc1().inputs.into()),
        ("FC1_LEN", network.fc1().outputs.into()),
        ("FC2_LEN", network.fc2().outputs.into()),
        ("CLASSES", network.classes.into()),
        ("LOGITS", (images * network.classes).into()),
        ("POOL2", at.fc1.x.into()),
        ("DPOOL2", at.fc1.dx.into()),
        ("FC1", at.fc2.x.into()),
        ("DFC1", at.fc2.dx.into()),
        ("FC2", at.fc3.x.into()),
        ("DFC2", at.fc3.dx.into()),
        ("OUTPUTS", at.fc3.y.into()),
        ("DLOGITS", at.fc3.dy.into()),
        ("WEIGHT_FC1", at.fc1.weight.into()),
        ("BIAS_FC1", at.fc1.bias.into()),
        ("WEIGHT_FC2", at.fc2.weight.into()),
        ("BIAS_FC2", at.fc2.bias.into()),
        ("WEIGHT_FC3", at.fc3.weight.into()),
        ("BIAS_FC3", at.fc3.bias.into()),
    ];
    let plan = plan.fusing();
    let grid = Grid { images, ..Grid::workgroup_per_image(&plan) };
    let label = match pass {
        Mode::Train => "dense layers, loss and back".to_owned(),
        Mode::Evaluate => format!("dense layers and loss{}", suffix(pass)),
    };
    Kernel::new("fused_dense", label, &plan, grid, constants)
        .choosing(Choice::activation(Activation::Relu))
        .only_in(pass)
}

/// `shaders/kernels/fused_conv_backward.wgsl`.
pub fn conv_backward(
    network: &LeNet5,
    augmented: bool,
    plan: &KernelConfig,
    at: &ConvBlocks,
    partials: &Partials,
) -> Kernel {
    let mut constants = block_constants(network, at);
    constants.extend([
        ("SPLIT", plan.fused.conv_split.into()),
        ("DPOOL2", at.second.dy.into()),
        ("CHUNKS", partials.chunks.into()),
        ("PARTIAL_LEN", partials.len.into()),
    ]);
    let grid = Grid::workgroups_per_chunk(plan.fused.conv_split, partials.chunks);
    Kernel::new("fused_conv_backward", "conv blocks backward", &plan.fusing(), grid, constants)
        .choosing(Choice::activation(Activation::Relu))
        .choosing(Choice::input(augmented))
}

fn suffix(pass: Mode) -> &'static str {
    match pass {
        Mode::Train => "",
        Mode::Evaluate => ", evaluation",
    }
}

fn block_constants(network: &LeNet5, at: &ConvBlocks) -> Vec<(&'static str, Constant)> {
    vec![
        ("CHANNELS", network.channels.into()),
        ("SIDE", IMAGE_SIDE.into()),
        ("SIZE", network.conv1().size.into()),
        ("FILTERS1", network.conv1().filters.into()),
        ("FILTERS2", network.conv2().filters.into()),
        ("SIDE1", network.pool1().out_width().into()),
        ("SIDE2", network.pool2().out_width().into()),
        ("POOL1", at.first.y.into()),
        ("ARGMAX1", at.first.argmax.into()),
        ("POOL2", at.second.y.into()),
        ("ARGMAX2", at.second.argmax.into()),
        ("WEIGHT1", at.first.weight.into()),
        ("BIAS1", at.first.bias.into()),
        ("WEIGHT2", at.second.weight.into()),
        ("BIAS2", at.second.bias.into()),
    ]
}
