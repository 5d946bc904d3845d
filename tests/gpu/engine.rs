//! What the GPU engine rejects, how it fails (with a one-line error, without panicking or hanging), and its state
//! after a failure.
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
    let setup = Setup::new(network, BATCH);
    GpuOptions { setup, residency: Residency::Auto, kernels: KernelConfig::SOFTWARE }
}

fn image_set(images: usize) -> ImageSet {
    let pixels = (0..images * 784).map(|index| (index * 7 % 256) as u8).collect();
    let labels = (0..images).map(|index| (index % 10) as u16).collect();
    ImageSet { channels: 1, height: 28, width: 28, pixels, labels }
}

fn engine() -> (GpuEngine, Vec<f32>) {
    engine_on(context())
}

/// An engine with grey training images, and its initial weights.
fn engine_on(context: Context) -> (GpuEngine, Vec<f32>) {
    let mut engine = GpuEngine::new(context, options(NETWORK)).unwrap();
    engine.load(Split::Train, Arc::new(image_set(SAMPLES))).unwrap();
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    engine.set_parameters(&weights).unwrap();
    (engine, weights)
}

#[test]
fn too_many_classes_for_workgroup_memory_are_rejected() {
    let error = GpuEngine::new(context(), options(LeNet5::new(1, 4_097))).unwrap_err();
    assert!(matches!(error, EngineError::TooManyClasses { classes: 4_097, largest: 4_096 }), "{error}");
    assert!(error.to_string().contains("CPU engine"), "{error}");
}

#[test]
fn a_nan_in_any_tensor_of_a_batch_norm_network_makes_evaluation_losses_nan() {
    let network = LeNet5 { batch_norm: true, ..NETWORK };
    let table = ParameterTable::new(&network);
    let weights = Init::Pytorch.arena(&table, 0);
    let mut engine = GpuEngine::new(context(), options(network)).unwrap();
    engine.load(Split::Test, Arc::new(image_set(8))).unwrap();
    let mut losses = |weights: &[f32]| -> Vec<f32> {
        engine.set_parameters(weights).unwrap();
        engine.evaluate(Split::Test).unwrap().iter().map(|outcome| outcome.loss).collect()
    };
    assert!(losses(&weights).iter().all(|loss| loss.is_finite()));
    for tensor in table.tensors() {
        let mut corrupt = weights.clone();
        corrupt[tensor.range()][0] = f32::NAN;
        assert!(losses(&corrupt).iter().all(|loss| loss.is_nan()), "{}", tensor.name);
    }
}

#[test]
fn outcomes_do_not_depend_on_the_evaluation_batch() {
    let outcomes = |evaluation_batch| {
        let setup = Setup { evaluation_batch, ..Setup::new(NETWORK, BATCH) };
        let mut engine = GpuEngine::new(context(), GpuOptions { setup, ..options(NETWORK) }).unwrap();
        engine.load(Split::Test, Arc::new(image_set(SAMPLES))).unwrap();
        engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
        engine.evaluate(Split::Test).unwrap()
    };
    // The larger batch is divided into micro-batches.
    let [small, large] = [37, 4_000].map(outcomes);
    assert_eq!(small.len(), SAMPLES);
    assert!(small == large);
}

/// Both engines round sums of up to 400 products, layer after layer, and log-probabilities have a magnitude of 10.
const TOLERANCE: f32 = 1e-4;

#[test]
fn log_probabilities_are_equal_on_both_engines_even_if_read_in_pieces() {
    // 4,096 classes of 1,100 images are more values than the device keeps at a time.
    for (classes, images) in [(10, SAMPLES), (4_096, 1_100)] {
        let network = LeNet5::new(1, classes);
        let weights = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
        let log_probabilities = |engine: &mut dyn Engine| {
            engine.load(Split::Test, Arc::new(image_set(images))).unwrap();
            engine.set_parameters(&weights).unwrap();
            engine.log_probabilities(Split::Test).unwrap()
        };
        let expected = log_probabilities(&mut CpuEngine::new(&Setup::new(network, 1)));
        assert_eq!(expected.len(), images * classes);
        for set in [KernelSet::Layered, KernelSet::Fused] {
            let kernels = KernelConfig { set, ..KernelConfig::SOFTWARE };
            let mut engine = GpuEngine::new(context(), GpuOptions { kernels, ..options(network) }).unwrap();
            let found = log_probabilities(&mut engine);
            assert_eq!(found.len(), expected.len());
            let error = largest_difference(&found, &expected);
            assert!(error <= TOLERANCE, "{set:?}, {classes} classes: {error}");
        }
    }
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn log_probabilities_do_not_depend_on_the_loss() {
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    let log_probabilities = |kind| {
        let setup = Setup { loss: Loss { kind, ..Loss::default() }, ..Setup::new(NETWORK, BATCH) };
        let engines: [Box<dyn Engine>; 2] = [
            Box::new(CpuEngine::new(&setup)),
            Box::new(GpuEngine::new(context(), GpuOptions { setup, ..options(NETWORK) }).unwrap()),
        ];
        engines.map(|mut engine| {
            engine.load(Split::Test, Arc::new(image_set(SAMPLES))).unwrap();
            engine.set_parameters(&weights).unwrap();
            engine.log_probabilities(Split::Test).unwrap()
        })
    };
    let expected = log_probabilities(LossKind::Nll);
    for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::RawNll] {
        for (found, expected) in log_probabilities(kind).iter().zip(&expected) {
            let error = largest_difference(found, expected);
            assert!(error <= TOLERANCE, "{kind:?}: {error}");
        }
    }
}

