//! How fast the CPU engine is: a training step at several batch sizes, the evaluation of many images,
//! and of one.

mod common;

use std::hint::black_box;
use std::ops::ControlFlow;

use common::{IMAGES, NETWORK, split, weights};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lenet_gpu::cpu::{CpuEngine, Network, gather};
use lenet_gpu::engine::{Engine, Epoch, Part, Setup, steps};

fn engine(batch_size: usize) -> CpuEngine {
    let mut engine = CpuEngine::new(&Setup::new(NETWORK, batch_size));
    engine.set_parameters(&weights()).expect("the CPU takes any weights");
    engine.load(Part::Train, split()).expect("the CPU takes any images");
    engine.load(Part::Test, split()).expect("the CPU takes any images");
    engine
}

fn train(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("train");
    group.throughput(Throughput::Elements(IMAGES as u64));
    group.sample_size(10);
    let order: Vec<u32> = (0..IMAGES as u32).collect();
    for batch_size in [32, 64, 256, 1_024] {
        let mut engine = engine(batch_size);
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
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(IMAGES as u64));
    group.sample_size(10);
    let mut engine = engine(64);
    group.bench_function("all", |bencher| {
        bencher.iter(|| engine.evaluate(Part::Test).expect("it cannot fail"))
    });
}

fn one_image(criterion: &mut Criterion) {
    let split = split();
    let mut network = Network::<f32>::new(NETWORK, 1);
    network.set_parameters(&weights());
    criterion.bench_function("one image", |bencher| {
        bencher.iter(|| {
            gather(&split, &[7], network.input(1));
            network.forward(&[7]);
            black_box(network.predicted()[0])
        });
    });
}

criterion_group!(benches, train, evaluate, one_image);
criterion_main!(benches);
