//! Batch normalisation.

use super::fixture::Fixture;
use crate::cpu;
use crate::engine::{EngineError, Mode};
use crate::gpu::Context;
use crate::gpu::kernel_run::KernelOutputs;
use crate::gpu::kernels::{self, BatchNormOffsets, Kernel, WithGradient};
use crate::model::{Activation, LeNet5, NormShape};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in shapes() {
        all.push(batch_norm_statistics(batch, shape));
        for mode in [Mode::Train, Mode::Evaluate] {
            all.push(batch_norm_forward(batch, shape, mode));
        }
        all.push(batch_norm_backward_weight(batch, shape));
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            all.push(batch_norm_backward_input(batch, shape, activation));
        }
    }
    all
}

/// Batch sizes and shapes.
fn shapes() -> Vec<(usize, NormShape)> {
    let network = LeNet5::new(1, 10);
    let norm = |channels, positions| NormShape { channels, positions };
    vec![
        (64, network.bn1()),
        (5, network.bn2()),
        (64, network.bn3()),
        (2, network.bn4()),
        (1, norm(3, 1)),   // one value per channel: no variance
        (1, norm(1, 49)),  // one image
        (7, norm(5, 3)),   // fewer values than invocations in a workgroup
        (300, norm(2, 9)), // more
    ]
}

/// The inputs of a batch normalisation: values far from 0, so that errors from cancellation show.
struct Inputs {
    x: Vec<f32>,
    dy: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    /// Of weight and bias; stale unless a check needs them.
    gradients: Option<[Vec<f32>; 2]>,
}

impl Inputs {
    fn new(batch: usize, shape: &NormShape, activation: Activation, seed: u64) -> Self {
        const DISTANCE: f32 = 50.0;
        let (mut draw, len, channels) = (Tensors::new(seed), batch * shape.image_len(), shape.channels);
        let x = match activation {
            Activation::Identity => draw.normal(len).into_iter().map(|x| x + DISTANCE).collect(),
            other => draw.activations(len, other),
        };
        let dy = draw.normal(len);
        let (weight, bias) = (draw.normal(channels), draw.normal(channels));
        let running_mean = draw.normal(channels);
        let running_var: Vec<f32> = draw.normal(channels).into_iter().map(|v| 0.5 + v * v).collect();
        let [mut mean, mut variance] = [vec![0.0; channels], vec![0.0; channels]];
        let [mut unused_mean, mut unused_var] = [vec![0.0; channels], vec![0.0; channels]];
        cpu::reference::batch_norm_statistics(
            shape,
            &x,
            &mut mean,
            &mut variance,
            &mut unused_mean,
            &mut unused_var,
        );
        Self { x, dy, mean, variance, weight, bias, running_mean, running_var, gradients: None }
    }

    /// Runs the kernel that `kernel` returns for the offsets of all tensors.
    fn run(
        self,
        context: &Context,
        batch: usize,
        kernel: impl FnOnce(&BatchNormOffsets) -> Kernel,
    ) -> Result<(BatchNormOffsets, KernelOutputs), EngineError> {
        let (len, channels) = (self.x.len(), self.mean.len());
        let mut fixture = Fixture::default();
        let (x, dy, y, dx) =
            (fixture.tensor(&self.x), fixture.tensor(&self.dy), fixture.result(len), fixture.result(len));
        let offsets = BatchNormOffsets {
            x: WithGradient { value: x, gradient: dx },
            y: WithGradient { value: y, gradient: dy },
            mean: fixture.tensor(&self.mean),
            variance: fixture.tensor(&self.variance),
            weight: fixture.parameter(&self.weight),
            bias: fixture.parameter(&self.bias),
            running_mean: fixture.parameter(&self.running_mean),
            running_var: fixture.parameter(&self.running_var),
        };
        if let Some([dweight, dbias]) = self.gradients {
            fixture.gradients([dweight, dbias, stale(2 * channels)].concat());
        }
        let kernel = kernel(&offsets);
        Ok((offsets, fixture.run(context, &kernel, batch)?))
    }
}