#[test]
fn a_batch_of_one_image_trains_a_batch_norm_network() {
    let network = LeNet5 { batch_norm: true, ..NETWORK };
    let mut engine = GpuEngine::new(context(), options(network)).unwrap();
    engine.load(Split::Train, Arc::new(image_set(BATCH + 1))).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), 0)).unwrap();
    let order: Vec<u32> = (0..BATCH as u32 + 1).collect();
    let batches = steps(order.len(), BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &batches), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(engine.parameters().unwrap().iter().all(|value| value.is_finite()));
}

#[test]
fn an_epoch_after_a_failed_one_reports_only_its_own_outcomes() {
    let (mut engine, weights) = engine();
    let order: Vec<u32> = (0..SAMPLES as u32).collect();
    let fresh = engine.optimizer_state().unwrap();
    let mut corrupt = weights.clone();
    corrupt[0] = f32::NAN;
    engine.set_parameters(&corrupt).unwrap();
    let batches = steps(SAMPLES, BATCH, 1e-3);
    engine.train(&Epoch::new(&order, &batches), &mut |_, _| ControlFlow::Continue(())).unwrap_err();

    // The moments are not finite either.
    engine.set_parameters(&weights).unwrap();
    engine.set_optimizer_state(&fresh).unwrap();
    let mut reported = Vec::new();
    engine
        .train(&Epoch::new(&order, &batches), &mut |first, outcomes| {
            reported.extend(first..first + outcomes.len());
            assert!(outcomes.iter().all(|outcome| outcome.loss.is_finite()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(reported.into_iter().eq(0..SAMPLES));
}

#[test]
#[should_panic(expected = "a step is at most one batch")]
fn a_step_larger_than_the_workspace_panics() {
    let (mut engine, _) = engine();
    let order: Vec<u32> = (0..SAMPLES as u32).collect();
    let _ = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, SAMPLES, 0.0)), &mut |_, _| ControlFlow::Continue(()));
}

#[test]
fn a_device_lost_during_training_is_a_one_line_error() {
    let context = context();
    let mut engine = engine_on(context.clone()).0;
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let error = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, BATCH, 1e-3)), &mut |_, outcomes| {
            if !outcomes.is_empty() {
                context.device.destroy();
            }
            ControlFlow::Continue(())
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EngineError::Device(_)), "{text}");
    assert!(text.contains("lost"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    // Everything after that fails too.
    assert!(engine.parameters().is_err());
}

#[test]
fn an_epoch_ended_before_its_first_step_changes_nothing() {
    let (mut engine, weights) = engine();
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let before = engine.optimizer_state().unwrap();
    let done = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, BATCH, 1e-3)), &mut |_, outcomes| {
            assert!(outcomes.is_empty());
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(done, 0);
    assert!(engine.parameters().unwrap() == weights);
    assert!(engine.optimizer_state().unwrap() == before);
}

