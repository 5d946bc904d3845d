//! Max-pools.

use super::fixture::Fixture;
use crate::cpu;
use crate::gpu::kernels::{self, MaxPoolBackwardOffsets, MaxPoolOffsets};
use crate::model::{Activation, LeNet5, PoolShape};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in shapes() {
        all.push(max_pool(batch, shape));
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(max_pool_backward(batch, shape, activation));
        }
    }
    all
}

/// Batch sizes and shapes.
fn shapes() -> Vec<(usize, PoolShape)> {
    let pool =
        |channels, height, width, window, stride| PoolShape { channels, height, width, window, stride };
    let network = LeNet5::new(1, 10);
    vec![
        (64, network.pool1()),
        (64, network.pool2()),
        (1, pool(1, 2, 2, 2, 2)),   // one window
        (3, pool(2, 9, 11, 3, 2)),  // overlapping windows
        (2, pool(3, 8, 7, 3, 2)),   // overlapping windows, with a remainder
        (2, pool(1, 7, 7, 3, 1)),   // every value is in up to nine windows
        (1, pool(2, 10, 13, 2, 3)), // gaps between windows
    ]
}

fn max_pool(batch: usize, shape: PoolShape) -> Check {
    let name = format!("max_pool, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        // Few different values, so that windows have equal maxima and the first must win.
        let x = Tensors::new(seed).levels(batch * shape.in_len());
        let len = batch * shape.out_len();
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::reference::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);

        let mut fixture = Fixture::default();
        let offsets =
            MaxPoolOffsets { x: fixture.tensor(&x), y: fixture.result(len), argmax: fixture.result(len) };
        let kernel = kernels::max_pool("pool", &shape, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        let argmax: Vec<_> = argmax.into_iter().map(f64::from).collect();
        Ok(vec![
            Finding::by_largest("y", out.tensor(offsets.y, len), &y, tolerance::EXACT),
            Finding::by_largest("argmax", out.tensor(offsets.argmax, len), &argmax, tolerance::EXACT),
        ])
    })
    .covering(&["max_pool"])
}

fn max_pool_backward(batch: usize, shape: PoolShape, activation: Activation) -> Check {
    let name = format!("max_pool_backward through {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let x = draw.activations(batch * shape.in_len(), activation);
        let len = batch * shape.out_len();
        let dy = draw.normal(len);
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::reference::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);
        let mut dx = vec![0.0; x.len()];
        cpu::max_pool_backward(&shape, activation, &f64s(&x), &argmax, &f64s(&dy), &mut dx);

        let y: Vec<_> = y.into_iter().map(|value| value as f32).collect();
        let argmax: Vec<_> = argmax.into_iter().map(|index| index as f32).collect();
        let mut fixture = Fixture::default();
        let offsets = MaxPoolBackwardOffsets {
            y: fixture.tensor(&y),
            dy: fixture.tensor(&dy),
            argmax: fixture.tensor(&argmax),
            dx: fixture.result(dx.len()),
        };
        let kernel = kernels::max_pool_backward("pool", &shape, activation, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("dx", out.tensor(offsets.dx, dx.len()), &dx, tolerance::SUM)])
    })
    .covering(&["max_pool_backward"])
}

fn describe(shape: &PoolShape, batch: usize) -> String {
    let PoolShape { channels, height, width, window, stride } = shape;
    format!("{batch} of {channels}x{height}x{width}, window {window}, stride {stride}")
}
