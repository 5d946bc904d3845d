//! What the GPU engine refuses, how it fails (an error of one line, not a panic and not a hang), and what it
//! is after a failure.
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::common::context;
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Engine, EngineError, Epoch, Loss, LossKind, Setup, Split, Step, steps};
use lenet_gpu::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH: usize = 8;
const SAMPLES: usize = 320;

fn options(network: LeNet5) -> GpuOptions {
    let (residency, plan) = (Residency::Auto, KernelConfig::SOFTWARE);
    GpuOptions { setup: Setup::new(network, BATCH), residency, plan }
}

fn split(images: usize) -> ImageSet {
    let pixels = (0..images * 784).map(|place| (place * 7 % 256) as u8).collect();
    let labels = (0..images).map(|place| (place % 10) as u16).collect();
    ImageSet { channels: 1, height: 28, width: 28, pixels, labels }
}

fn engine() -> (GpuEngine, Vec<f32>) {
    engine_on(context())
}

/// An engine with grey images and initial weights.
fn engine_on(context: Context) -> (GpuEngine, Vec<f32>) {
    let mut engine = GpuEngine::new(context, options(NETWORK)).unwrap();
    engine.load(Split::Train, Arc::new(split(SAMPLES))).unwrap();
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    engine.set_parameters(&weights).unwrap();
    (engine, weights)
}

#[test]
fn a_network_whose_logits_do_not_fit_into_workgroup_memory_is_refused() {
    let error = GpuEngine::new(context(), options(LeNet5::new(1, 4_097))).unwrap_err();
    assert!(matches!(error, EngineError::TooManyClasses { classes: 4_097, largest: 4_096 }), "{error}");
    assert!(error.to_string().contains("--backend cpu"), "{error}");
}

#[test]
fn a_nan_in_any_tensor_of_a_normalised_network_reaches_the_losses_of_an_evaluation() {
    let network = LeNet5 { batch_norm: true, ..NETWORK };
    let table = ParameterTable::new(&network);
    let weights = Init::Pytorch.arena(&table, 0);
    let mut engine = GpuEngine::new(context(), options(network)).unwrap();
    engine.load(Split::Test, Arc::new(split(8))).unwrap();
    let mut losses = |weights: &[f32]| -> Vec<f32> {
        engine.set_parameters(weights).unwrap();
        engine.evaluate(Split::Test).unwrap().iter().map(|outcome| outcome.loss).collect()
    };
    assert!(losses(&weights).iter().all(|loss| loss.is_finite()));
    for tensor in table.tensors() {
        let mut spoilt = weights.clone();
        spoilt[tensor.range()][0] = f32::NAN;
        assert!(losses(&spoilt).iter().all(|loss| loss.is_nan()), "{}", tensor.name);
    }
}

#[test]
fn what_is_told_of_an_image_does_not_depend_on_the_evaluation_batch() {
    let outcomes = |evaluation_batch| {
        let setup = Setup { evaluation_batch, ..Setup::new(NETWORK, BATCH) };
        let mut engine = GpuEngine::new(context(), GpuOptions { setup, ..options(NETWORK) }).unwrap();
        engine.load(Split::Test, Arc::new(split(SAMPLES))).unwrap();
        engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
        engine.evaluate(Split::Test).unwrap()
    };
    // More than go through the network at once are cut.
    let [some, many] = [37, 4_000].map(outcomes);
    assert_eq!(some.len(), SAMPLES);
    assert!(some == many);
}

/// Both engines round sums of up to 400 products, layer on layer, and log-probabilities are of the size of 10.
const ENGINES_DIFFER: f32 = 1e-4;

#[test]
fn log_probabilities_are_those_of_the_cpu_also_where_they_are_read_piece_by_piece() {
    // 4,096 classes of 1,100 images are more than are kept on the device at once.
    for (classes, images) in [(10, SAMPLES), (4_096, 1_100)] {
        let network = LeNet5::new(1, classes);
        let weights = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
        let told = |engine: &mut dyn Engine| {
            engine.load(Split::Test, Arc::new(split(images))).unwrap();
            engine.set_parameters(&weights).unwrap();
            engine.log_probabilities(Split::Test).unwrap()
        };
        let expected = told(&mut CpuEngine::new(&Setup::new(network, 1)));
        assert_eq!(expected.len(), images * classes);
        for set in [KernelSet::Layered, KernelSet::Fused] {
            let plan = KernelConfig { set, ..KernelConfig::SOFTWARE };
            let found =
                told(&mut GpuEngine::new(context(), GpuOptions { plan, ..options(network) }).unwrap());
            assert_eq!(found.len(), expected.len());
            let furthest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest <= ENGINES_DIFFER, "{set:?}, {classes} classes: {furthest}");
        }
    }
}

#[test]
fn log_probabilities_are_of_the_logits_whatever_the_loss_is_of() {
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    let told = |kind| {
        let setup = Setup { loss: Loss { kind, ..Loss::default() }, ..Setup::new(NETWORK, BATCH) };
        let engines: [Box<dyn Engine>; 2] = [
            Box::new(CpuEngine::new(&setup)),
            Box::new(GpuEngine::new(context(), GpuOptions { setup, ..options(NETWORK) }).unwrap()),
        ];
        engines.map(|mut engine| {
            engine.load(Split::Test, Arc::new(split(SAMPLES))).unwrap();
            engine.set_parameters(&weights).unwrap();
            engine.log_probabilities(Split::Test).unwrap()
        })
    };
    let expected = told(LossKind::Nll);
    for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::RawNll] {
        for (found, expected) in told(kind).iter().zip(&expected) {
            let furthest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest <= ENGINES_DIFFER, "{kind:?}: {furthest}");
        }
    }
}

