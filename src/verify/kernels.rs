//! Each kernel alone, held against its f64 twin: over LeNet-5's own shapes, and over others that cover
//! strides, paddings, overlapping pools, odd sizes, blocks cut short, and a batch of one image.

use clap::ValueEnum;

use super::comparison::Finding;
use super::tensors::{Tensors, f64s, stale};
use super::{Check, tolerance, update};
use crate::cpu;
use crate::data::{Augmentation, Split, View};
use crate::engine::{EngineError, Loss, LossKind, Optimizer, Pass, Reduction, Step};
use crate::gpu::Context;
use crate::gpu::buffers::{BatchRecord, Fault};
use crate::gpu::kernels::{self, Kernel, NormPlaces, Partials, Places};
use crate::gpu::single::{Inputs, Outputs, run};
use crate::model::{Activation, ConvShape, DenseShape, LeNet5, NormShape, PoolShape};

/// The checks, a few hundred tensors' worth.
pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in convolutions() {
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(conv_forward(batch, shape, activation));
        }
        all.push(conv_backward_input(batch, shape));
        all.push(conv_backward_weight(batch, shape));
    }
    for (batch, shape) in pools() {
        all.push(max_pool(batch, shape));
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(max_pool_backward(batch, shape, activation));
        }
    }
    for (batch, shape) in dense_layers() {
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(dense_forward(batch, shape, activation));
            all.push(dense_backward(batch, shape, activation));
        }
        for label_smoothing in [0.0, 0.1] {
            all.push(dense_log_softmax(batch, shape, label_smoothing));
            for reduction in [Reduction::Mean, Reduction::Sum] {
                all.push(dense_mse(batch, shape, reduction, label_smoothing));
            }
            all.push(dense_raw_nll(batch, shape, label_smoothing));
        }
        all.push(log_softmax(batch, shape.outputs));
    }
    for activation in [Activation::Sigmoid, Activation::Sign, Activation::Tanh, Activation::HardTanh] {
        for (batch, inputs, outputs) in [(1, 1, 2), (13, 33, 100)] {
            let shape = DenseShape { inputs, outputs };
            all.push(dense_forward(batch, shape, activation));
            all.push(dense_backward(batch, shape, activation));
        }
    }
    for &activation in Activation::value_variants() {
        all.push(nan_passes(activation));
    }
    for (batch, shape) in norms() {
        all.push(batch_norm_statistics(batch, shape));
        for pass in [Pass::Train, Pass::Evaluate] {
            all.push(batch_norm_forward(batch, shape, pass));
        }
        all.push(batch_norm_backward_weight(batch, shape));
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            all.push(batch_norm_backward_input(batch, shape, activation));
        }
    }
    for (channels, side) in [(1, 28), (1, 32), (3, 28), (3, 32)] {
        all.push(gather(channels, side));
        let moved = Augmentation { shift: 3, flip: true, ..Augmentation::default() };
        all.push(gather_augmented("moved and mirrored", channels, side, moved, tolerance::FEW_OPERATIONS));
        let turned = Augmentation { rotate: 30.0, scale: 0.3, ..moved };
        all.push(gather_augmented("turned and scaled too", channels, side, turned, tolerance::INTERPOLATION));
    }
    all.extend(update::kernels());
    all
}

/// Batch size and shape.
fn convolutions() -> Vec<(usize, ConvShape)> {
    let conv = |channels, height, width, filters, size, stride, padding| ConvShape {
        channels,
        height,
        width,
        filters,
        size,
        stride,
        padding,
    };
    let grey = LeNet5::new(1, 10);
    let colour = LeNet5::new(3, 10);
    vec![
        (64, grey.conv1()),
        (5, colour.conv1()),
        (64, grey.conv2()),
        (1, conv(1, 5, 5, 1, 5, 1, 0)),   // one output
        (1, conv(2, 6, 9, 3, 1, 1, 0)),   // filters of one weight
        (3, conv(2, 9, 8, 5, 3, 1, 1)),   // padded to the same size
        (2, conv(3, 11, 7, 4, 3, 2, 0)),  // rows and columns that no window reaches
        (2, conv(2, 8, 12, 7, 4, 2, 1)),  // an even filter, strided and padded
        (4, conv(1, 10, 10, 2, 3, 3, 2)), // a stride of the filter's size
        (2, conv(2, 7, 7, 3, 2, 3, 0)),   // a stride that leaves gaps
        (1, conv(5, 13, 17, 9, 5, 1, 4)), // padded by f - 1: the full convolution
        (70, conv(2, 6, 6, 3, 3, 1, 0)),  // more images than chunks
    ]
}

