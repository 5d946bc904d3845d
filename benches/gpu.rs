//! Benchmarks of the GPU engine: each kernel of a step of 64 images, training at several batch sizes, and evaluation.
//! They run on the GPU that `lenet-gpu train` would choose, or else on a software adapter.

mod common;

use std::ops::ControlFlow;

use common::{IMAGES, NETWORK, images, weights};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lenet_gpu::device::Device;
use lenet_gpu::engine::{Engine, Epoch, Setup, Split, steps};
use lenet_gpu::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, Residency};

fn engine(batch_size: usize) -> GpuEngine {
    let chosen = Device::any_gpu().expect("the benchmarks need a GPU or a software adapter");
    let context = Context::open(&chosen).expect("cannot open the adapter");
    let kernels = KernelConfig::of(&context.description);
    let setup = Setup::new(NETWORK, batch_size);
    let options = GpuOptions { setup, residency: Residency::Auto, kernels };
    let mut engine = GpuEngine::new(context, options).expect("cannot create the engine");
    engine.set_parameters(&weights()).expect("cannot load the weights");
    engine.load(Split::Train, images()).expect("cannot load the images");
    engine.load(Split::Test, images()).expect("cannot load the images");
    engine
}

fn kernels(criterion: &mut Criterion) {
    let mut engine = engine(64);
    let mut group = criterion.benchmark_group(format!("kernel on {}", engine.name()));
    group.sample_size(10);
    for (kernel, label) in engine.kernel_labels().iter().enumerate() {
        group.bench_function(label, |bencher| {
            bencher.iter_custom(|repeats| {
                engine.time_kernel(kernel, repeats as usize).expect("the device failed")
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
                    .expect("training failed")
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
        bencher.iter(|| engine.evaluate(Split::Test).expect("the device failed"))
    });
}

criterion_group!(benches, kernels, train, evaluate);
criterion_main!(benches);
