//! Images as the network's input.

use super::fixture::Fixture;
use crate::cpu;
use crate::data::Augmentation;
use crate::gpu::kernels;
use crate::model::LeNet5;
use crate::verify::comparison::Finding;
use crate::verify::tensors::Tensors;
use crate::verify::{Check, tolerance};

const BATCH: usize = 9;

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (channels, side) in [(1, 28), (1, 32), (3, 28), (3, 32)] {
        all.push(gather(channels, side));
        let shifted = Augmentation { shift: 3, flip: true, ..Augmentation::default() };
        all.push(gather_augmented("shifted and flipped", channels, side, shifted, tolerance::FEW_OPERATIONS));
        let rotated = Augmentation { rotate: 30.0, scale: 0.3, ..shifted };
        all.push(gather_augmented(
            "rotated and scaled too",
            channels,
            side,
            rotated,
            tolerance::INTERPOLATION,
        ));
    }
    all
}

fn gather(channels: usize, side: usize) -> Check {
    let name = format!("gather, {BATCH} of {channels}x{side}x{side}");
    Check::new(name, move |context, config, seed| {
        let images = Tensors::new(seed).image_set(channels, side, BATCH, 10);
        let mut x = vec![0.0; BATCH * LeNet5::new(channels, 10).image_len()];
        cpu::reference::gather(&images, &Fixture::order(BATCH), &mut x);

        let mut fixture = Fixture::default();
        let offset = fixture.result(x.len());
        let kernel = kernels::gather(channels, false, config, offset);
        let out = fixture.run_over(context, &kernel, BATCH, &images)?;
        let found = out.tensor(offset, x.len());
        Ok(vec![Finding::by_largest("x", found, &x, tolerance::FEW_OPERATIONS)])
    })
    .covering(&["gather"])
}

/// Views that fall on whole pixels are not interpolated: only the normalisation rounds.
fn gather_augmented(
    what: &str,
    channels: usize,
    side: usize,
    augmentation: Augmentation,
    tolerance: f64,
) -> Check {
    let name = format!("gather, augmented, {BATCH} of {channels}x{side}x{side}, {what}");
    Check::new(name, move |context, config, seed| {
        let images = Tensors::new(seed).image_set(channels, side, BATCH, 10);
        let order = Fixture::order(BATCH);
        let views = augmentation.views(seed, 0, &order).expect("the augmentation changes images");
        let mut x = vec![0.0; BATCH * LeNet5::new(channels, 10).image_len()];
        cpu::reference::gather_augmented(&images, &order, &views, &mut x);

        let mut fixture = Fixture::default();
        let offset = fixture.result(x.len());
        let kernel = kernels::gather(channels, true, config, offset);
        let out = fixture.run_in_order(context, &kernel, BATCH, &images, order, views)?;
        Ok(vec![Finding::by_largest("x", out.tensor(offset, x.len()), &x, tolerance)])
    })
    .covering(&["gather"])
}
