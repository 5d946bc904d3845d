//! The layered kernels: one an operation, for every network.

use super::workspace::{Map, Workspace};
use super::{StepPlan, ending};
use crate::engine::{Mode, Setup};
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::kernels::{self, GradientSource, Kernel, NormPlaces, Partials, Places};
use crate::model::{Activation, NormShape, ParameterTable};

/// Lines up the layered kernels of a setup for up to `largest_batch` images at once.
pub fn line_up(setup: &Setup, largest_batch: usize, plan: &KernelConfig) -> StepPlan {
    let network = &setup.network;
    let table = ParameterTable::new(network);
    let mut space = Workspace::new(largest_batch);
    let weights = |layer: &str| Places {
        weight: table.get(&format!("{layer}.weight")).offset,
        bias: table.get(&format!("{layer}.bias")).offset,
        ..Places::default()
    };

    let (conv1, pool1) = (network.conv1(), network.pool1());
    let (conv2, pool2) = (network.conv2(), network.pool2());
    let (fc1, fc2, fc3) = (network.fc1(), network.fc2(), network.fc3());

    // Each map beside its gradient; only the input has none.
    let x = space.place("x", network.image_len());
    let conv1_map = space.map(["conv1", "d.conv1"], conv1.out_len());
    let bn1_map = space.map_if(network.batch_norm, ["bn1", "d.bn1"], conv1.out_len());
    let pool1_map = space.map(["pool1", "d.pool1"], pool1.out_len());
    let pool1_argmax = space.place("argmax1", pool1.out_len());
    let conv2_map = space.map(["conv2", "d.conv2"], conv2.out_len());
    let bn2_map = space.map_if(network.batch_norm, ["bn2", "d.bn2"], conv2.out_len());
    let pool2_map = space.map(["pool2", "d.pool2"], pool2.out_len());
    let pool2_argmax = space.place("argmax2", pool2.out_len());
    let fc1_map = space.map(["fc1", "d.fc1"], fc1.outputs);
    let bn3_map = space.map_if(network.batch_norm, ["bn3", "d.bn3"], fc1.outputs);
    let fc2_map = space.map(["fc2", "d.fc2"], fc2.outputs);
    let bn4_map = space.map_if(network.batch_norm, ["bn4", "d.bn4"], fc2.outputs);
    let outputs = space.map(["outputs", "d.logits"], fc3.outputs);

    // What follows is not an image's, and as large for every batch.
    let mut norm = |layer, shape, activation, input, output: Option<Map>| {
        output.map(|output| Norm::new(layer, shape, activation, input, output, &table, &mut space))
    };
    let act = network.activation;
    let bn1 = norm("bn1", network.bn1(), Activation::Relu, conv1_map, bn1_map);
    let bn2 = norm("bn2", network.bn2(), Activation::Relu, conv2_map, bn2_map);
    let bn3 = norm("bn3", network.bn3(), act, fc1_map, bn3_map);
    let bn4 = norm("bn4", network.bn4(), act, fc2_map, bn4_map);
    let partials = Partials { len: table.conv_len(), chunks: plan.weight_chunks };

    let at_conv1 = Places { x, y: conv1_map.value, dy: conv1_map.gradient, ..weights("conv1") };
    let at_pool1 =
        Places { argmax: pool1_argmax, ..Places::default() }.between(bn1_map.unwrap_or(conv1_map), pool1_map);
    let at_conv2 = weights("conv2").between(pool1_map, conv2_map);
    let at_pool2 =
        Places { argmax: pool2_argmax, ..Places::default() }.between(bn2_map.unwrap_or(conv2_map), pool2_map);
    let at_fc1 = weights("fc1").between(pool2_map, fc1_map);
    let at_fc2 = weights("fc2").between(bn3_map.unwrap_or(fc1_map), fc2_map);
    let at_fc3 = weights("fc3").between(bn4_map.unwrap_or(fc2_map), outputs);

    use Activation::{Identity, LogSoftmax, Relu};
    let log_softmax =
        |layer, outputs, at| (act == LogSoftmax).then(|| kernels::log_softmax(layer, outputs, plan, at));
    let gather = |augmented| kernels::gather(network.channels, augmented, plan, x);
    let mut forward = match setup.augmented {
        true => vec![gather(true).only_in(Mode::Train), gather(false).only_in(Mode::Evaluate)],
        false => vec![gather(false)],
    };
    forward.push(kernels::conv_forward("conv1", &conv1, Relu, plan, &at_conv1));
    forward.extend(bn1.iter().flat_map(|norm| norm.forward(plan)));
    forward.push(kernels::max_pool("pool1", &pool1, plan, &at_pool1));
    forward.push(kernels::conv_forward("conv2", &conv2, Relu, plan, &at_conv2));
    forward.extend(bn2.iter().flat_map(|norm| norm.forward(plan)));
    forward.push(kernels::max_pool("pool2", &pool2, plan, &at_pool2));
    forward.push(kernels::dense_forward("fc1", &fc1, act, plan, &at_fc1));
    forward.extend(log_softmax("fc1", fc1.outputs, &at_fc1));
    forward.extend(bn3.iter().flat_map(|norm| norm.forward(plan)));
    forward.push(kernels::dense_forward("fc2", &fc2, act, plan, &at_fc2));
    forward.extend(log_softmax("fc2", fc2.outputs, &at_fc2));
    forward.extend(bn4.iter().flat_map(|norm| norm.forward(plan)));
    forward.push(kernels::dense_loss("fc3", &fc3, &setup.loss, plan, &at_fc3));

    // A layer's backward kernel takes the gradient through the activation before it, unless a batch
    // normalisation stands between: then that one's does. Before fc1 stands a pool, whose backward kernel
    // does it for the convolution.
    let through = |activation| if network.batch_norm { Identity } else { activation };
    let log_softmax_backward = |layer, outputs, at| {
        (act == LogSoftmax).then(|| kernels::log_softmax_backward(layer, outputs, plan, at))
    };
    let mut backward = vec![kernels::dense_backward("fc3", &fc3, through(act), plan, &at_fc3)];
    backward.extend(bn4.iter().flat_map(|norm| norm.backward(plan)));
    backward.extend(log_softmax_backward("fc2", fc2.outputs, &at_fc2));
    backward.push(kernels::dense_backward("fc2", &fc2, through(act), plan, &at_fc2));
    backward.extend(bn3.iter().flat_map(|norm| norm.backward(plan)));
    backward.extend(log_softmax_backward("fc1", fc1.outputs, &at_fc1));
    backward.push(kernels::dense_backward("fc1", &fc1, Identity, plan, &at_fc1));
    backward.push(kernels::max_pool_backward("pool2", &pool2, through(Relu), plan, &at_pool2));
    backward.extend(bn2.iter().flat_map(|norm| norm.backward(plan)));
    backward.push(kernels::conv_backward_weight("conv2", &conv2, plan, &at_conv2, &partials));
    backward.push(kernels::conv_backward_input("conv2", &conv2, plan, &at_conv2));
    backward.push(kernels::max_pool_backward("pool1", &pool1, through(Relu), plan, &at_pool1));
    backward.extend(bn1.iter().flat_map(|norm| norm.backward(plan)));
    backward.push(kernels::conv_backward_weight("conv1", &conv1, plan, &at_conv1, &partials));
    let (sums, update) = ending(setup, table.trained(), plan, GradientSource::PartialSums(partials));
    backward.extend(sums);
    StepPlan {
        forward,
        backward,
        update,
        maps: space.maps,
        workspace_len: space.len,
        partials_len: partials.chunks * partials.len,
    }
}

