//! Benchmarks of the CPU engine: each of its operations, training at several batch sizes, and the evaluation of many
//! images and of a single one.

mod common;

use std::hint::black_box;
use std::ops::ControlFlow;

use common::{IMAGES, NETWORK, images, weights};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lenet_gpu::cpu::{
    CpuEngine, Network, adam, conv_backward_input, conv_backward_weight, conv_forward, conv_pool_backward,
    conv_pool_forward, dense_backward, dense_forward, dense_loss, gather, log_softmax, max_pool,
    max_pool_backward,
};
use lenet_gpu::engine::{Adam, Engine, Epoch, Loss, Setup, Split, steps};
use lenet_gpu::model::{Activation, ConvShape, DenseShape, PoolShape};

fn engine(batch_size: usize) -> CpuEngine {
    let mut engine = CpuEngine::new(&Setup::new(NETWORK, batch_size));
    engine.set_parameters(&weights()).expect("cannot load the weights");
    engine.load(Split::Train, images()).expect("cannot load the images");
    engine.load(Split::Test, images()).expect("cannot load the images");
    engine
}

/// The batch size in benchmarks of single operations.
const BATCH: usize = 64;

/// Small positive and negative values.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5).collect()
}

/// A convolution and the max-pooling after it, forward and backward, separately and fused.
fn convolution(criterion: &mut Criterion, name: &str, conv: ConvShape, pool: PoolShape) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64));
    let (x, weight, bias) = (values(BATCH * conv.in_len()), values(conv.weight_len()), values(conv.filters));
    let dy = values(BATCH * pool.out_len());
    let (mut activations, mut dactivations) =
        (vec![0.0; BATCH * conv.out_len()], vec![0.0; BATCH * conv.out_len()]);
    let (mut y, mut argmax) = (vec![0.0; dy.len()], vec![0; dy.len()]);
    let (mut dx, mut dweight, mut dbias) =
        (vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; bias.len()]);
    let relu = Activation::Relu;

    group.bench_function("forward", |bencher| {
        bencher.iter(|| conv_forward(&conv, relu, &x, &weight, &bias, black_box(&mut activations)));
    });
    group.bench_function("pool", |bencher| {
        bencher.iter(|| max_pool(&pool, &activations, black_box(&mut y), &mut argmax));
    });
    group.bench_function("forward with pool", |bencher| {
        bencher.iter(|| {
            let argmax = Some(&mut argmax[..]);
            conv_pool_forward(&conv, &pool, &x, &weight, &bias, black_box(&mut y), argmax);
        });
    });
    group.bench_function("forward with pool, without argmax", |bencher| {
        bencher.iter(|| conv_pool_forward(&conv, &pool, &x, &weight, &bias, black_box(&mut y), None));
    });
    group.bench_function("pool backward", |bencher| {
        bencher.iter(|| {
            max_pool_backward(&pool, relu, &activations, &argmax, &dy, black_box(&mut dactivations))
        });
    });
    group.bench_function("backward weight", |bencher| {
        bencher.iter(|| conv_backward_weight(&conv, &x, &dactivations, black_box(&mut dweight), &mut dbias));
    });
    group.bench_function("backward input", |bencher| {
        bencher.iter(|| conv_backward_input(&conv, &weight, &dactivations, black_box(&mut dx)));
    });
    group.bench_function("backward with pool", |bencher| {
        bencher.iter(|| {
            let dx = Some(black_box(&mut dx[..]));
            conv_pool_backward(&conv, &pool, &x, &weight, &y, &argmax, &dy, dx, &mut dweight, &mut dbias);
        });
    });
}

fn convolutions(criterion: &mut Criterion) {
    convolution(criterion, "conv1", NETWORK.conv1(), NETWORK.pool1());
    convolution(criterion, "conv2", NETWORK.conv2(), NETWORK.pool2());
}

fn dense(criterion: &mut Criterion, name: &str, shape: DenseShape) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64));
    let (x, weight, bias) = (values(BATCH * shape.inputs), values(shape.weight_len()), values(shape.outputs));
    let (mut y, dy) = (vec![0.0; BATCH * shape.outputs], values(BATCH * shape.outputs));
    let (mut dx, mut dweight, mut dbias) =
        (vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; bias.len()]);
    let relu = Activation::Relu;

    group.bench_function("forward", |bencher| {
        bencher.iter(|| dense_forward(&shape, relu, &x, &weight, &bias, black_box(&mut y)));
    });
    group.bench_function("backward", |bencher| {
        bencher.iter(|| {
            let dx = black_box(&mut dx);
            dense_backward(&shape, relu, &x, &weight, &dy, dx, &mut dweight, &mut dbias);
        });
    });
}

fn dense_layers(criterion: &mut Criterion) {
    dense(criterion, "fc1", NETWORK.fc1());
    dense(criterion, "fc2", NETWORK.fc2());
    dense(criterion, "fc3", NETWORK.fc3());
}

fn loss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loss");
    group.throughput(Throughput::Elements(BATCH as u64));
    let shape = NETWORK.fc3();
    let (x, weight, bias) = (values(BATCH * shape.inputs), values(shape.weight_len()), values(shape.outputs));
    let labels: Vec<u32> = (0..BATCH as u32).map(|image| image % 10).collect();
    let (mut y, mut dy) = (vec![0.0; BATCH * shape.outputs], vec![0.0; BATCH * shape.outputs]);
    let (mut losses, mut predicted) = (vec![0.0; BATCH], vec![0; BATCH]);
    group.bench_function("fc3 with log-softmax and nll", |bencher| {
        bencher.iter(|| {
            let y = black_box(&mut y);
            let (dy, losses, predicted) = (&mut dy, &mut losses, &mut predicted);
            dense_loss(
                &shape,
                &Loss::default(),
                BATCH as f64,
                None,
                &x,
                &weight,
                &bias,
                &labels,
                y,
                dy,
                losses,
                predicted,
            );
        });
    });
    group.bench_function("log-softmax", |bencher| {
        bencher.iter(|| log_softmax(shape.outputs, black_box(&mut y)));
    });
}

fn update(criterion: &mut Criterion) {
    let mut parameters = weights();
    let gradient = values(parameters.len());
    let (mut first, mut second) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
    criterion.bench_function("adam", |bencher| {
        bencher.iter(|| {
            let parameters = black_box(&mut parameters);
            adam(&Adam::default(), 0.0, 1e-6, 10, &gradient, parameters, &mut first, &mut second);
        });
    });
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
                    .expect("training failed")
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
        bencher.iter(|| engine.evaluate(Split::Test).expect("evaluation failed"))
    });
}

fn one_image(criterion: &mut Criterion) {
    let images = images();
    let mut network = Network::<f32>::new(NETWORK, 1);
    network.set_parameters(&weights());
    criterion.bench_function("one image", |bencher| {
        bencher.iter(|| {
            gather(&images, &[7], network.input(1));
            network.evaluate(&[7]);
            black_box(network.predicted()[0])
        });
    });
}

criterion_group!(benches, convolutions, dense_layers, loss, update, train, evaluate, one_image);
criterion_main!(benches);