/// Batch size and shape.
fn pools() -> Vec<(usize, PoolShape)> {
    let pool =
        |channels, height, width, window, stride| PoolShape { channels, height, width, window, stride };
    let network = LeNet5::new(1, 10);
    vec![
        (64, network.pool1()),
        (64, network.pool2()),
        (1, pool(1, 2, 2, 2, 2)),   // one window
        (3, pool(2, 9, 11, 3, 2)),  // overlapping
        (2, pool(3, 8, 7, 3, 2)),   // overlapping, with a rest
        (2, pool(1, 7, 7, 3, 1)),   // every place is in up to nine windows
        (1, pool(2, 10, 13, 2, 3)), // gaps between windows
    ]
}

/// Batch size and shape.
fn dense_layers() -> Vec<(usize, DenseShape)> {
    let network = LeNet5::new(1, 10);
    let dense = |inputs, outputs| DenseShape { inputs, outputs };
    vec![
        (64, network.fc1()),
        (64, network.fc2()),
        (64, network.fc3()),
        (1, dense(1, 2)),
        (1, dense(400, 120)),
        (5, dense(7, 3)),
        (13, dense(33, 100)), // more classes than a workgroup has lanes
    ]
}

/// Batch size and shape.
fn norms() -> Vec<(usize, NormShape)> {
    let network = LeNet5::new(1, 10);
    let norm = |channels, positions| NormShape { channels, positions };
    vec![
        (64, network.bn1()),
        (5, network.bn2()),
        (64, network.bn3()),
        (2, network.bn4()),
        (1, norm(3, 1)),   // one value a channel: no variance
        (1, norm(1, 49)),  // one image
        (7, norm(5, 3)),   // fewer values than a workgroup has lanes
        (300, norm(2, 9)), // more
    ]
}

fn conv_forward(batch: usize, shape: ConvShape, activation: Activation) -> Check {
    let name = format!("conv_forward {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (x, weight, bias) = (
            draw.normal(batch * shape.in_len()),
            draw.normal(shape.weight_len()),
            draw.normal(shape.filters),
        );
        let mut y = vec![0.0; batch * shape.out_len()];
        cpu::conv_forward(&shape, activation, &f64s(&x), &f64s(&weight), &f64s(&bias), &mut y);

        let at = Places { x: 0, y: x.len(), weight: 0, bias: weight.len(), ..Places::default() };
        let kernel = kernels::conv_forward("conv", &shape, activation, plan, &at);
        let out = Bench {
            workspace: [x, stale(y.len())].concat(),
            parameters: [weight, bias].concat(),
            ..Bench::default()
        }
        .run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", &out.workspace[at.y..], &y, tolerance::SUM)])
    })
}

fn conv_backward_input(batch: usize, shape: ConvShape) -> Check {
    let name = format!("conv_backward_input, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (dy, weight) = (draw.normal(batch * shape.out_len()), draw.normal(shape.weight_len()));
        let mut dx = vec![0.0; batch * shape.in_len()];
        cpu::conv_backward_input(&shape, &f64s(&weight), &f64s(&dy), &mut dx);

        let at = Places { dy: 0, dx: dy.len(), weight: 0, ..Places::default() };
        let kernel = kernels::conv_backward_input("conv", &shape, plan, &at);
        let out = Bench { workspace: [dy, stale(dx.len())].concat(), parameters: weight, ..Bench::default() }
            .run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("dx", &out.workspace[at.dx..], &dx, tolerance::SUM)])
    })
}