fn batch_norm_statistics(batch: usize, shape: NormShape) -> Check {
    let name = format!("batch_norm_statistics, {}", describe(&shape, batch));
    Check::new(name, move |context, _, seed| {
        let channels = shape.channels;
        let mut inputs = Inputs::new(batch, &shape, Activation::Identity, seed);
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        let (mut running_mean, mut running_var) = (f64s(&inputs.running_mean), f64s(&inputs.running_var));
        let x = f64s(&inputs.x);
        cpu::batch_norm_statistics(&shape, &x, &mut mean, &mut variance, &mut running_mean, &mut running_var);

        inputs.mean = stale(channels);
        inputs.variance = stale(channels);
        let (offsets, out) = inputs.run(context, batch, |offsets| {
            // Weight and bias count as one tensor.
            let ends = vec![2 * channels, 3 * channels, 4 * channels];
            kernels::batch_norm_statistics("bn", &shape, ends, offsets)
        })?;
        let found_mean = out.tensor(offsets.mean, channels);
        let found_variance = out.tensor(offsets.variance, channels);
        let found_running_mean = out.parameter(offsets.running_mean, channels);
        let found_running_var = out.parameter(offsets.running_var, channels);
        Ok(vec![
            Finding::by_largest("mean", found_mean, &mean, tolerance::SUM),
            Finding::by_largest("variance", found_variance, &variance, tolerance::BATCH_NORM),
            Finding::by_largest("running mean", found_running_mean, &running_mean, tolerance::SUM),
            Finding::by_largest("running variance", found_running_var, &running_var, tolerance::BATCH_NORM),
            Finding::new("faults", out.faulty_tensors() as f64, tolerance::EXACT),
        ])
    })
    .covering(&["batch_norm_statistics"])
}

fn batch_norm_forward(batch: usize, shape: NormShape, mode: Mode) -> Check {
    let name = format!("batch_norm_forward {mode:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let inputs = Inputs::new(batch, &shape, Activation::Identity, seed);
        let (mean, variance) = match mode {
            Mode::Train => (f64s(&inputs.mean), f64s(&inputs.variance)),
            Mode::Evaluate => (f64s(&inputs.running_mean), f64s(&inputs.running_var)),
        };
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let (x, weight, bias) = (f64s(&inputs.x), f64s(&inputs.weight), f64s(&inputs.bias));
        let mut y = vec![0.0; x.len()];
        cpu::batch_norm_forward(&shape, &x, &statistics, &weight, &bias, &mut y);

        let (offsets, out) = inputs.run(context, batch, |offsets| {
            kernels::batch_norm_forward("bn", &shape, mode, config, offsets)
        })?;
        Ok(vec![Finding::by_largest("y", out.tensor(offsets.y.value, y.len()), &y, tolerance::SUM)])
    })
    .covering(&["batch_norm_forward"])
}

fn batch_norm_backward_weight(batch: usize, shape: NormShape) -> Check {
    let name = format!("batch_norm_backward_weight, {}", describe(&shape, batch));
    Check::new(name, move |context, _, seed| {
        let inputs = Inputs::new(batch, &shape, Activation::Identity, seed);
        let (mean, variance) = (f64s(&inputs.mean), f64s(&inputs.variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let (mut dweight, mut dbias) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
        let (x, dy) = (f64s(&inputs.x), f64s(&inputs.dy));
        cpu::reference::batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut dweight, &mut dbias);

        let (offsets, out) = inputs
            .run(context, batch, |offsets| kernels::batch_norm_backward_weight("bn", &shape, offsets))?;
        let found_weight = out.gradient(offsets.weight, dweight.len());
        let found_bias = out.gradient(offsets.bias, dbias.len());
        Ok(vec![
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
    .covering(&["batch_norm_backward_weight"])
}

fn batch_norm_backward_input(batch: usize, shape: NormShape, activation: Activation) -> Check {
    let name = format!("batch_norm_backward_input through {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut inputs = Inputs::new(batch, &shape, activation, seed);
        let (mean, variance) = (f64s(&inputs.mean), f64s(&inputs.variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        // Any gradients will do: another check compares those of the weight and bias.
        let mut draw = Tensors::new(!seed);
        let gradients = [draw.normal(shape.channels), draw.normal(shape.channels)];
        let [dweight, dbias] = [f64s(&gradients[0]), f64s(&gradients[1])];
        let (x, dy, weight) = (f64s(&inputs.x), f64s(&inputs.dy), f64s(&inputs.weight));
        let mut dx = vec![0.0; x.len()];
        cpu::batch_norm_backward_input(
            &shape,
            activation,
            &x,
            &statistics,
            &weight,
            &dweight,
            &dbias,
            &dy,
            &mut dx,
        );

        inputs.gradients = Some(gradients);
        let (offsets, out) = inputs.run(context, batch, |offsets| {
            kernels::batch_norm_backward_input("bn", &shape, activation, config, offsets)
        })?;
        Ok(vec![Finding::by_largest("dx", out.tensor(offsets.x.gradient, dx.len()), &dx, tolerance::SUM)])
    })
    .covering(&["batch_norm_backward_input"])
}

fn describe(shape: &NormShape, batch: usize) -> String {
    format!("{batch} of {} channels of {}", shape.channels, shape.positions)
}