/// A batch normalisation with its places.
struct Norm {
    layer: &'static str,
    shape: NormShape,
    /// The one before it.
    activation: Activation,
    at: NormPlaces,
    /// Where all tensors end.
    ends: Vec<usize>,
}

impl Norm {
    fn new(
        layer: &'static str,
        shape: NormShape,
        activation: Activation,
        input: Map,
        output: Map,
        table: &ParameterTable,
        space: &mut Workspace,
    ) -> Self {
        let offset = |name: &str| table.get(&format!("{layer}.{name}")).offset;
        let at = NormPlaces {
            x: input.value,
            dx: input.gradient,
            y: output.value,
            dy: output.gradient,
            mean: space.fixed(shape.channels),
            variance: space.fixed(shape.channels),
            weight: offset("weight"),
            bias: offset("bias"),
            running_mean: offset("running_mean"),
            running_var: offset("running_var"),
        };
        let ends = table.tensors().iter().map(|tensor| tensor.range().end).collect();
        Self { layer, shape, activation, at, ends }
    }

    fn forward(&self, plan: &KernelConfig) -> [Kernel; 3] {
        let Self { layer, shape, at, ends, .. } = self;
        [
            kernels::batch_norm_statistics(layer, shape, ends.clone(), plan, at),
            kernels::batch_norm_forward(layer, shape, Mode::Train, plan, at),
            kernels::batch_norm_forward(layer, shape, Mode::Evaluate, plan, at),
        ]
    }

    fn backward(&self, plan: &KernelConfig) -> [Kernel; 2] {
        let Self { layer, shape, activation, at, .. } = self;
        [
            kernels::batch_norm_backward_weight(layer, shape, plan, at),
            kernels::batch_norm_backward_input(layer, shape, *activation, plan, at),
        ]
    }
}
