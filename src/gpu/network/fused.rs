//! The fused kernels: LeNet-5 as most runs train it, in four dispatches a step.
//!
//! Of the maps, those are kept that a later dispatch needs: what the pools and the dense layers give, and their
//! gradients. Whatever lies between a convolution and its pool stays in registers.

use super::workspace::{Map, Workspace};
use super::{StepPlan, ending};
use crate::engine::{Mode, Setup};
use crate::gpu::kernel_config::KernelConfig;
use crate::gpu::kernels::fused::{ConvBlocks, DenseHead, conv_backward, conv_forward, dense};
use crate::gpu::kernels::{GradientSource, Partials, Places};
use crate::model::ParameterTable;

/// Lines up the fused kernels of a setup that they can take, for up to `largest_batch` images at once.
pub fn line_up(setup: &Setup, largest_batch: usize, plan: &KernelConfig) -> StepPlan {
    let (network, table) = (&setup.network, ParameterTable::new(&setup.network));
    let mut space = Workspace::new(largest_batch);
    let layer = |layer: &str| Places {
        weight: table.get(&format!("{layer}.weight")).offset,
        bias: table.get(&format!("{layer}.bias")).offset,
        ..Places::default()
    };

    // pool1's gradient never leaves a workgroup.
    let pool1 = Map { value: space.place("pool1", network.pool1().out_len()), gradient: 0 };
    let argmax1 = space.place("argmax1", network.pool1().out_len());
    let pool2 = space.map(["pool2", "d.pool2"], network.pool2().out_len());
    let argmax2 = space.place("argmax2", network.pool2().out_len());
    let fc1 = space.map(["fc1", "d.fc1"], network.fc1().outputs);
    let fc2 = space.map(["fc2", "d.fc2"], network.fc2().outputs);
    let outputs = space.map(["outputs", "d.logits"], network.fc3().outputs);
    let partials = Partials { len: table.conv_len(), chunks: plan.fused.chunks };

    let blocks = ConvBlocks {
        first: Places { y: pool1.value, argmax: argmax1, ..layer("conv1") },
        second: Places { argmax: argmax2, ..layer("conv2").between(pool1, pool2) },
    };
    let head = DenseHead {
        fc1: layer("fc1").between(pool2, fc1),
        fc2: layer("fc2").between(fc1, fc2),
        fc3: layer("fc3").between(fc2, outputs),
    };
    let dense_layers = vec![(network.fc1(), head.fc1), (network.fc2(), head.fc2), (network.fc3(), head.fc3)];
    let gradients = GradientSource::OuterProducts(partials, dense_layers);
    let (sums, update) = ending(setup, table.trained(), plan, gradients);

    let conv_forward = |pass| conv_forward(network, setup.augmented, pass, plan, &blocks);
    let dense = |pass, batch| dense(network, pass, batch, plan, &head);
    StepPlan {
        forward: vec![
            conv_forward(Mode::Train),
            conv_forward(Mode::Evaluate),
            dense(Mode::Train, setup.micro_batch_size()),
            dense(Mode::Evaluate, largest_batch),
        ],
        backward: [conv_backward(network, setup.augmented, plan, &blocks, &partials)]
            .into_iter()
            .chain(sums)
            .collect(),
        update,
        maps: space.maps,
        workspace_len: space.len,
        partials_len: partials.chunks * partials.len,
    }
}