fn conv_backward_weight(batch: usize, shape: ConvShape) -> Check {
    let name = format!("conv_backward_weight, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (x, dy) = (draw.normal(batch * shape.in_len()), draw.normal(batch * shape.out_len()));
        let mut dweight = vec![0.0; shape.weight_len()];
        let mut dbias = vec![0.0; shape.filters];
        cpu::conv_backward_weight(&shape, &f64s(&x), &f64s(&dy), &mut dweight, &mut dbias);

        let at = Places { x: 0, dy: x.len(), weight: 0, bias: dweight.len(), ..Places::default() };
        let partials = Partials { place: x.len() + dy.len(), len: dweight.len() + dbias.len() };
        let kernel = kernels::conv_backward_weight("conv", &shape, plan, &at, &partials);
        let room = stale(plan.weight_chunks * partials.len);
        let out =
            Bench { workspace: [x, dy, room].concat(), ..Bench::default() }.run(context, &kernel, batch)?;
        // The update adds the chunks up; here that is done in f64.
        let mut sums = vec![0.0; partials.len];
        for chunk in out.workspace[partials.place..].chunks_exact(partials.len) {
            sums.iter_mut().zip(chunk).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        let sums: Vec<_> = sums.into_iter().map(|sum| sum as f32).collect();
        let (found_weight, found_bias) = sums.split_at(dweight.len());
        Ok(vec![
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
}

fn max_pool(batch: usize, shape: PoolShape) -> Check {
    let name = format!("max_pool, {}", describe_pool(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        // Few different values, so that windows have equal maxima and the first must win.
        let x = Tensors::new(seed).levels(batch * shape.in_len());
        let len = batch * shape.out_len();
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);

        let at = Places { x: 0, y: x.len(), argmax: x.len() + len, ..Places::default() };
        let kernel = kernels::max_pool("pool", &shape, plan, &at);
        let out = Bench { workspace: [x, stale(2 * len)].concat(), ..Bench::default() }
            .run(context, &kernel, batch)?;
        let argmax: Vec<_> = argmax.into_iter().map(f64::from).collect();
        Ok(vec![
            Finding::by_largest("y", &out.workspace[at.y..at.argmax], &y, tolerance::EXACT),
            Finding::by_largest("argmax", &out.workspace[at.argmax..], &argmax, tolerance::EXACT),
        ])
    })
}

fn max_pool_backward(batch: usize, shape: PoolShape, activation: Activation) -> Check {
    let name = format!("max_pool_backward through {activation:?}, {}", describe_pool(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let x = draw.activations(batch * shape.in_len(), activation);
        let len = batch * shape.out_len();
        let dy = draw.normal(len);
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);
        let mut dx = vec![0.0; x.len()];
        cpu::max_pool_backward(&shape, activation, &f64s(&x), &argmax, &f64s(&dy), &mut dx);

        let n = len;
        let at = Places { y: 0, dy: n, argmax: 2 * n, dx: 3 * n, ..Places::default() };
        let kernel = kernels::max_pool_backward("pool", &shape, activation, plan, &at);
        let argmax = argmax.into_iter().map(|place| place as f32).collect();
        let y = y.into_iter().map(|value| value as f32).collect();
        let out = Bench { workspace: [y, dy, argmax, stale(dx.len())].concat(), ..Bench::default() }
            .run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("dx", &out.workspace[at.dx..], &dx, tolerance::SUM)])
    })
}

