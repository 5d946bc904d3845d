//! Each kernel alone, held against its f64 twin: over LeNet-5's own shapes, and over others that cover
//! strides, paddings, overlapping pools, odd sizes, blocks cut short, and a batch of one image.

use super::comparison::Finding;
use super::tensors::{Tensors, f64s, stale};
use super::{Check, tolerance};
use crate::cpu;
use crate::data::{Augmentation, Split, View};
use crate::engine::{Adam, EngineError, Step};
use crate::gpu::Context;
use crate::gpu::buffers::{BatchRecord, Fault};
use crate::gpu::kernels::{self, Kernel, Partials, Places};
use crate::gpu::single::{Inputs, Outputs, run};
use crate::model::{Activation, ConvShape, DenseShape, LeNet5, PoolShape};

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
        all.push(dense_log_softmax(batch, shape));
    }
    for (channels, side) in [(1, 28), (1, 32), (3, 28), (3, 32)] {
        all.push(gather(channels, side));
        let moved = Augmentation { shift: 3, flip: true, ..Augmentation::default() };
        all.push(gather_augmented("moved and mirrored", channels, side, moved, tolerance::FEW_OPERATIONS));
        let turned = Augmentation { rotate: 30.0, scale: 0.3, ..moved };
        all.push(gather_augmented("turned and scaled too", channels, side, turned, tolerance::INTERPOLATION));
    }
    all.push(adam());
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
        let out = Bench { workspace: [x, stale(y.len())].concat(), parameters: [weight, bias].concat() }
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
        let out = Bench { workspace: [dy, stale(dx.len())].concat(), parameters: weight }
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
        let out = Bench { workspace: [x, dy, room].concat(), parameters: Vec::new() }
            .run(context, &kernel, batch)?;
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
        let out = Bench { workspace: [x, stale(2 * len)].concat(), parameters: Vec::new() }
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
        let out = Bench { workspace: [y, dy, argmax, stale(dx.len())].concat(), parameters: Vec::new() }
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
        let out = Bench { workspace: [x, stale(y.len())].concat(), parameters: [weight, bias].concat() }
            .run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", &out.workspace[at.y..], &y, tolerance::SUM)])
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
        let out = Bench { workspace: [x, dy, stale(dx.len())].concat(), parameters: [weight, bias].concat() }
            .run(context, &kernel, batch)?;
        let (found_weight, found_bias) = out.gradients.split_at(at.bias);
        Ok(vec![
            Finding::by_largest("dx", &out.workspace[at.dx..], &dx, tolerance::SUM),
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
}

fn dense_log_softmax(batch: usize, shape: DenseShape) -> Check {
    let name = format!("dense_log_softmax, {}", describe_dense(&shape, batch));
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
        let (mut log_probs, mut dz) = (vec![0.0; len], vec![0.0; len]);
        let (mut losses, mut predicted) = (vec![0.0; batch], vec![0; batch]);
        cpu::dense_log_softmax(
            &shape,
            &f64s(&x),
            &f64s(&weight),
            &f64s(&bias),
            &labels,
            1.0 / batch as f64,
            &mut log_probs,
            &mut dz,
            &mut losses,
            &mut predicted,
        );

        let at = Places {
            x: 0,
            y: x.len(),
            dy: x.len() + len,
            weight: 0,
            bias: weight.len(),
            ..Places::default()
        };
        let kernel = kernels::dense_log_softmax("dense", &shape, plan, &at);
        let out = Bench { workspace: [x, stale(2 * len)].concat(), parameters: [weight, bias].concat() }
            .run_over(context, &kernel, batch, &split)?;
        let found_losses: Vec<_> = out.outcomes.iter().map(|outcome| outcome.loss).collect();
        let found_predicted: Vec<_> = out.outcomes.iter().map(|outcome| outcome.predicted as f32).collect();
        let predicted: Vec<_> = predicted.into_iter().map(f64::from).collect();
        Ok(vec![
            Finding::by_largest("log_probs", &out.workspace[at.y..at.dy], &log_probs, tolerance::LOG_SOFTMAX),
            Finding::by_largest("dz", &out.workspace[at.dy..], &dz, tolerance::LOG_SOFTMAX),
            Finding::by_largest("loss", &found_losses, &losses, tolerance::LOG_SOFTMAX),
            Finding::by_largest("predicted", &found_predicted, &predicted, tolerance::EXACT),
        ])
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
        let out = Bench { workspace: stale(x.len()), parameters: Vec::new() }
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
        let out = Bench { workspace: stale(x.len()), parameters: Vec::new() }
            .run_in_order(context, &kernel, batch, &split, order, views)?;
        Ok(vec![Finding::by_largest("x", &out.workspace, &x, tolerance)])
    })
}

