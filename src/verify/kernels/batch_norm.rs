//! Batch normalisations.

use super::bench::Bench;
use crate::cpu;
use crate::engine::{EngineError, Mode};
use crate::gpu::Context;
use crate::gpu::buffers::Fault;
use crate::gpu::kernels::{self, Kernel, NormPlaces};
use crate::gpu::single::Outputs;
use crate::model::{Activation, LeNet5, NormShape};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in norms() {
        all.push(batch_norm_statistics(batch, shape));
        for pass in [Mode::Train, Mode::Evaluate] {
            all.push(batch_norm_forward(batch, shape, pass));
        }
        all.push(batch_norm_backward_weight(batch, shape));
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            all.push(batch_norm_backward_input(batch, shape, activation));
        }
    }
    all
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
        cpu::reference::batch_norm_statistics(shape, &x, &mut mean, &mut var, running_mean, running_var);
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
    let name = format!("batch_norm_statistics, {}", describe(&shape, batch));
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

fn batch_norm_forward(batch: usize, shape: NormShape, pass: Mode) -> Check {
    let name = format!("batch_norm_forward {pass:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let bench = NormBench::new(batch, &shape, Activation::Identity, seed);
        let at = bench.at;
        let (mean, variance) = match pass {
            Mode::Train => (&bench.mean[..], &bench.variance[..]),
            Mode::Evaluate => bench.parameters[at.running_mean..].split_at(shape.channels),
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
    let name = format!("batch_norm_backward_weight, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let bench = NormBench::new(batch, &shape, Activation::Identity, seed);
        let at = bench.at;
        let (mean, variance) = (f64s(&bench.mean), f64s(&bench.variance));
        let statistics = cpu::Statistics { mean: &mean, variance: &variance };
        let (mut dweight, mut dbias) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
        let (x, dy) = (f64s(&bench.x), f64s(&bench.dy));
        cpu::reference::batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut dweight, &mut dbias);

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
    let name = format!("batch_norm_backward_input through {activation:?}, {}", describe(&shape, batch));
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

fn describe(shape: &NormShape, batch: usize) -> String {
    format!("{batch} of {} channels of {}", shape.channels, shape.positions)
}