#[test]
fn an_incomplete_last_batch_of_one_image_trains_a_normalised_network_too() {
    let network = LeNet5 { batch_norm: true, ..NETWORK };
    let mut engine = GpuEngine::new(context(), options(network)).unwrap();
    engine.load(Split::Train, Arc::new(split(BATCH + 1))).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), 0)).unwrap();
    let order: Vec<u32> = (0..BATCH as u32 + 1).collect();
    let cut = steps(order.len(), BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &cut), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(engine.parameters().unwrap().iter().all(|value| value.is_finite()));
}

#[test]
fn a_pass_after_one_that_failed_hears_only_of_itself() {
    let (mut engine, weights) = engine();
    let order: Vec<u32> = (0..SAMPLES as u32).collect();
    let fresh = engine.optimizer_state().unwrap();
    let mut spoilt = weights.clone();
    spoilt[0] = f32::NAN;
    engine.set_parameters(&spoilt).unwrap();
    let cut = steps(SAMPLES, BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &cut), &mut |_, _| ControlFlow::Continue(())).unwrap_err();

    // The moments are spoilt as well.
    engine.set_parameters(&weights).unwrap();
    engine.set_optimizer_state(&fresh).unwrap();
    let mut heard = Vec::new();
    engine
        .train(&Epoch::new(&order, &cut), &mut |first, outcomes| {
            heard.extend(first..first + outcomes.len());
            assert!(outcomes.iter().all(|outcome| outcome.loss.is_finite()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(heard.into_iter().eq(0..SAMPLES));
}

#[test]
#[should_panic(expected = "a step is at most one batch")]
fn a_step_that_is_larger_than_the_workspace_is_never_run() {
    let (mut engine, _) = engine();
    let order: Vec<u32> = (0..SAMPLES as u32).collect();
    let _ = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, SAMPLES, 0.0)), &mut |_, _| ControlFlow::Continue(()));
}

#[test]
fn a_device_lost_in_the_middle_of_training_is_one_clear_error() {
    let context = context();
    let mut engine = engine_on(context.clone()).0;
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let error = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, BATCH, 1e-3)), &mut |_, _| {
            context.device.destroy();
            ControlFlow::Continue(())
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EngineError::Device(_)), "{text}");
    assert!(text.contains("lost"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    // And so is whatever is asked of it afterwards.
    assert!(engine.parameters().is_err());
}

#[test]
fn a_large_step_that_is_broken_off_is_done_to_its_end_and_nothing_of_the_next() {
    // A step has two micro-batches; a submit begins with one, and the first is told of when three are under way.
    const LARGE: usize = 1_040;
    const STEPS: usize = 3;
    let split = ImageSet {
        channels: 1,
        height: 28,
        width: 28,
        pixels: vec![7; STEPS * LARGE * 784],
        labels: vec![3; STEPS * LARGE],
    };
    let split = Arc::new(split);
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    let order: Vec<_> = (0..(STEPS * LARGE) as u32).collect();
    let cut = steps(STEPS * LARGE, LARGE, 1e-3);
    let train = |cut: &[Step], flow| {
        let options = GpuOptions { setup: Setup::new(NETWORK, LARGE), ..options(NETWORK) };
        let mut engine = GpuEngine::new(context(), options).unwrap();
        engine.load(Split::Train, split.clone()).unwrap();
        engine.set_parameters(&weights).unwrap();
        let mut told = 0;
        let done = engine
            .train(&Epoch::new(&order, cut), &mut |first, outcomes| {
                assert_eq!(first, told);
                told += outcomes.len();
                flow
            })
            .unwrap();
        assert_eq!(told, done * LARGE);
        (done, engine.optimizer_state().unwrap(), engine.parameters().unwrap())
    };
    let broken_off = train(&cut, ControlFlow::Break(()));
    assert!(broken_off.0 < STEPS);
    assert_eq!(broken_off.1.step, broken_off.0 as u64);
    assert!(broken_off == train(&cut[..broken_off.0], ControlFlow::Continue(())));
}

#[test]
fn a_pass_broken_off_tells_what_was_under_way_and_leaves_nothing_to_the_next() {
    let mut engine = engine().0;
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let cut = steps(SAMPLES, BATCH, 1e-3);
    let mut told = 0;
    let done = engine
        .train(&Epoch::new(&order, &cut), &mut |first, outcomes| {
            assert_eq!(first, told);
            told += outcomes.len();
            ControlFlow::Break(())
        })
        .unwrap();
    assert!(done < cut.len());
    assert_eq!(told, done * BATCH);

    let mut first_told = None;
    engine
        .train(&Epoch::new(&order, &cut[..1]), &mut |first, outcomes| {
            assert_eq!((first, outcomes.len()), (0, BATCH));
            assert!(first_told.replace(outcomes[0].loss).is_none());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(first_told.is_some());
}

#[test]
fn a_set_that_shall_be_resident_and_does_not_fit_is_refused_and_auto_streams_it() {
    let context = context();
    let images = (context.largest_binding() / 1_024 + 1) as usize;
    let split = Arc::new(ImageSet {
        channels: 1,
        height: 32,
        width: 32,
        pixels: vec![0; images * 1_024],
        labels: vec![0; images],
    });
    let load = |residency| {
        let options = GpuOptions { residency, ..options(NETWORK) };
        GpuEngine::new(context.clone(), options).unwrap().load(Split::Train, split.clone())
    };
    let error = load(Residency::Resident).unwrap_err();
    assert!(matches!(error, EngineError::SetTooLarge { .. }), "{error}");
    assert!(error.to_string().contains("can be streamed"), "{error}");
    load(Residency::Auto).unwrap();
}
