//! How fast the GPU engine is: each kernel of a step of 64 images by itself, training at several batch
//! sizes, and evaluation. It runs on the GPU that `lenet-gpu train` would take, else on a software adapter.

mod common;

use std::ops::ControlFlow;

use common::{IMAGES, NETWORK, split, weights};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lenet_gpu::engine::{Engine, Epoch, Setup, Split, steps};
use lenet_gpu::gpu::adapter::Chosen;
use lenet_gpu::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, Residency};

fn engine(batch_size: usize) -> GpuEngine {
    let chosen = Chosen::any().expect("the bench needs a GPU or a software adapter");
    let context = Context::open(&chosen).expect("the adapter opens");
    let plan = KernelConfig::of(&context.description);
    let residency = Residency::Auto;
    let options = GpuOptions { setup: Setup::new(NETWORK, batch_size), residency, plan };
    let mut engine = GpuEngine::new(context, options).expect("the device takes the kernels");
    engine.set_parameters(&weights()).expect("the device takes the weights");
    engine.load(Split::Train, split()).expect("the device takes the images");
    engine.load(Split::Test, split()).expect("the device takes the images");
    engine
}

fn kernels(criterion: &mut Criterion) {
    let mut engine = engine(64);
    let mut group = criterion.benchmark_group(format!("kernel on {}", engine.name()));
    group.sample_size(10);
    for (kernel, label) in engine.kernel_labels().iter().enumerate() {
        group.bench_function(label, |bencher| {
            bencher.iter_custom(|repeats| {
                engine.time_kernel(kernel, repeats as usize).expect("the device goes on")
            });
        });
    }
}

fn train(criterion: &mut Criterion) {
    let order: Vec<u32> = (0..IMAGES as u32).collect();
    for batch_size in [64, 256, 1_024] {
        let mut engine = engine(batch_size);
        let mut group = criterion.benchmark_group(format!("train on {}", engine.name()));
        group.throughput(Throughput::Elements(IMAGES as u64));
        group.sample_size(10);
        let steps = steps(IMAGES, batch_size, 1e-4);
        group.bench_function(BenchmarkId::from_parameter(batch_size), |bencher| {
            bencher.iter(|| {
                engine
                    .train(&Epoch::new(&order, &steps), &mut |_, _| ControlFlow::Continue(()))
                    .expect("weights stay finite")
            });
        });
    }
}

fn evaluate(criterion: &mut Criterion) {
    let mut engine = engine(64);
    let mut group = criterion.benchmark_group(format!("evaluate on {}", engine.name()));
    group.throughput(Throughput::Elements(IMAGES as u64));
    group.sample_size(10);
    group.bench_function("all", |bencher| {
        bencher.iter(|| engine.evaluate(Split::Test).expect("the device goes on"))
    });
}

criterion_group!(benches, kernels, train, evaluate);
criterion_main!(benches);
