//! The last layer, with the loss that follows it.

use super::bench::Bench;
use super::dense::{describe, layers};
use crate::cpu;
use crate::engine::{Loss, LossKind, Reduction};
use crate::gpu::kernels::{self, Places};
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
                all.push(last_layer(batch, shape, Loss { kind, reduction, label_smoothing }));
            }
        }
    }
    all
}

/// The last layer with its loss.
fn last_layer(batch: usize, shape: DenseShape, loss: Loss) -> Check {
    let shader = match loss.kind {
        LossKind::Nll | LossKind::CrossEntropy => "dense_log_softmax",
        LossKind::Mse => "dense_mse",
        LossKind::RawNll => "dense_raw_nll",
    };
    let Loss { reduction, label_smoothing, .. } = loss;
    let name = format!("{shader} {reduction:?}, smoothing {label_smoothing}, {}", describe(&shape, batch));
    Check::new(name, move |context, plan, seed| {
        let mut draw = Tensors::new(seed);
        // Logits of size 1 to 2, so that no class takes all the probability.
        let size = 1.0 / (shape.inputs as f32).sqrt();
        let x: Vec<_> = draw.normal(batch * shape.inputs).into_iter().map(|x| x * size).collect();
        let (weight, bias) = (draw.normal(shape.weight_len()), draw.normal(shape.outputs));
        let split = draw.split(1, 1, batch, shape.outputs);
        let labels: Vec<_> =
            Bench::order(batch).iter().map(|&place| u32::from(split.labels[place as usize])).collect();
        let len = batch * shape.outputs;
        let at = Places {
            x: 0,
            y: x.len(),
            dy: x.len() + len,
            weight: 0,
            bias: weight.len(),
            ..Places::default()
        };

        let targets =
            cpu::Targets { labels: &labels, smoothing: f64::from(label_smoothing), scale: loss.scale(batch) };
        let (x64, weight64, bias64) = (f64s(&x), f64s(&weight), f64s(&bias));
        let (mut y, mut dz) = (vec![0.0; len], vec![0.0; len]);
        let (mut losses, mut predicted) = (vec![0.0; batch], vec![0; batch]);
        let (outcome, made) = ((&mut losses[..], &mut predicted[..]), (&mut y[..], &mut dz[..]));
        let kernel = match loss.kind {
            LossKind::Nll | LossKind::CrossEntropy => {
                cpu::dense_log_softmax(
                    &shape, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0, outcome.1,
                );
                kernels::dense_loss("dense", &shape, &loss, plan, &at)
            }
            LossKind::Mse => {
                cpu::dense_mse(
                    &shape, reduction, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0,
                    outcome.1,
                );
                kernels::dense_loss("dense", &shape, &loss, plan, &at)
            }
            LossKind::RawNll => {
                cpu::dense_raw_nll(
                    &shape, &x64, &weight64, &bias64, &targets, made.0, made.1, outcome.0, outcome.1,
                );
                kernels::dense_loss("dense", &shape, &loss, plan, &at)
            }
        };

        let out = Bench {
            workspace: [x, stale(2 * len)].concat(),
            parameters: [weight, bias].concat(),
            loss,
            ..Bench::default()
        }
        .run_over(context, &kernel, batch, &split)?;
        let found_losses: Vec<_> = out.outcomes.iter().map(|outcome| outcome.loss).collect();
        let found_predicted: Vec<_> = out.outcomes.iter().map(|outcome| outcome.predicted as f32).collect();
        let predicted: Vec<_> = predicted.into_iter().map(f64::from).collect();
        Ok(vec![
            Finding::by_largest("outputs", &out.workspace[at.y..at.dy], &y, tolerance::LOG_SOFTMAX),
            Finding::by_largest("dz", &out.workspace[at.dy..], &dz, tolerance::LOG_SOFTMAX),
            Finding::by_largest("loss", &found_losses, &losses, tolerance::LOG_SOFTMAX),
            Finding::by_largest("predicted", &found_predicted, &predicted, tolerance::EXACT),
        ])
    })
}
