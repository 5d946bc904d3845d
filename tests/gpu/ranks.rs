//! Data-parallel training on a GPU, with threads as ranks.
use std::sync::Arc;
use std::thread;

use crate::common::context;
use lenet_gpu::data::{Conversion, Dataset};
use lenet_gpu::engine::{Engine, Epoch, Setup, Split, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use lenet_gpu::ranks::{Ranks, Single, threads};

/// Trains a step of 3 micro-batches and one of a few images, and returns the parameters and the losses of all images and of
/// an evaluation.
fn train(options: GpuOptions, ranks: Arc<dyn Ranks>) -> (Vec<f32>, Vec<f32>) {
    const IMAGES: usize = 2100;
    let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
    let images = mnist.limited(std::num::NonZero::new(IMAGES), None).train;
    let mut engine = GpuEngine::new(context(), options).unwrap();
    engine.load(Split::Train, Arc::clone(&images)).unwrap();
    engine.load(Split::Test, images).unwrap();
    let table = ParameterTable::new(&options.setup.network);
    engine.set_parameters(&Init::Pytorch.arena(&table, 3)).unwrap();
    engine.set_ranks(ranks).unwrap();
    let order: Vec<u32> = (0..IMAGES as u32).rev().collect();
    let mut losses = Vec::new();
    let done = engine.train(&Epoch::new(&order, &steps(IMAGES, 2070, 0.01)), &mut |_, outcomes| {
        losses.extend(outcomes.iter().map(|outcome| outcome.loss));
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(done.unwrap(), 2);
    assert_eq!(losses.len(), IMAGES);
    losses.extend(engine.evaluate(Split::Test).unwrap().iter().map(|outcome| outcome.loss));
    (engine.parameters().unwrap(), losses)
}

fn on_ranks(options: GpuOptions, size: usize) -> (Vec<f32>, Vec<f32>) {
    let mut all: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = threads(size)
            .into_iter()
            .map(|ranks| scope.spawn(move || train(options, Arc::new(ranks))))
            .collect();
        started.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    let first = all.remove(0);
    assert!(all.iter().all(|other| *other == first), "the ranks differ");
    first
}

fn options(batch_norm: bool, kernels: KernelConfig) -> GpuOptions {
    let setup = Setup::new(LeNet5 { batch_norm, ..LeNet5::new(1, 10) }, 2070);
    GpuOptions { setup, residency: Residency::Auto, kernels }
}

#[test]
fn any_number_of_ranks_trains_the_same_bits_with_each_kernel_set() {
    for set in [KernelSet::Layered, KernelSet::Fused] {
        let options = options(false, KernelConfig { set, ..KernelConfig::SOFTWARE });
        let alone = train(options, Arc::new(Single::default()));
        assert!(on_ranks(options, 2) == alone, "{set:?}");
    }
}

#[test]
fn streamed_images_train_the_same_bits_on_ranks() {
    let resident = options(false, KernelConfig::SOFTWARE);
    let streamed = GpuOptions { residency: Residency::Streamed, ..resident };
    assert!(on_ranks(streamed, 3) == train(resident, Arc::new(Single::default())));
}

#[test]
fn running_statistics_do_not_depend_on_the_number_of_ranks() {
    let options = options(true, KernelConfig::SOFTWARE);
    assert!(on_ranks(options, 2) == on_ranks(options, 3));
}
