//! Log-softmax as an activation, forward and backward.

use super::dense::{all_nan, layers};
use super::fixture::Fixture;
use crate::cpu;
use crate::gpu::kernels;
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all: Vec<_> =
        layers().into_iter().map(|(batch, shape)| log_softmax(batch, shape.outputs)).collect();
    all.push(nan_passes());
    all
}

fn log_softmax(batch: usize, outputs: usize) -> Check {
    Check::new(format!("log_softmax, {batch} of {outputs} outputs"), move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let (z, dy) = (draw.normal(batch * outputs), draw.normal(batch * outputs));
        let (mut y, mut dz) = (f64s(&z), f64s(&dy));
        cpu::log_softmax(outputs, &mut y);
        cpu::log_softmax_backward(outputs, &y, &mut dz);

        let mut fixture = Fixture::default();
        let offset = fixture.tensor(&z);
        let kernel = kernels::log_softmax("dense", outputs, config, offset);
        let forward = fixture.run(context, &kernel, batch)?;
        let found_y = forward.tensor(offset, y.len());

        let mut fixture = Fixture::default();
        let offsets = fixture.with_gradient(found_y, &dy);
        let kernel = kernels::log_softmax_backward("dense", outputs, config, &offsets);
        let backward = fixture.run(context, &kernel, batch)?;
        let found_dz = backward.tensor(offsets.gradient, dz.len());
        Ok(vec![
            Finding::by_largest("y", found_y, &y, tolerance::LOG_SOFTMAX),
            Finding::by_largest("dz", found_dz, &dz, tolerance::LOG_SOFTMAX),
        ])
    })
    .covering(&["log_softmax", "log_softmax_backward"])
}

/// A NaN in one of several values makes all results NaN, forward and backward. For a single value a compiler may
/// conclude that it is its own maximum, and its distance from that 0.
fn nan_passes() -> Check {
    Check::new("log-softmax propagates NaN", |context, config, _| {
        const OUTPUTS: usize = 3;
        let mut findings = Vec::new();
        for bad in 0..OUTPUTS {
            let mut values = [0.5, 1.0, -0.5];
            values[bad] = f32::NAN;

            let mut fixture = Fixture::default();
            let offset = fixture.tensor(&values);
            let kernel = kernels::log_softmax("dense", OUTPUTS, config, offset);
            let y = fixture.run(context, &kernel, 1)?;
            findings.push(all_nan(&format!("forward, NaN at {bad}"), y.tensor(offset, OUTPUTS)));

            let mut fixture = Fixture::default();
            let offsets = fixture.with_gradient(&[-1.0; OUTPUTS], &values);
            let kernel = kernels::log_softmax_backward("dense", OUTPUTS, config, &offsets);
            let dz = fixture.run(context, &kernel, 1)?;
            findings.push(all_nan(&format!("backward, NaN at {bad}"), dz.tensor(offsets.gradient, OUTPUTS)));
        }
        Ok(findings)
    })
    .covering(&["log_softmax", "log_softmax_backward"])
}
