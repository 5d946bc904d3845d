//! The last layer with its loss.

use super::dense::{all_nan, describe, layers};
use super::fixture::Fixture;
use crate::cpu;
use crate::engine::{ClassWeights, Loss, LossKind, Reduction};
use crate::gpu::kernels::{self, LossOffsets};
use crate::model::DenseShape;
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in layers() {
        for label_smoothing in [0.0, 0.1] {
            for (kind, reduction) in [
                (LossKind::Nll, Reduction::Mean),
                (LossKind::Mse, Reduction::Mean),
                (LossKind::Mse, Reduction::Sum),
                (LossKind::RawNll, Reduction::Mean),
            ] {
                let loss = Loss { kind, reduction, label_smoothing };
                all.push(last_layer(batch, shape, loss, false));
                // Only one loss has other code without smoothing.
                if kind == LossKind::Nll || label_smoothing > 0.0 {
                    all.push(last_layer(batch, shape, loss, true));
                }
            }
        }
    }
    all.push(nan_passes());
    all
}

fn last_layer(batch: usize, shape: DenseShape, loss: Loss, class_weighted: bool) -> Check {
    let Loss { kind, reduction, label_smoothing } = loss;
    let weighted = if class_weighted { ", class weights" } else { "" };
    let name = format!(
        "dense_loss {kind:?} {reduction:?}, smoothing {label_smoothing}{weighted}, {}",
        describe(&shape, batch)
    );
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        // Logits of magnitude 1 to 2, so that no class takes all the probability.
        let size = 1.0 / (shape.inputs as f32).sqrt();
        let x: Vec<_> = draw.normal(batch * shape.inputs).into_iter().map(|x| x * size).collect();
        let (weight, bias) = (draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let images = draw.image_set(1, 1, batch, shape.outputs);
        let labels: Vec<_> =
            Fixture::order(batch).iter().map(|&index| u32::from(images.labels[index as usize])).collect();
        let len = batch * shape.outputs;
        let class_weights = class_weighted.then(|| draw.class_weights(shape.outputs));
        let step_weight = match &class_weights {
            None => batch as f64,
            Some(weights) => weights.sum(labels.iter().map(|&label| label as usize)),
        };

        let (mut y, mut dz) = (vec![0.0; len], vec![0.0; len]);
        let (mut losses, mut predicted) = (vec![0.0; batch], vec![0; batch]);
        cpu::dense_loss(
            &shape,
            &loss,
            step_weight,
            class_weights.as_ref().map(ClassWeights::values).map(f64s).as_deref(),
            &f64s(&x),
            &f64s(&weight),
            &f64s(&bias),
            &labels,
            &mut y,
            &mut dz,
            &mut losses,
            &mut predicted,
        );

        let mut fixture = Fixture::with_loss(loss);
        if let Some(weights) = &class_weights {
            fixture.class_weights(weights, step_weight);
        }
        let offsets = LossOffsets {
            x: fixture.tensor(&x),
            outputs: fixture.with_gradient(&stale(len), &stale(len)),
            weights: fixture.weights(&weight, &bias),
        };
        let kernel = kernels::dense_loss("dense", &shape, &loss, class_weighted, config, &offsets);

        let out = fixture.run_over(context, &kernel, batch, &images)?;
        let found_losses: Vec<_> = out.outcomes.iter().map(|outcome| outcome.loss).collect();
        let found_predicted: Vec<_> = out.outcomes.iter().map(|outcome| outcome.predicted as f32).collect();
        let predicted: Vec<_> = predicted.into_iter().map(f64::from).collect();
        let (found_y, found_dz) =
            (out.tensor(offsets.outputs.value, len), out.tensor(offsets.outputs.gradient, len));
        Ok(vec![
            Finding::by_largest("outputs", found_y, &y, tolerance::LOG_SOFTMAX),
            Finding::by_largest("dz", found_dz, &dz, tolerance::LOG_SOFTMAX),
            Finding::by_largest("loss", &found_losses, &losses, tolerance::LOG_SOFTMAX),
            Finding::by_largest("predicted", &found_predicted, &predicted, tolerance::EXACT),
        ])
    })
    .covering(&["dense_loss"])
}

/// A NaN in one of several logits makes the loss, all log-probabilities and all gradients NaN.
fn nan_passes() -> Check {
    Check::new("dense_loss propagates NaN", |context, config, seed| {
        let shape = DenseShape { inputs: 1, outputs: 3 };
        let images = Tensors::new(seed).image_set(1, 1, 1, shape.outputs);
        let mut findings = Vec::new();
        for bad in 0..shape.outputs {
            let mut bias = [0.5, 1.0, -0.5];
            bias[bad] = f32::NAN;
            let loss = Loss::default();
            let mut fixture = Fixture::with_loss(loss);
            let offsets = LossOffsets {
                x: fixture.tensor(&[0.5]),
                outputs: fixture.with_gradient(&[0.0; 3], &[0.0; 3]),
                weights: fixture.weights(&[1.0; 3], &bias),
            };
            let kernel = kernels::dense_loss("dense", &shape, &loss, false, config, &offsets);
            let out = fixture.run_over(context, &kernel, 1, &images)?;
            let name = |tensor: &str| format!("{tensor}, NaN at {bad}");
            findings.push(all_nan(&name("outputs"), out.tensor(offsets.outputs.value, shape.outputs)));
            findings.push(all_nan(&name("dz"), out.tensor(offsets.outputs.gradient, shape.outputs)));
            findings.push(all_nan(&name("loss"), &[out.outcomes[0].loss]));
        }
        Ok(findings)
    })
    .covering(&["dense_loss"])
}
