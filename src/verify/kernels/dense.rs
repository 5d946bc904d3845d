//! Dense layers, and the activations after them.

use super::bench::Bench;
use crate::cpu;
use crate::gpu::kernels::{self, Places};
use crate::model::{Activation, DenseShape, LeNet5};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in layers() {
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(dense_forward(batch, shape, activation));
            all.push(dense_backward(batch, shape, activation));
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
    for activation in Activation::ALL {
        all.push(match activation {
            Activation::LogSoftmax => nan_passes_log_softmax(),
            of_one_value => nan_passes(of_one_value),
        });
    }
    all
}

/// Batch size and shape.
pub fn layers() -> Vec<(usize, DenseShape)> {
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

fn dense_forward(batch: usize, shape: DenseShape, activation: Activation) -> Check {
    let name = format!("dense_forward {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let (x, weight, bias) =
            (draw.normal(batch * shape.inputs), draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let mut y = vec![0.0; batch * shape.outputs];
        cpu::reference::dense_forward(&shape, activation, &f64s(&x), &f64s(&weight), &f64s(&bias), &mut y);

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
    let name = format!("dense_backward through {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let x = draw.activations(batch * shape.inputs, activation);
        let (dy, weight) = (draw.normal(batch * shape.outputs), draw.normal(shape.weight_len()));
        let mut dx = vec![0.0; x.len()];
        let (mut dweight, mut dbias) = (vec![0.0; weight.len()], vec![0.0; shape.outputs]);
        cpu::reference::dense_backward(
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
        let at = Places { x: 0, y: 1, dx: 2, dy: 3, weight: 0, bias: 1, ..Places::default() };
        let bench = |x, y, dy| Bench {
            workspace: vec![x, y, 0.0, dy],
            parameters: vec![1.0, 0.0],
            ..Bench::default()
        };

        let kernel = kernels::dense_forward("dense", &shape, activation, plan, &at);
        let y = bench(f32::NAN, 0.0, 1.0).run(context, &kernel, 1)?.workspace[at.y];
        let kernel = kernels::dense_backward("dense", &shape, activation, plan, &at);
        // Sign has a derivative of 0 everywhere, so that there the output must be NaN for the gradient to be.
        let x = if activation == Activation::Sign { f32::NAN } else { 0.5 };
        let dx = bench(x, 0.0, f32::NAN).run(context, &kernel, 1)?.workspace[at.dx];
        Ok(vec![all_nan("forward", &[y]), all_nan("backward", &[dx])])
    })
}

/// A NaN in any of some values comes out of log-softmax in all of them, forward and backward. Of a single one a
/// compiler may know that it is its own maximum, and its distance from that 0.
fn nan_passes_log_softmax() -> Check {
    Check::new("a NaN passes log-softmax", |context, plan, _| {
        const OUTPUTS: usize = 3;
        let at = Places { y: 0, dy: OUTPUTS, ..Places::default() };
        let mut findings = Vec::new();
        for bad in 0..OUTPUTS {
            let mut values = vec![0.5, 1.0, -0.5];
            values[bad] = f32::NAN;
            let run = |workspace, kernel| Bench { workspace, ..Bench::default() }.run(context, &kernel, 1);
            let forward = kernels::log_softmax("dense", OUTPUTS, plan, &at);
            let y = run([values.clone(), vec![0.0; OUTPUTS]].concat(), forward)?.workspace;
            findings.push(all_nan(&format!("forward, of {bad}"), &y[..at.dy]));
            let backward = kernels::log_softmax_backward("dense", OUTPUTS, plan, &at);
            let dz = run([vec![-1.0; OUTPUTS], values].concat(), backward)?.workspace;
            findings.push(all_nan(&format!("backward, of {bad}"), &dz[at.dy..]));
        }
        Ok(findings)
    })
}

fn all_nan(name: &str, values: &[f32]) -> Finding {
    let others = values.iter().filter(|value| !value.is_nan()).count();
    Finding::new(format!("values that are not NaN, {name}"), others as f64, tolerance::EXACT)
}

pub fn describe(shape: &DenseShape, batch: usize) -> String {
    format!("{batch} of {}, {} outputs", shape.inputs, shape.outputs)
}