/// The update of two tensors, the first of which has its gradient in partial sums.
fn adam() -> Check {
    Check::new("adam, a tensor of 70 from partial sums and one of 200", move |context, plan, seed| {
        const SUMMED: usize = 70;
        const ALL: usize = 270;
        /// A step of the middle: both corrections count.
        const STEP: u64 = 5;
        let hyperparameters = Adam::default();
        let rate = 0.01;
        let mut draw = Tensors::new(seed);
        let (parameters, first, direct) = (draw.normal(ALL), draw.normal(ALL), draw.normal(ALL));
        let second: Vec<_> = draw.normal(ALL).into_iter().map(f32::abs).collect();
        let chunks = draw.normal(plan.weight_chunks * SUMMED);

        let mut gradient = f64s(&direct);
        for (place, sum) in gradient[..SUMMED].iter_mut().enumerate() {
            *sum = chunks.iter().skip(place).step_by(SUMMED).map(|&part| f64::from(part)).sum();
        }
        let (mut p, mut m, mut v) = (f64s(&parameters), f64s(&first), f64s(&second));
        cpu::adam(&hyperparameters, rate, STEP, &gradient, &mut p, &mut m, &mut v);

        let partials = Partials { place: 0, len: SUMMED };
        let kernel = kernels::adam_over(vec![SUMMED, ALL], plan, &partials);
        let step = Step { first: 0, count: 1, learning_rate: rate };
        let split = draw.split(1, 1, 1, 2);
        let inputs = Inputs {
            workspace: chunks,
            parameters,
            gradients: direct,
            first_moment: first,
            second_moment: second,
            split: &split,
            order: vec![0],
            views: Vec::new(),
            tensors: 2,
            record: BatchRecord::new(&step, 0, STEP, &hyperparameters),
        };
        let out = run(context, &kernel, &inputs)?;
        let faults = out.faults.iter().filter(|fault| **fault != Fault::NONE).count();
        Ok(vec![
            Finding::by_largest("gradient", &out.gradients, &gradient, tolerance::SUM),
            Finding::by_largest("first moment", &out.first_moment, &m, tolerance::SUM),
            Finding::by_largest("second moment", &out.second_moment, &v, tolerance::SUM),
            Finding::by_largest("parameter", &out.parameters, &p, tolerance::SUM),
            Finding::new("faults", faults as f64, tolerance::EXACT),
        ])
    })
}

/// A kernel's surroundings.
struct Bench {
    workspace: Vec<f32>,
    parameters: Vec<f32>,
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
        let inputs = Inputs {
            gradients: stale(self.parameters.len()),
            workspace: self.workspace,
            parameters: self.parameters,
            first_moment: Vec::new(),
            second_moment: Vec::new(),
            split,
            order,
            views,
            tensors: 1,
            record: BatchRecord::new(&step, 0, 1, &Adam::default()),
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

fn describe_dense(shape: &DenseShape, batch: usize) -> String {
    format!("{batch} of {}, {} outputs", shape.inputs, shape.outputs)
}
