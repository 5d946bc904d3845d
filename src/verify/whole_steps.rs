//! Checks of several steps of each optimizer on the whole network, and of a step that takes several micro-batches.

use std::sync::Arc;

use super::comparison::Finding;
use super::tensors::{Tensors, f64s};
use super::training::{Reference, initial_weights, new_engine, train};
use super::update::optimizers;
use super::{Check, tolerance};
use crate::data::Augmentation;
use crate::engine::{Engine, EngineError, Epoch, Optimizer, Rule, Setup, Sgd, Split, steps};
use crate::gpu::Residency;
use crate::model::parameters::LayerKind;
use crate::model::{LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// The checks. The step of several micro-batches has `large` images.
pub fn checks(large: usize) -> Vec<Check> {
    let mut all: Vec<_> =
        optimizers().into_iter().map(|(name, optimizer)| several_steps(name, optimizer)).collect();
    all.push(large_step(large));
    all
}

/// Compares weights and moments after several steps of `optimizer`, the last of which has an incomplete batch.
fn several_steps(name: &str, optimizer: Optimizer) -> Check {
    Check::new(format!("10 steps, {name}"), move |context, config, seed| {
        const BATCH: usize = 8;
        const SAMPLES: usize = 9 * BATCH + 3;
        let learning_rate = if optimizer.rule.has_second_moment() { 1e-3 } else { 0.05 };
        let images = Tensors::new(seed).image_set(1, 28, SAMPLES, NETWORK.classes);
        let order: Vec<_> = (0..SAMPLES as u32).rev().collect();
        let steps = steps(SAMPLES, BATCH, learning_rate);
        let weights = initial_weights(&NETWORK, seed);

        let setup = Setup { optimizer, ..Setup::new(NETWORK, BATCH) };
        let mut engine = new_engine(context, config, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(images.clone()))?;
        engine.set_parameters(&weights)?;
        let epoch = Epoch::new(&order, &steps);
        train(&mut engine, &epoch)?;
        let (found, state) = (engine.parameters()?, engine.optimizer_state()?);

        let mut reference = Reference::new(&setup, &weights);
        for step in &steps {
            reference.step(&images, &epoch, step);
        }
        let (t, first, second) = reference.network.optimizer_state();
        let (expected, origin) = (reference.network.parameters(), f64s(&weights));
        let zeros = vec![0.0; origin.len()];
        let mut findings = vec![
            Finding::new("step count", state.step.abs_diff(t) as f64, tolerance::EXACT),
            Finding::by_norm("first moment", &state.first_moment, first, &zeros, tolerance::ADAM_WEIGHTS),
            Finding::by_norm("second moment", &state.second_moment, second, &zeros, tolerance::ADAM_WEIGHTS),
        ];
        findings.extend(ParameterTable::new(&NETWORK).tensors().iter().map(|tensor| {
            let range = tensor.range();
            let (found, expected) = (&found[range.clone()], &expected[range.clone()]);
            Finding::by_norm(tensor.name, found, expected, &origin[range], tolerance::ADAM_WEIGHTS)
        }));
        Ok(findings)
    })
}

/// The gradient of a step of several micro-batches, with augmented images, is the sum over the micro-batches, and equals
/// the gradient of all images at once. Streaming, which keeps one micro-batch on the device at a time, does not change a
/// bit.
fn large_step(samples: usize) -> Check {
    Check::new(format!("step of {samples} images in micro-batches"), move |context, config, seed| {
        let network = LeNet5::new(3, 10);
        let images = Arc::new(Tensors::new(seed).image_set(3, 32, samples, network.classes));
        let order = crate::data::order(samples, seed, 0, true);
        let weights = initial_weights(&network, seed);
        let whole_step = steps(samples, samples, 0.1);
        let views = Augmentation { shift: 2, flip: true, ..Augmentation::default() }.views(seed, 0, &order);
        let epoch = Epoch { views: views.as_deref(), ..Epoch::new(&order, &whole_step) };
        let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: false });
        let optimizer = Optimizer { rule, ..Optimizer::default() };
        let setup = Setup { optimizer, augmented: true, ..Setup::new(network, samples) };

        let run = |residency| {
            let mut engine = new_engine(context, config, setup, residency)?;
            engine.load(Split::Train, images.clone())?;
            engine.set_parameters(&weights)?;
            let losses = train(&mut engine, &epoch)?;
            Ok::<_, EngineError>((engine.gradients()?, engine.parameters()?, losses))
        };
        let (gradients, parameters, losses) = run(Residency::Resident)?;
        let (streamed_gradients, streamed_parameters, streamed_losses) = run(Residency::Streamed)?;
        let mut findings = vec![
            Finding::by_bits("gradients", &gradients, &streamed_gradients),
            Finding::by_bits("parameters", &parameters, &streamed_parameters),
            Finding::by_bits("losses", &losses, &streamed_losses),
        ];

        // Of a few million maxima, f32 picks some differently from f64, and their number depends on the device. The
        // device picks the same maxima for an image in any batch, so the gradients of the convolutions are compared with
        // its own gradients of each micro-batch, which smaller checks compare with f64.
        let mut sum_of_micro_batches = vec![0.0; gradients.len()];
        for batch in whole_step[0].micro_batches() {
            let range = batch.first..batch.first + batch.count;
            let setup = Setup { batch_size: batch.count, ..setup };
            let mut engine = new_engine(context, config, setup, Residency::Resident)?;
            engine.load(Split::Train, images.clone())?;
            engine.set_parameters(&weights)?;
            let views = epoch.views.map(|views| &views[range.clone()]);
            train(
                &mut engine,
                &Epoch { views, ..Epoch::new(&order[range], &steps(batch.count, batch.count, 0.0)) },
            )?;
            let share = batch.count as f64 / samples as f64;
            for (sum, gradient) in sum_of_micro_batches.iter_mut().zip(engine.gradients()?) {
                *sum += share * f64::from(gradient);
            }
        }
        let mut reference = Reference::new(&setup, &weights);
        reference.gradient(&images, &epoch, &whole_step[0]);
        for tensor in ParameterTable::new(&network).tensors() {
            let range = tensor.range();
            let (expected, tolerance) = match tensor.kind {
                LayerKind::Conv => (&sum_of_micro_batches[range.clone()], tolerance::SUM),
                LayerKind::Dense => (&reference.network.gradient()[range.clone()], tolerance::WHOLE_NETWORK),
            };
            let zeros = vec![0.0; expected.len()];
            let name = format!("gradient of {}", tensor.name);
            findings.push(Finding::by_norm(&name, &gradients[range], expected, &zeros, tolerance));
        }
        Ok(findings)
    })
}