fn dense_forward(batch: usize, shape: DenseShape, activation: Activation) -> Check {
    let name = format!("dense_forward {activation:?}, {}", describe_dense(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (x, weight, bias) =
            (draw.normal(batch * shape.inputs), draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let mut y = vec![0.0; batch * shape.outputs];
        cpu::dense_forward(&shape, activation, &f64s(&x), &f64s(&weight), &f64s(&bias), &mut y);

        let at = Places { x: 0, y: x.len(), weight: 0, bias: weight.len(), ..Places::default() };
        let kernel = kernels::dense_forward("dense", &shape, activation, plan, &at);
        let out = Bench {
            workspace: [x, stale(y.len())].concat(),
            parameters: [weight, bias].concat(),
            ..Bench::default()
        }
        .run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", &out.workspace[at.y..], &y, tolerance::ACTIVATION)])
    })
}

fn dense_backward(batch: usize, shape: DenseShape, activation: Activation) -> Check {
    let name = format!("dense_backward through {activation:?}, {}", describe_dense(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let x = draw.activations(batch * shape.inputs, activation);
        let (dy, weight) = (draw.normal(batch * shape.outputs), draw.normal(shape.weight_len()));
        let mut dx = vec![0.0; x.len()];
        let (mut dweight, mut dbias) = (vec![0.0; weight.len()], vec![0.0; shape.outputs]);
        cpu::dense_backward(
            &shape,
            activation,
            &f64s(&x),
            &f64s(&weight),
            &f64s(&dy),
            &mut dx,
            &mut dweight,
            &mut dbias,
        );

        let at = Places {
            x: 0,
            dy: x.len(),
            dx: x.len() + dy.len(),
            weight: 0,
            bias: weight.len(),
            ..Places::default()
        };
        let kernel = kernels::dense_backward("dense", &shape, activation, plan, &at);
        let bias = stale(shape.outputs);
        let out = Bench {
            workspace: [x, dy, stale(dx.len())].concat(),
            parameters: [weight, bias].concat(),
            ..Bench::default()
        }
        .run(context, &kernel, batch)?;
        let (found_weight, found_bias) = out.gradients.split_at(at.bias);
        Ok(vec![
            Finding::by_largest("dx", &out.workspace[at.dx..], &dx, tolerance::SUM),
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
}

fn dense_log_softmax(batch: usize, shape: DenseShape, label_smoothing: f32) -> Check {
    last_layer(batch, shape, Loss { label_smoothing, ..Loss::default() })
}

fn dense_mse(batch: usize, shape: DenseShape, reduction: Reduction, label_smoothing: f32) -> Check {
    last_layer(batch, shape, Loss { kind: LossKind::Mse, reduction, label_smoothing })
}

fn dense_raw_nll(batch: usize, shape: DenseShape, label_smoothing: f32) -> Check {
    last_layer(batch, shape, Loss { kind: LossKind::RawNll, label_smoothing, ..Loss::default() })
}

/// The last layer with its loss.
fn last_layer(batch: usize, shape: DenseShape, loss: Loss) -> Check {
    let shader = match loss.kind {
        LossKind::Nll | LossKind::CrossEntropy => "dense_log_softmax",
        LossKind::Mse => "dense_mse",
        LossKind::RawNll => "dense_raw_nll",
    };
    let Loss { reduction, label_smoothing, .. } = loss;
    let name =
        format!("{shader} {reduction:?}, smoothing {label_smoothing}, {}", describe_dense(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        // Logits of size 1 to 2, so that no class takes all the probability.
        let size = 1.0 / (shape.inputs as f32).sqrt();
        let x: Vec<_> = draw.normal(batch * shape.inputs).into_iter().map(|x| x * size).collect();
        let (weight, bias) = (draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let split = draw.split(1, 1, batch, shape.outputs);
        let labels: Vec<_> =
            Bench::order(batch).iter().map(|&place| u32::from(split.labels[place as usize])).collect();
        let len = batch * shape.outputs;
        let at = Places {
            x: 0,
            y: x.len(),
            dy: x.len() + len,
            weight: 0,
            bias: weight.len(),
            ..Places::default()
        };

        let targets =
            cpu::Targets { labels: &labels, smoothing: f64::from(label_smoothing), scale: loss.scale(batch) };
        let (x64, weight64, bias64) = (f64s(&x), f64s(&weight), f64s(&bias));
        let (mut y, mut dz) = (vec![0.0; len], vec![0.0; len]);
        let (mut losses, mut predicted) = (vec![0.0; batch], vec![0; batch]);
        let (outcome, made) = ((&mut losses[..], &mut predicted[..]), (&mut y[..], &mut dz[..]));
        let kernel = match loss.kind {
            LossKind::Nll | LossKind::CrossEntropy => {
                cpu::dense_log_softmax(
                    &shape, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0, outcome.1,
                );
                kernels::dense_log_softmax("dense", &shape, plan, &at)
            }
            LossKind::Mse => {
                cpu::dense_mse(
                    &shape, reduction, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0,
                    outcome.1,
                );
                kernels::dense_mse("dense", &shape, reduction, plan, &at)
            }
            LossKind::RawNll => {
                cpu::dense_raw_nll(
                    &shape, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0, outcome.1,
                );
                kernels::dense_raw_nll("dense", &shape, plan, &at)
            }
        };

        let out = Bench {
            workspace: [x, stale(2 * len)].concat(),
            parameters: [weight, bias].concat(),
            loss,
            ..Bench::default()
        }
        .run_over(context, &kernel, batch, &split)?;
        let found_losses: Vec<_> = out.outcomes.iter().map(|outcome| outcome.loss).collect();
        let found_predicted: Vec<_> = out.outcomes.iter().map(|outcome| outcome.predicted as f32).collect();
        let predicted: Vec<_> = predicted.into_iter().map(f64::from).collect();
        Ok(vec![
            Finding::by_largest("outputs", &out.workspace[at.y..at.dy], &y, tolerance::LOG_SOFTMAX),
            Finding::by_largest("dz", &out.workspace[at.dy..], &dz, tolerance::LOG_SOFTMAX),
            Finding::by_largest("loss", &found_losses, &losses, tolerance::LOG_SOFTMAX),
            Finding::by_largest("predicted", &found_predicted, &predicted, tolerance::EXACT),
        ])
    })
}

/// Log-softmax as an activation, forward and backward.
fn log_softmax(batch: usize, outputs: usize) -> Check {
    Check::new(format!("log_softmax, {batch} of {outputs} outputs"), move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (z, dy) = (draw.normal(batch * outputs), draw.normal(batch * outputs));
        let (mut y, mut dz) = (f64s(&z), f64s(&dy));
        cpu::log_softmax(outputs, &mut y);
        cpu::log_softmax_backward(outputs, &y, &mut dz);

        let at = Places { y: 0, dy: z.len(), ..Places::default() };
        let forward = kernels::log_softmax("dense", outputs, plan, &at);
        let out = Bench { workspace: [z, dy].concat(), ..Bench::default() }.run(context, &forward, batch)?;
        let found = Finding::by_largest("y", &out.workspace[..at.dy], &y, tolerance::LOG_SOFTMAX);
        let backward = kernels::log_softmax_backward("dense", outputs, plan, &at);
        let out = Bench { workspace: out.workspace, ..Bench::default() }.run(context, &backward, batch)?;
        Ok(vec![found, Finding::by_largest("dz", &out.workspace[at.dy..], &dz, tolerance::LOG_SOFTMAX)])
    })
}

/// A NaN comes out of an activation as one, forward and backward.
fn nan_passes(activation: Activation) -> Check {
    Check::new(format!("a NaN passes {activation}"), move |context, plan, _| {
        let shape = DenseShape { inputs: 1, outputs: 1 };
        let all_nan = |name: &str, values: &[f32]| {
            let others = values.iter().filter(|value| !value.is_nan()).count();
            Finding::new(format!("values that are not NaN, {name}"), others as f64, tolerance::EXACT)
        };
        let at = Places { x: 0, y: 1, dx: 2, dy: 3, weight: 0, bias: 1, ..Places::default() };
        let bench = |x, y, dy| Bench {
            workspace: vec![x, y, 0.0, dy],
            parameters: vec![1.0, 0.0],
            ..Bench::default()
        };

        if activation == Activation::LogSoftmax {
            let kernel = kernels::log_softmax("dense", 1, plan, &at);
            let y = bench(0.5, f32::NAN, 1.0).run(context, &kernel, 1)?.workspace[at.y];
            let kernel = kernels::log_softmax_backward("dense", 1, plan, &at);
            let dz = bench(0.5, 0.5, f32::NAN).run(context, &kernel, 1)?.workspace[at.dy];
            return Ok(vec![all_nan("forward", &[y]), all_nan("backward", &[dz])]);
        }
        let kernel = kernels::dense_forward("dense", &shape, activation, plan, &at);
        let y = bench(f32::NAN, 0.0, 1.0).run(context, &kernel, 1)?.workspace[at.y];
        let kernel = kernels::dense_backward("dense", &shape, activation, plan, &at);
        // Sign has a derivative of 0 everywhere, so that there the output must be NaN for the gradient to be.
        let x = if activation == Activation::Sign { f32::NAN } else { 0.5 };
        let dx = bench(x, 0.0, f32::NAN).run(context, &kernel, 1)?.workspace[at.dx];
        Ok(vec![all_nan("forward", &[y]), all_nan("backward", &[dx])])
    })
}

/// What batch normalisation is checked on: values far from 0, so that sums which cancel out show.
struct NormBench {
    x: Vec<f32>,
    dy: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// weight, bias, running mean and running variance, one after the other.
    parameters: Vec<f32>,
    /// Stale ones for all of them, unless a check has others.
    gradients: Vec<f32>,
    at: NormPlaces,
}

impl NormBench {
    fn new(batch: usize, shape: &NormShape, activation: Activation, seed: u64) -> Self {
        const DISTANCE: f32 = 50.0;
        let (mut draw, len, channels) = (Tensors::new(seed), batch * shape.image_len(), shape.channels);
        let x = match activation {
            Activation::Identity => draw.normal(len).into_iter().map(|x| x + DISTANCE).collect(),
            other => draw.activations(len, other),
        };
        let dy = draw.normal(len);
        let variance = |values: Vec<f32>| -> Vec<f32> { values.iter().map(|v| 0.5 + v * v).collect() };
        let parameters = [
            draw.normal(channels),
            draw.normal(channels),
            draw.normal(channels),
            variance(draw.normal(channels)),
        ]
        .concat();
        let (mut mean, mut var) = (vec![0.0; channels], vec![0.0; channels]);
        let mut running = [vec![0.0; channels], vec![0.0; channels]];
        let [running_mean, running_var] = &mut running;
        cpu::batch_norm_statistics(shape, &x, &mut mean, &mut var, running_mean, running_var);
        let at = NormPlaces {
            x: 0,
            dy: len,
            y: 2 * len,
            dx: 2 * len,
            mean: 3 * len,
            variance: 3 * len + channels,
            weight: 0,
            bias: channels,
            running_mean: 2 * channels,
            running_var: 3 * channels,
        };
        let gradients = stale(parameters.len());
        Self { x, dy, mean, variance: var, parameters, gradients, at }
    }

    /// Runs a kernel, with a result of the input's size where none is yet.
    fn run(&self, context: &Context, kernel: &Kernel, batch: usize) -> Result<Outputs, EngineError> {
        let made = stale(self.x.len());
        Bench {
            workspace: [&self.x[..], &self.dy, &made, &self.mean, &self.variance].concat(),
            parameters: self.parameters.clone(),
            gradients: self.gradients.clone(),
            ..Bench::default()
        }
        .run(context, kernel, batch)
    }
}

fn batch_norm_statistics(batch: usize, shape: NormShape) -> Check {
    let name = format!("batch_norm_statistics, {}", describe_norm(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut bench = NormBench::new(batch, &shape, Activation::Identity, seed);
        let channels = shape.channels;
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        let mut running = f64s(&bench.parameters[bench.at.running_mean..]);
        let (running_mean, running_var) = running.split_at_mut(channels);
        let x = f64s(&bench.x);
        cpu::batch_norm_statistics(&shape, &x, &mut mean, &mut variance, running_mean, running_var);

        bench.mean = stale(channels);
        bench.variance = stale(channels);
        let at = bench.at;
        let ends = vec![at.running_mean, at.running_var, bench.parameters.len()];
        let kernel = kernels::batch_norm_statistics("bn", &shape, ends, plan, &at);
        let out = bench.run(context, &kernel, batch)?;
        let faults = out.faults.iter().filter(|fault| **fault != Fault::NONE).count();
        let found_running = out.parameters[at.running_mean..].split_at(channels);
        Ok(vec![
            Finding::by_largest("mean", &out.workspace[at.mean..at.variance], &mean, tolerance::SUM),
            Finding::by_largest("variance", &out.workspace[at.variance..], &variance, tolerance::BATCH_NORM),
            Finding::by_largest("running mean", found_running.0, running_mean, tolerance::SUM),
            Finding::by_largest("running variance", found_running.1, running_var, tolerance::BATCH_NORM),
            Finding::new("faults", faults as f64, tolerance::EXACT),
        ])
    })
}

fn batch_norm_forward(batch: usize, shape: NormShape, pass: Pass) -> Check {
    let name = format!("batch_norm_forward {pass:?}, {}", describe_norm(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let bench = NormBench::new(batch, &shape, Activation::Identity, seed);
        let at = bench.at;
        let (mean, variance) = match pass {
            Pass::Train => (&bench.mean[..], &bench.variance[..]),
            Pass::Evaluate => bench.parameters[at.running_mean..].split_at(shape.channels),
        };
        let (mean, variance) = (f64s(mean), f64s(variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let affine = f64s(&bench.parameters[..at.running_mean]);
        let (weight, bias) = affine.split_at(shape.channels);
        let mut y = vec![0.0; bench.x.len()];
        cpu::batch_norm_forward(&shape, &f64s(&bench.x), &statistics, weight, bias, &mut y);

        let kernel = kernels::batch_norm_forward("bn", &shape, pass, plan, &at);
        let out = bench.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", &out.workspace[at.y..at.mean], &y, tolerance::SUM)])
    })
}

fn batch_norm_backward_weight(batch: usize, shape: NormShape) -> Check {
    let name = format!("batch_norm_backward_weight, {}", describe_norm(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let bench = NormBench::new(batch, &shape, Activation::Identity, seed);
        let at = bench.at;
        let (mean, variance) = (f64s(&bench.mean), f64s(&bench.variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let (mut dweight, mut dbias) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
        let (x, dy) = (f64s(&bench.x), f64s(&bench.dy));
        cpu::batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut dweight, &mut dbias);

        let kernel = kernels::batch_norm_backward_weight("bn", &shape, plan, &at);
        let out = bench.run(context, &kernel, batch)?;
        let (found_weight, found_bias) = out.gradients[..at.running_mean].split_at(at.bias);
        Ok(vec![
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
}

fn batch_norm_backward_input(batch: usize, shape: NormShape, activation: Activation) -> Check {
    let name = format!("batch_norm_backward_input through {activation:?}, {}", describe_norm(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut bench = NormBench::new(batch, &shape, activation, seed);
        // Any sums do: whether they are right is another check's question.
        bench.gradients = Tensors::new(!seed).normal(bench.parameters.len());
        let at = bench.at;
        let (mean, variance) = (f64s(&bench.mean), f64s(&bench.variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let weight = f64s(&bench.parameters[..at.bias]);
        let sums = f64s(&bench.gradients[..at.running_mean]);
        let (dweight, dbias) = sums.split_at(at.bias);
        let (x, dy) = (f64s(&bench.x), f64s(&bench.dy));
        let mut dx = vec![0.0; x.len()];
        cpu::batch_norm_backward_input(
            &shape,
            activation,
            &x,
            &statistics,
            &weight,
            dweight,
            dbias,
            &dy,
            &mut dx,
        );

        let kernel = kernels::batch_norm_backward_input("bn", &shape, activation, plan, &at);
        let out = bench.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("dx", &out.workspace[at.dx..at.mean], &dx, tolerance::SUM)])
    })
}

fn gather(channels: usize, side: usize) -> Check {
    let batch = 9;
    let name = format!("gather, {batch} of {channels}x{side}x{side}");
    Check::new(name, move |context, plan, seed| {
        let split = Tensors::new(seed).split(channels, side, batch, 10);
        let mut x = vec![0.0; batch * LeNet5::new(channels, 10).image_len()];
        cpu::gather(&split, &Bench::order(batch), &mut x);

        let kernel = kernels::gather(&split, plan, 0);
        let out = Bench { workspace: stale(x.len()), ..Bench::default() }
            .run_over(context, &kernel, batch, &split)?;
        Ok(vec![Finding::by_largest("x", &out.workspace, &x, tolerance::FEW_OPERATIONS)])
    })
}

/// At whole points nothing is interpolated: only the normalising rounds.
fn gather_augmented(
    what: &str,
    channels: usize,
    side: usize,
    augmentation: Augmentation,
    tolerance: f64,
) -> Check {
    let batch = 9;
    let name = format!("gather_augmented, {batch} of {channels}x{side}x{side}, {what}");
    Check::new(name, move |context, plan, seed| {
        let split = Tensors::new(seed).split(channels, side, batch, 10);
        let order = Bench::order(batch);
        let views = augmentation.views(seed, 0, &order).expect("something is asked for");
        let mut x = vec![0.0; batch * LeNet5::new(channels, 10).image_len()];
        cpu::gather_augmented(&split, &order, &views, &mut x);

        let kernel = kernels::gather_augmented(&split, plan, 0);
        let out = Bench { workspace: stale(x.len()), ..Bench::default() }
            .run_in_order(context, &kernel, batch, &split, order, views)?;
        Ok(vec![Finding::by_largest("x", &out.workspace, &x, tolerance)])
    })
}

/// A kernel's surroundings.
#[derive(Default)]
struct Bench {
    workspace: Vec<f32>,
    parameters: Vec<f32>,
    /// As many as there are parameters; none where the kernel does not read them.
    gradients: Vec<f32>,
    loss: Loss,
}

impl Bench {
    /// The images of a batch, last one first, so that an order that is not followed shows.
    fn order(batch: usize) -> Vec<u32> {
        (0..batch as u32).rev().collect()
    }

    /// Runs a kernel that needs no images.
    fn run(self, context: &Context, kernel: &Kernel, batch: usize) -> Result<Outputs, EngineError> {
        let nothing = Split { channels: 1, height: 1, width: 1, pixels: vec![0], labels: vec![0] };
        self.run_in_order(context, kernel, batch, &nothing, vec![0], Vec::new())
    }

    /// Runs a kernel over the images or labels of `split`, in [`Bench::order`].
    fn run_over(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        split: &Split,
    ) -> Result<Outputs, EngineError> {
        self.run_in_order(context, kernel, batch, split, Self::order(batch), Vec::new())
    }

    fn run_in_order(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        split: &Split,
        order: Vec<u32>,
        views: Vec<View>,
    ) -> Result<Outputs, EngineError> {
        let step = Step { first: 0, count: batch, learning_rate: 0.0 };
        let batch = step.micro_batches().next().expect("a batch has images");
        let gradients = if self.gradients.is_empty() { stale(self.parameters.len()) } else { self.gradients };
        let inputs = Inputs {
            gradients,
            workspace: self.workspace,
            parameters: self.parameters,
            first_moment: Vec::new(),
            second_moment: Vec::new(),
            accumulated: Vec::new(),
            norms: Vec::new(),
            split,
            order,
            views,
            // As many as any of them looks at.
            tensors: 3,
            record: BatchRecord::new(&batch, 0, 1, &self.loss, &Optimizer::default()),
        };
        run(context, kernel, &inputs)
    }
}

fn describe(shape: &ConvShape, batch: usize) -> String {
    let ConvShape { channels, height, width, filters, size, stride, padding } = shape;
    format!(
        "{batch} of {channels}x{height}x{width}, {filters} filters of {size}x{size}, \
         stride {stride}, padding {padding}"
    )
}

fn describe_pool(shape: &PoolShape, batch: usize) -> String {
    let PoolShape { channels, height, width, window, stride } = shape;
    format!("{batch} of {channels}x{height}x{width}, window {window}, stride {stride}")
}

fn describe_norm(shape: &NormShape, batch: usize) -> String {
    format!("{batch} of {} channels of {}", shape.channels, shape.positions)
}

fn describe_dense(shape: &DenseShape, batch: usize) -> String {
    format!("{batch} of {}, {} outputs", shape.inputs, shape.outputs)
}
