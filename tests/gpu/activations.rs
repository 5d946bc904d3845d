//! The outputs of all layers of the GPU engine, compared with those of the CPU engine.
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::common::context;
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Engine, Epoch, LayerOutput, Loss, LossKind, Setup, Split, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::{Activation, Init, LeNet5, ParameterTable};

const GREY: LeNet5 = LeNet5::new(1, 10);

/// Both engines round sums of up to 400 products, layer after layer. Relative to the largest value of a layer.
const TOLERANCE: f32 = 2e-5;

/// The same for log-probabilities, which have a magnitude of 4 for 37 classes.
const LOG_PROBABILITIES: f32 = 1e-4;

fn images(network: &LeNet5, images: usize) -> Arc<ImageSet> {
    let pixels = (0..images * network.channels * 784).map(|index| (index * 7 % 256) as u8).collect();
    let labels = (0..images).map(|index| (index % network.classes) as u16).collect();
    Arc::new(ImageSet { channels: network.channels, height: 28, width: 28, pixels, labels })
}

fn weights(network: &LeNet5) -> Vec<f32> {
    Init::Pytorch.arena(&ParameterTable::new(network), 3)
}

fn gpu_engine(setup: Setup, set: KernelSet, residency: Residency) -> GpuEngine {
    let kernels = KernelConfig { set, ..KernelConfig::SOFTWARE };
    GpuEngine::new(context(), GpuOptions { setup, residency, kernels }).unwrap()
}

fn outputs(engine: &mut dyn Engine, network: &LeNet5, count: usize) -> Vec<LayerOutput> {
    engine.set_parameters(&weights(network)).unwrap();
    engine.load(Split::Test, images(network, count)).unwrap();
    engine.activations(Split::Test).unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &[LayerOutput], expected: &[LayerOutput]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let layer = expected.layer;
        assert_eq!((found.layer, found.shape), (layer, expected.shape));
        assert_eq!(found.values.len(), expected.values.len(), "{layer}, {what}");
        let largest = expected.values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        assert!(largest > 0.0, "{layer}, {what}: all values are 0");
        let pairs = found.values.iter().zip(&expected.values);
        let error = pairs.map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max);
        assert!(error <= TOLERANCE, "{layer}, {what}: {error:e}");
    }
}

#[test]
fn layer_outputs_are_those_of_the_cpu_engine_and_end_in_the_log_probabilities() {
    const IMAGES: usize = 70; // Several forward passes with either kernel set.
    let tanh = LeNet5 { batch_norm: true, activation: Activation::Tanh, ..GREY };
    for (network, kind, set, residency) in [
        (GREY, LossKind::Nll, KernelSet::Fused, Residency::Auto),
        (LeNet5::new(3, 37), LossKind::CrossEntropy, KernelSet::Fused, Residency::Streamed),
        (LeNet5::new(3, 10), LossKind::Nll, KernelSet::Layered, Residency::Streamed),
        (tanh, LossKind::Mse, KernelSet::Layered, Residency::Auto),
    ] {
        let what = format!("{set:?}, {network:?}");
        let loss = Loss { kind, ..Loss::default() };
        let setup = Setup { loss, evaluation_batch: 32, ..Setup::new(network, 4) };
        let mut engine = gpu_engine(setup, set, residency);
        let found = outputs(&mut engine, &network, IMAGES);
        assert_close(&what, &found, &outputs(&mut CpuEngine::new(&setup), &network, IMAGES));

        let log_probabilities = engine.log_probabilities(Split::Test).unwrap();
        let last = &found.last().unwrap().values;
        assert_eq!(last.len(), log_probabilities.len());
        let error = last.iter().zip(&log_probabilities).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // The fused kernels sum in another order than those that store every layer's outputs.
        let bound = if set == KernelSet::Fused { LOG_PROBABILITIES } else { 0.0 };
        assert!(error <= bound, "{what}: {error:e}");
    }
}

#[test]
fn layer_outputs_follow_new_weights_and_images() {
    let setup = Setup::new(GREY, 4);
    let mut engine = gpu_engine(setup, KernelSet::Fused, Residency::Auto);
    outputs(&mut engine, &GREY, 9);
    let other = Init::Pytorch.arena(&ParameterTable::new(&GREY), 4);
    let of_other = |engine: &mut dyn Engine| {
        engine.set_parameters(&other).unwrap();
        engine.load(Split::Test, images(&GREY, 3)).unwrap();
        engine.activations(Split::Test).unwrap()
    };
    let found = of_other(&mut engine);
    assert_close("new weights", &found, &of_other(&mut CpuEngine::new(&setup)));
}

#[test]
fn layer_outputs_between_epochs_do_not_change_the_training() {
    const IMAGES: usize = 24;
    for (network, set) in
        [(GREY, KernelSet::Fused), (LeNet5 { batch_norm: true, ..GREY }, KernelSet::Layered)]
    {
        let mut engine = gpu_engine(Setup::new(network, 8), set, Residency::Auto);
        engine.load(Split::Train, images(&network, IMAGES)).unwrap();
        let start = engine.optimizer_state().unwrap();
        let mut trained = |asks: bool| {
            engine.set_parameters(&weights(&network)).unwrap();
            engine.set_optimizer_state(&start).unwrap();
            let order: Vec<u32> = (0..IMAGES as u32).collect();
            let batches = steps(IMAGES, 8, 1e-3);
            for _ in 0..2 {
                engine.train(&Epoch::new(&order, &batches), &mut |_, _| ControlFlow::Continue(())).unwrap();
                if asks {
                    engine.activations(Split::Train).unwrap();
                }
            }
            (engine.parameters().unwrap(), engine.optimizer_state().unwrap())
        };
        assert!(trained(false) == trained(true), "{set:?}");
    }
}
