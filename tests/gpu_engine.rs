//! What the GPU engine refuses, and what it is after a failure.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::context;
use lenet_gpu::data::Split;
use lenet_gpu::engine::{Adam, Engine, EngineError, Part, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelPlan, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5 { channels: 1, classes: 10 };
const BATCH: usize = 8;
const SAMPLES: usize = 320;

fn options(network: LeNet5) -> GpuOptions {
    let (adam, residency, plan) = (Adam::default(), Residency::Auto, KernelPlan::SOFTWARE);
    GpuOptions { network, batch_size: BATCH, adam, residency, plan }
}

/// An engine with grey images and initial weights.
fn engine() -> (GpuEngine, Vec<f32>) {
    let pixels = (0..SAMPLES * 784).map(|place| (place * 7 % 256) as u8).collect();
    let labels = (0..SAMPLES).map(|place| (place % 10) as u16).collect();
    let split = Split { channels: 1, height: 28, width: 28, pixels, labels };
    let mut engine = GpuEngine::new(context(), options(NETWORK)).unwrap();
    engine.load(Part::Train, Arc::new(split)).unwrap();
    let weights = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    engine.set_parameters(&weights).unwrap();
    (engine, weights)
}

#[test]
fn a_network_whose_logits_do_not_fit_into_workgroup_memory_is_refused() {
    let error = GpuEngine::new(context(), options(LeNet5 { channels: 1, classes: 4_097 })).unwrap_err();
    assert!(matches!(error, EngineError::TooManyClasses { classes: 4_097, largest: 4_096 }), "{error}");
    assert!(error.to_string().contains("--backend cpu"), "{error}");
}

#[test]
fn a_pass_after_one_that_failed_hears_only_of_itself() {
    let (mut engine, weights) = engine();
    let order: Vec<u32> = (0..SAMPLES as u32).collect();
    let fresh = engine.adam_state().unwrap();
    let mut spoilt = weights.clone();
    spoilt[0] = f32::NAN;
    engine.set_parameters(&spoilt).unwrap();
    let cut = steps(SAMPLES, BATCH, 1e-3);
    engine.train(&order, &cut, &mut |_, _| ControlFlow::Continue(())).unwrap_err();

    // The moments are spoilt as well.
    engine.set_parameters(&weights).unwrap();
    engine.set_adam_state(&fresh).unwrap();
    let mut heard = Vec::new();
    engine
        .train(&order, &cut, &mut |first, outcomes| {
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
    let _ = engine.train(&order, &steps(SAMPLES, SAMPLES, 0.0), &mut |_, _| ControlFlow::Continue(()));
}