/// A software adapter compiles each kernel at its first dispatch, which takes seconds in all.
#[test]
fn an_epoch_can_be_ended_while_kernels_are_compiled() {
    let (mut engine, weights) = engine();
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let mut calls = 0;
    let done = engine
        .train(&Epoch::new(&order, &steps(SAMPLES, BATCH, 1e-3)), &mut |_, _| {
            calls += 1;
            if calls > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    if context().description.is_software() {
        assert_eq!(done, 0);
        assert!(engine.parameters().unwrap() == weights);
    } else {
        assert!(done < SAMPLES / BATCH);
    }
}

#[test]
fn the_first_report_of_any_kernel_configuration_is_on_one_micro_batch() {
    let largest = KernelConfig {
        workgroup: 256,
        conv_filters: 32,
        conv_columns: 32,
        dense_rows: 4,
        dense_columns: 32,
        weight_chunks: 1_024,
        ..KernelConfig::SOFTWARE
    };
    let smallest = KernelConfig { workgroup: 1, conv_filters: 1, conv_columns: 1, ..KernelConfig::SOFTWARE };
    for kernels in [largest, smallest] {
        kernels.check().unwrap();
        let mut engine = GpuEngine::new(context(), GpuOptions { kernels, ..options(NETWORK) }).unwrap();
        engine.load(Split::Train, Arc::new(image_set(SAMPLES))).unwrap();
        engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
        let order: Vec<_> = (0..SAMPLES as u32).collect();
        let mut first_report = None;
        let done = engine
            .train(&Epoch::new(&order, &steps(SAMPLES, BATCH, 1e-3)), &mut |_, outcomes| {
                if outcomes.is_empty() {
                    return ControlFlow::Continue(());
                }
                first_report.get_or_insert(outcomes.len());
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(first_report, Some(BATCH));
        // Nothing else was in flight.
        assert_eq!(done, 1);
    }
}

#[test]
fn stopping_in_the_middle_of_a_large_step_completes_that_step_only() {
    // A step has two micro-batches; the first submit has one.
    const LARGE: usize = 1_040;
    const STEPS: usize = 3;
    let images = Arc::new(ImageSet {
        channels: 1,
        height: 28,
        width: 28,
        pixels: vec![7; STEPS * LARGE * 784],
        labels: vec![3; STEPS * LARGE],
    });
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    let order: Vec<_> = (0..(STEPS * LARGE) as u32).collect();
    let batches = steps(STEPS * LARGE, LARGE, 1e-3);
    let train = |batches: &[Step], flow| {
        let options = GpuOptions { setup: Setup::new(NETWORK, LARGE), ..options(NETWORK) };
        let mut engine = GpuEngine::new(context(), options).unwrap();
        engine.load(Split::Train, images.clone()).unwrap();
        engine.set_parameters(&weights).unwrap();
        let mut reported = 0;
        let done = engine
            .train(&Epoch::new(&order, batches), &mut |first, outcomes| {
                assert_eq!(first, reported);
                reported += outcomes.len();
                if outcomes.is_empty() { ControlFlow::Continue(()) } else { flow }
            })
            .unwrap();
        assert_eq!(reported, done * LARGE);
        (done, engine.optimizer_state().unwrap(), engine.parameters().unwrap())
    };
    let stopped = train(&batches, ControlFlow::Break(()));
    assert!(stopped.0 < STEPS);
    assert_eq!(stopped.1.step, stopped.0 as u64);
    assert!(stopped == train(&batches[..stopped.0], ControlFlow::Continue(())));
}

#[test]
fn stopping_an_epoch_reports_work_in_flight_and_leaves_nothing_behind() {
    let mut engine = engine().0;
    let order: Vec<_> = (0..SAMPLES as u32).collect();
    let batches = steps(SAMPLES, BATCH, 1e-3);
    let mut reported = 0;
    let done = engine
        .train(&Epoch::new(&order, &batches), &mut |first, outcomes| {
            assert_eq!(first, reported);
            reported += outcomes.len();
            if outcomes.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    assert!((1..batches.len()).contains(&done));
    assert_eq!(reported, done * BATCH);

    let mut first_reported = None;
    engine
        .train(&Epoch::new(&order, &batches[..1]), &mut |first, outcomes| {
            if outcomes.is_empty() {
                return ControlFlow::Continue(());
            }
            assert_eq!((first, outcomes.len()), (0, BATCH));
            assert!(first_reported.replace(outcomes[0].loss).is_none());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(first_reported.is_some());
}

#[test]
fn images_that_do_not_fit_are_streamed_by_default_and_rejected_as_resident() {
    let context = context();
    let count = (context.largest_binding() / 1_024 + 1) as usize;
    let images = Arc::new(ImageSet {
        channels: 1,
        height: 32,
        width: 32,
        pixels: vec![0; count * 1_024],
        labels: vec![0; count],
    });
    let load = |residency| {
        let options = GpuOptions { residency, ..options(NETWORK) };
        GpuEngine::new(context.clone(), options).unwrap().load(Split::Train, images.clone())
    };
    let error = load(Residency::Resident).unwrap_err();
    assert!(matches!(error, EngineError::SetTooLarge { .. }), "{error}");
    assert!(error.to_string().contains("can be streamed"), "{error}");
    load(Residency::Auto).unwrap();
}
