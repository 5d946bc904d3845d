//! Dense layers, and the activations that follow them.

use super::fixture::Fixture;
use crate::cpu;
use crate::gpu::kernels::{self, DenseBackwardOffsets, DenseForwardOffsets};
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
    }
    for activation in [Activation::Sigmoid, Activation::Sign, Activation::Tanh, Activation::HardTanh] {
        for (batch, inputs, outputs) in [(1, 1, 2), (13, 33, 100)] {
            let shape = DenseShape { inputs, outputs };
            all.push(dense_forward(batch, shape, activation));
            all.push(dense_backward(batch, shape, activation));
        }
    }
    let of_one_value = |activation: &Activation| *activation != Activation::LogSoftmax;
    all.extend(Activation::ALL.into_iter().filter(of_one_value).map(nan_passes));
    all
}

/// Batch sizes and shapes.
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
        (13, dense(33, 100)), // more classes than invocations in a workgroup
    ]
}

fn dense_forward(batch: usize, shape: DenseShape, activation: Activation) -> Check {
    let name = format!("dense_forward {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let (x, weight, bias) =
            (draw.normal(batch * shape.inputs), draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let mut y = vec![0.0; batch * shape.outputs];
        cpu::reference::dense_forward(&shape, activation, &f64s(&x), &f64s(&weight), &f64s(&bias), &mut y);

        let mut fixture = Fixture::default();
        let offsets = DenseForwardOffsets {
            x: fixture.tensor(&x),
            y: fixture.result(y.len()),
            weights: fixture.weights(&weight, &bias),
        };
        let kernel = kernels::dense_forward("dense", &shape, activation, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", out.tensor(offsets.y, y.len()), &y, tolerance::ACTIVATION)])
    })
    .covering(&["dense_forward"])
}

fn dense_backward(batch: usize, shape: DenseShape, activation: Activation) -> Check {
    let name = format!("dense_backward through {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
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

        let mut fixture = Fixture::default();
        let offsets = DenseBackwardOffsets {
            x: fixture.tensor(&x),
            dy: fixture.tensor(&dy),
            dx: fixture.result(dx.len()),
            weights: fixture.weights(&weight, &stale(shape.outputs)),
        };
        let kernel = kernels::dense_backward("dense", &shape, activation, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        let found_weight = out.gradient(offsets.weights.weight, dweight.len());
        let found_bias = out.gradient(offsets.weights.bias, dbias.len());
        Ok(vec![
            Finding::by_largest("dx", out.tensor(offsets.dx, dx.len()), &dx, tolerance::SUM),
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
    .covering(&["dense_backward"])
}

/// An activation turns NaN into NaN, forward and backward.
fn nan_passes(activation: Activation) -> Check {
    Check::new(format!("{activation} propagates NaN"), move |context, config, _| {
        let shape = DenseShape { inputs: 1, outputs: 1 };

        let mut fixture = Fixture::default();
        let offsets = DenseForwardOffsets {
            x: fixture.tensor(&[f32::NAN]),
            y: fixture.tensor(&[0.0]),
            weights: fixture.weights(&[1.0], &[0.0]),
        };
        let kernel = kernels::dense_forward("dense", &shape, activation, config, &offsets);
        let forward = fixture.run(context, &kernel, 1)?;

        // Sign has a derivative of 0 everywhere, so that its gradient is NaN only if its output is.
        let x = if activation == Activation::Sign { f32::NAN } else { 0.5 };
        let mut fixture = Fixture::default();
        let backward_offsets = DenseBackwardOffsets {
            x: fixture.tensor(&[x]),
            dx: fixture.tensor(&[0.0]),
            dy: fixture.tensor(&[f32::NAN]),
            weights: fixture.weights(&[1.0], &[0.0]),
        };
        let kernel = kernels::dense_backward("dense", &shape, activation, config, &backward_offsets);
        let backward = fixture.run(context, &kernel, 1)?;
        Ok(vec![
            all_nan("forward", forward.tensor(offsets.y, 1)),
            all_nan("backward", backward.tensor(backward_offsets.dx, 1)),
        ])
    })
    .covering(&["dense_forward", "dense_backward"])
}

pub fn all_nan(name: &str, values: &[f32]) -> Finding {
    let others = values.iter().filter(|value| !value.is_nan()).count();
    Finding::new(format!("values that are not NaN, {name}"), others as f64, tolerance::EXACT)
}

pub fn describe(shape: &DenseShape, batch: usize) -> String {
    format!("{batch} of {}, {} outputs", shape.inputs, shape.outputs)
}
