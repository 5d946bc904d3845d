//! Checks of the GPU engine against itself: ways to run the same training that must give the same bits, and non-finite
//! values that must be reported.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::comparison::Finding;
use super::tensors::Tensors;
use super::training::{initial_weights, new_engine, train};
use super::{Check, tolerance};
use crate::data::{Augmentation, ImageSet};
use crate::engine::{
    Engine, EngineError, Epoch, MemberEpoch, NonFinite, Population, SampleOutcome, Setup, Split, steps,
};
use crate::gpu::{Context, GpuOptions, GpuPopulation, KernelConfig, Residency};
use crate::model::{LeNet5, ParameterTable};

const LEARNING_RATE: f32 = 1e-3;

/// Streaming an image set in chunks gives the same bits as keeping it resident, in training, with or without
/// augmentation, and in evaluation.
pub fn streamed(augmented: bool) -> Check {
    let images = if augmented { "augmented images" } else { "images" };
    Check::new(format!("streamed and resident {images} give the same bits"), move |context, config, seed| {
        // Images of 3,072 bytes: this many take three chunks of 4 MiB.
        let (network, samples) = (LeNet5::new(3, 10), 3_000);
        let resident = run(context, config, network, samples, Residency::Resident, augmented, seed)?;
        let streamed = run(context, config, network, samples, Residency::Streamed, augmented, seed)?;
        Ok(bit_equal(&resident, &streamed))
    })
}

/// A run gives the same bits when repeated.
pub fn repeated(network: LeNet5) -> Check {
    let variant = if network.batch_norm { ", batch norm" } else { "" };
    Check::new(format!("a repeated run gives the same bits{variant}"), move |context, config, seed| {
        let once = run(context, config, network, 500, Residency::Auto, true, seed)?;
        let again = run(context, config, network, 500, Residency::Auto, true, seed)?;
        Ok(bit_equal(&once, &again))
    })
}

/// Members of a population give the same bits as the same runs alone.
pub fn members(network: LeNet5) -> Check {
    const SIZE: usize = 3;
    const BATCH: usize = 16;
    let variant = if network.batch_norm { ", batch norm" } else { "" };
    Check::new(
        format!("members of a population give the bits of runs alone{variant}"),
        move |context, config, seed| {
            let samples = 5 * BATCH / 2;
            let images =
                Arc::new(Tensors::new(seed).image_set(network.channels, 28, samples, network.classes));
            let setup = Setup::new(network, BATCH);
            let options = GpuOptions { setup, residency: Residency::Auto, kernels: *config };
            let steps = steps(samples, BATCH, LEARNING_RATE);
            let orders = [0, 1, 2].map(|member| crate::data::order(samples, seed, member, true));
            let weights = [0, 1, 2].map(|member| initial_weights(&network, seed + member));

            let mut together = GpuPopulation::new(context.clone(), options, SIZE)?;
            together.load(Split::Train, images.clone())?;
            for (member, weights) in weights.iter().enumerate() {
                together.set_parameters(member, weights)?;
            }
            let mut ignore = [(); SIZE].map(|()| |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(()));
            let epochs = orders.iter().zip(&mut ignore).enumerate();
            let mut epochs: Vec<_> = epochs
                .map(|(member, (order, observer))| MemberEpoch {
                    member,
                    epoch: Epoch::new(order, &steps),
                    observer,
                })
                .collect();
            for result in together.train(&mut epochs)? {
                result?;
            }
            let mut findings = Vec::new();
            for (member, (order, weights)) in orders.iter().zip(&weights).enumerate() {
                let mut alone = new_engine(context, config, setup, Residency::Auto)?;
                alone.load(Split::Train, images.clone())?;
                alone.set_parameters(weights)?;
                train(&mut alone, &Epoch::new(order, &steps))?;
                let (found, expected) = (together.parameters(member)?, alone.parameters()?);
                findings.push(Finding::by_bits(&format!("parameters of member {member}"), &found, &expected));
            }
            Ok(findings)
        },
    )
}

/// The results of a run: parameters, moments, and the losses of training and of evaluation.
type RunResults = [(&'static str, Vec<f32>); 5];

/// Trains one epoch on random samples and evaluates.
fn run(
    context: &Context,
    config: &KernelConfig,
    network: LeNet5,
    samples: usize,
    residency: Residency,
    augmented: bool,
    seed: u64,
) -> Result<RunResults, EngineError> {
    const BATCH: usize = 48;
    let images = Arc::new(Tensors::new(seed).image_set(network.channels, 32, samples, network.classes));
    let order = crate::data::order(samples, seed, 0, true);
    let augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };
    let views = if augmented { augmentation.views(seed, 0, &order) } else { None };
    let setup = Setup { augmented, ..Setup::new(network, BATCH) };
    let mut engine = new_engine(context, config, setup, residency)?;
    engine.load(Split::Train, images.clone())?;
    engine.set_parameters(&initial_weights(&network, seed))?;
    let steps = steps(samples, BATCH, LEARNING_RATE);
    let epoch = Epoch { views: views.as_deref(), ..Epoch::new(&order, &steps) };
    let training = train(&mut engine, &epoch)?;
    engine.load(Split::Test, Arc::new(ImageSet::clone(&images)))?;
    let evaluation = engine.evaluate(Split::Test)?.iter().map(|outcome| outcome.loss).collect();
    let moments = engine.optimizer_state()?;
    Ok([
        ("parameters", engine.parameters()?),
        ("first moments", moments.first_moment),
        ("second moments", moments.second_moment),
        ("training losses", training),
        ("evaluation losses", evaluation),
    ])
}

fn bit_equal(one: &RunResults, other: &RunResults) -> Vec<Finding> {
    one.iter().zip(other).map(|((name, left), (_, right))| Finding::by_bits(name, left, right)).collect()
}

/// A NaN in any single tensor is reported with the name of the tensor and the step.
pub fn non_finite(variant: &str, setup: Setup) -> Check {
    Check::new(format!("a NaN in any tensor is reported, {variant}"), move |context, config, seed| {
        let network = setup.network;
        let images = Arc::new(Tensors::new(seed).image_set(1, 28, 8, network.classes));
        let order: Vec<_> = (0..8).collect();
        let mut engine = new_engine(context, config, setup, Residency::Auto)?;
        engine.load(Split::Train, images)?;
        let table = ParameterTable::new(&network);
        let mut findings = Vec::new();
        for damaged in table.tensors() {
            let mut arena = initial_weights(&network, seed);
            arena[damaged.range().start] = f32::NAN;
            engine.set_parameters(&arena)?;
            let before = engine.optimizer_state()?.step;
            let steps = steps(8, 8, LEARNING_RATE);
            let reported = match train(&mut engine, &Epoch::new(&order, &steps)) {
                Err(EngineError::NonFinite { tensor, what, step }) => {
                    tensor == damaged.name && what == NonFinite::Parameter && step == before + 1
                }
                Err(error) => return Err(error),
                Ok(_) => false,
            };
            let error = if reported { 0.0 } else { f64::INFINITY };
            findings.push(Finding::new(format!("a NaN in {}", damaged.name), error, tolerance::EXACT));
        }
        Ok(findings)
    })
}
