//! What a device's failure looks like from outside: an error of one line, not a panic and not a hang.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::data::Split;
use lenet_gpu::engine::{Adam, Engine, EngineError, Part, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelPlan, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5 { channels: 1, classes: 2 };
const IMAGES: usize = 64;
const BATCH: usize = 4;

fn options(batch_size: usize) -> GpuOptions {
    let (adam, residency, plan) = (Adam::default(), Residency::Auto, KernelPlan::HARDWARE);
    GpuOptions { network: NETWORK, batch_size, adam, residency, plan }
}

fn split() -> Arc<Split> {
    let labels = (0..IMAGES).map(|image| (image % 2) as u16).collect();
    let pixels = (0..IMAGES * 28 * 28).map(|place| (place * 31 % 251) as u8).collect();
    Arc::new(Split { channels: 1, height: 28, width: 28, pixels, labels })
}

fn engine(context: lenet_gpu::gpu::Context) -> GpuEngine {
    let mut engine = GpuEngine::new(context, options(BATCH)).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 1)).unwrap();
    engine.load(Part::Train, split()).unwrap();
    engine
}

#[test]
fn a_device_lost_in_the_middle_of_training_is_one_clear_error() {
    let context = common::context();
    let mut engine = engine(context.clone());
    let order: Vec<_> = (0..IMAGES as u32).collect();
    let error = engine
        .train(&order, &steps(IMAGES, BATCH, 1e-3), &mut |_, _| {
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
fn a_batch_that_the_device_cannot_hold_is_refused_with_the_largest_that_it_can() {
    let context = common::context();
    let limit = context.device.limits().max_storage_buffer_binding_size;
    // An image's maps take some 90 KB, so a batch of this many cannot fit.
    let batch = (limit / 20_000) as usize;
    match GpuEngine::new(context.clone(), options(batch)).unwrap_err() {
        EngineError::BatchTooLarge { batch_size, largest, .. } => {
            assert_eq!(batch_size, batch);
            GpuEngine::new(context, options(largest)).unwrap();
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_pass_broken_off_tells_what_was_under_way_and_leaves_nothing_to_the_next() {
    let mut engine = engine(common::context());
    let order: Vec<_> = (0..IMAGES as u32).collect();
    let cut = steps(IMAGES, BATCH, 1e-3);
    let mut told = 0;
    let done = engine
        .train(&order, &cut, &mut |first, outcomes| {
            assert_eq!(first, told);
            told += outcomes.len();
            ControlFlow::Break(())
        })
        .unwrap();
    assert!(done < cut.len());
    assert_eq!(told, done * BATCH);

    let mut first_told = None;
    engine
        .train(&order, &cut[..1], &mut |first, outcomes| {
            assert_eq!((first, outcomes.len()), (0, BATCH));
            assert!(first_told.replace(outcomes[0].loss).is_none());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(first_told.is_some());
}
