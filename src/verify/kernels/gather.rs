//! Images laid as the network's input.

use super::bench::Bench;
use crate::cpu;
use crate::data::Augmentation;
use crate::gpu::kernels;
use crate::model::LeNet5;
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (channels, side) in [(1, 28), (1, 32), (3, 28), (3, 32)] {
        all.push(gather(channels, side));
        let moved = Augmentation { shift: 3, flip: true, ..Augmentation::default() };
        all.push(gather_augmented("moved and mirrored", channels, side, moved, tolerance::FEW_OPERATIONS));
        let turned = Augmentation { rotate: 30.0, scale: 0.3, ..moved };
        all.push(gather_augmented("turned and scaled too", channels, side, turned, tolerance::INTERPOLATION));
    }
    all
}

fn gather(channels: usize, side: usize) -> Check {
    let batch = 9;
    let name = format!("gather, {batch} of {channels}x{side}x{side}");
    Check::new(name, move |context, plan, seed| {
        let split = Tensors::new(seed).image_set(channels, side, batch, 10);
        let mut x = vec![0.0; batch * LeNet5::new(channels, 10).image_len()];
        cpu::reference::gather(&split, &Bench::order(batch), &mut x);

        let kernel = kernels::gather(channels, false, plan, 0);
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
    let name = format!("gather, augmented, {batch} of {channels}x{side}x{side}, {what}");
    Check::new(name, move |context, plan, seed| {
        let split = Tensors::new(seed).image_set(channels, side, batch, 10);
        let order = Bench::order(batch);
        let views = augmentation.views(seed, 0, &order).expect("something is asked for");
        let mut x = vec![0.0; batch * LeNet5::new(channels, 10).image_len()];
        cpu::reference::gather_augmented(&split, &order, &views, &mut x);

        let kernel = kernels::gather(channels, true, plan, 0);
        let out = Bench { workspace: stale(x.len()), ..Bench::default() }
            .run_in_order(context, &kernel, batch, &split, order, views)?;
        Ok(vec![Finding::by_largest("x", &out.workspace, &x, tolerance)])
    })
}
