//! Max-pools.

use super::bench::Bench;
use crate::cpu;
use crate::gpu::kernels::{self, Places};
use crate::model::{Activation, LeNet5, PoolShape};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in pools() {
        all.push(max_pool(batch, shape));
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(max_pool_backward(batch, shape, activation));
        }
    }
    all
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

fn max_pool(batch: usize, shape: PoolShape) -> Check {
    let name = format!("max_pool, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        // Few different values, so that windows have equal maxima and the first must win.
        let x = Tensors::new(seed).levels(batch * shape.in_len());
        let len = batch * shape.out_len();
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::reference::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);

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
    let name = format!("max_pool_backward through {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        let x = draw.activations(batch * shape.in_len(), activation);
        let len = batch * shape.out_len();
        let dy = draw.normal(len);
        let (mut y, mut argmax) = (vec![0.0; len], vec![0; len]);
        cpu::reference::max_pool(&shape, &f64s(&x), &mut y, &mut argmax);
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

fn describe(shape: &PoolShape, batch: usize) -> String {
    let PoolShape { channels, height, width, window, stride } = shape;
    format!("{batch} of {channels}x{height}x{width}, window {window}, stride {stride}")
}
