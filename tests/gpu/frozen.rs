//! Frozen convolutions on the GPU. `lenet_gpu::verify` compares the trained layers with the reference; these tests compare
//! bits.
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::common::context;
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{
    Clip, Engine, Epoch, LARGEST_MICRO_BATCH, Optimizer, Rule, Setup, Sgd, Split, steps,
};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::parameters::LayerKind;
use lenet_gpu::model::{Frozen, Init, LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// Trains two steps and checks which tensors changed.
#[track_caller]
fn assert_only_dense_layers_change(set: KernelSet, setup: &Setup) {
    let count = 2 * setup.batch_size;
    let pixels = (0..count * 784).map(|index| (index * 7 % 251) as u8).collect();
    let labels = (0..count).map(|index| (index % 10) as u16).collect();
    let images = ImageSet { channels: 1, height: 28, width: 28, pixels, labels };
    let kernels = KernelConfig { set, ..KernelConfig::SOFTWARE };
    let options = GpuOptions { setup: *setup, residency: Residency::Auto, kernels };
    let table = ParameterTable::new(&setup.network);
    let before = Init::Pytorch.arena(&table, 0);

    let mut engine = GpuEngine::new(context(), options).unwrap();
    engine.load(Split::Train, Arc::new(images)).unwrap();
    engine.set_parameters(&before).unwrap();
    let order: Vec<_> = (0..count as u32).collect();
    let steps = steps(count, setup.batch_size, 0.01);
    engine.train(&Epoch::new(&order, &steps), &mut |_, _| ControlFlow::Continue(())).unwrap();

    let (after, gradients) = (engine.parameters().unwrap(), engine.gradients().unwrap());
    let state = engine.optimizer_state().unwrap();
    for tensor in table.tensors() {
        let is_frozen = tensor.kind == LayerKind::Conv;
        let same = tensor.range().all(|i| before[i].to_bits() == after[i].to_bits());
        assert_eq!(same, is_frozen, "{}", tensor.name);
        if is_frozen && tensor.role.is_trained() {
            for values in [&gradients, &state.first_moment, &state.second_moment] {
                assert!(values[tensor.range()].iter().all(|&value| value == 0.0), "{}", tensor.name);
            }
        }
    }
}

/// Optimizers that would change a parameter whose gradient is 0.
fn optimizers() -> [Optimizer; 2] {
    let clip = Clip { norm: Some(0.05), ..Clip::default() };
    let adam =
        Optimizer { weight_decay: 0.1, bound: Some(0.05), frozen: Frozen::Conv, ..Optimizer::default() };
    [adam, Optimizer { rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: true }), clip, ..adam }]
}

#[test]
fn fused_kernels_keep_every_bit_of_frozen_convolutions() {
    let [adam, sgd] = optimizers();
    assert_only_dense_layers_change(KernelSet::Fused, &Setup { optimizer: adam, ..Setup::new(NETWORK, 8) });
    let several = Setup { optimizer: sgd, ..Setup::new(NETWORK, LARGEST_MICRO_BATCH + 1) };
    assert_only_dense_layers_change(KernelSet::Fused, &several);
}

#[test]
fn layered_kernels_keep_every_bit_of_frozen_convolutions_and_their_batch_norm() {
    let network = LeNet5 { batch_norm: true, ..NETWORK };
    for optimizer in optimizers() {
        assert_only_dense_layers_change(KernelSet::Layered, &Setup { optimizer, ..Setup::new(network, 8) });
    }
}
