//! The whole step on the GPU, held against the f64 reference, and against itself where two ways of doing
//! it must give the same bits.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::comparison::Finding;
use super::tensors::{Tensors, f64s};
use super::{Check, tolerance};
use crate::cpu;
use crate::data::{Augmentation, Split};
use crate::engine::{Adam, Engine, EngineError, Epoch, NonFinite, Part, Setup, Step, steps};
use crate::gpu::{Context, GpuEngine, GpuOptions, KernelPlan, Residency};
use crate::model::{Init, LeNet5, ParameterTable};

const LEARNING_RATE: f32 = 1e-3;

/// The checks.
pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (channels, side) in [(1, 28), (3, 32)] {
        for batch in [1, 5, 20] {
            all.push(step(channels, side, batch));
        }
        all.push(adam_steps(channels, side));
    }
    all.push(streamed(false));
    all.push(streamed(true));
    all.push(repeated());
    all.push(non_finite());
    all
}

/// Every map and every gradient of one step.
fn step(channels: usize, side: usize, batch: usize) -> Check {
    let name = format!("a whole step, {batch} of {channels}x{side}x{side}");
    Check::new(name, move |context, plan, seed| {
        let network = LeNet5::new(channels, 10);
        let split = Tensors::new(seed).split(channels, side, batch, network.classes);
        let start = start(&network, seed);
        let order: Vec<_> = (0..batch as u32).collect();
        // A rate of 0: gradients are made, but the parameters stay.
        let cut = steps(batch, batch, 0.0);

        let mut engine = engine(context, plan, network, batch, Residency::Auto)?;
        engine.load(Part::Train, Arc::new(split.clone()))?;
        engine.set_parameters(&start)?;
        let losses = train(&mut engine, &Epoch::new(&order, &cut))?;

        let mut reference = Reference::new(network, batch, &start);
        reference.step(&split, &order, &cut[0]);
        let maps = reference.network.maps();
        let mut findings = Vec::new();
        for (name, expected) in [
            ("x", maps.x),
            ("conv1", maps.conv1),
            ("pool1", maps.pool1),
            ("conv2", maps.conv2),
            ("pool2", maps.pool2),
            ("fc1", maps.fc1),
            ("fc2", maps.fc2),
            ("log_probs", maps.log_probs),
            ("d.logits", maps.dlogits),
            ("d.fc2", maps.dfc2),
            ("d.fc1", maps.dfc1),
            ("d.pool2", maps.dpool2),
            ("d.conv2", maps.dconv2),
            ("d.pool1", maps.dpool1),
            ("d.conv1", maps.dconv1),
        ] {
            let found = engine.map(engine.plan().map(name), batch)?;
            findings.push(by_norm(name, &found, expected));
        }
        findings.push(by_norm("loss", &losses, reference.network.losses()));
        let gradients = engine.gradients()?;
        for tensor in ParameterTable::new(&network).tensors() {
            let name = format!("gradient of {}", tensor.name);
            let expected = &reference.network.gradient()[tensor.range()];
            findings.push(by_norm(&name, &gradients[tensor.range()], expected));
        }
        Ok(findings)
    })
}

/// Weights after some steps of Adam, the last of which has an incomplete batch.
fn adam_steps(channels: usize, side: usize) -> Check {
    let name = format!("{} steps of Adam on {channels}x{side}x{side}", tolerance::ADAM_STEPS);
    Check::new(name, move |context, plan, seed| {
        const BATCH: usize = 16;
        let network = LeNet5::new(channels, 10);
        let samples = BATCH * (tolerance::ADAM_STEPS - 1) + 7;
        let split = Tensors::new(seed).split(channels, side, samples, network.classes);
        let order: Vec<_> = (0..samples as u32).rev().collect();
        let cut = steps(samples, BATCH, LEARNING_RATE);
        let start = start(&network, seed);

        let mut engine = engine(context, plan, network, BATCH, Residency::Auto)?;
        engine.load(Part::Train, Arc::new(split.clone()))?;
        engine.set_parameters(&start)?;
        train(&mut engine, &Epoch::new(&order, &cut))?;
        let found = engine.parameters()?;

        let mut reference = Reference::new(network, BATCH, &start);
        for step in &cut {
            reference.step(&split, &order, step);
        }
        let (expected, origin) = (reference.network.parameters(), f64s(&start));
        Ok(ParameterTable::new(&network)
            .tensors()
            .iter()
            .map(|tensor| {
                let place = tensor.range();
                let (found, expected) = (&found[place.clone()], &expected[place.clone()]);
                Finding::by_norm(tensor.name, found, expected, &origin[place], tolerance::ADAM_WEIGHTS)
            })
            .collect())
    })
}

/// A set streamed in chunks gives the bits that the resident set gives, in training, where images may be
/// augmented, and in evaluation.
fn streamed(augmented: bool) -> Check {
    let images = if augmented { "augmented images" } else { "images" };
    Check::new(format!("streamed {images} give the bits of resident ones"), move |context, plan, seed| {
        let resident = run(context, plan, Residency::Resident, augmented, seed)?;
        let streamed = run(context, plan, Residency::Streamed, augmented, seed)?;
        Ok(bit_equal(&resident, &streamed))
    })
}

/// The same run twice gives the same bits.
fn repeated() -> Check {
    Check::new("a run repeated gives the same bits", |context, plan, seed| {
        let once = run(context, plan, Residency::Auto, true, seed)?;
        let again = run(context, plan, Residency::Auto, true, seed)?;
        Ok(bit_equal(&once, &again))
    })
}

/// A NaN in any one tensor is reported with the tensor's name and the step.
fn non_finite() -> Check {
    Check::new("a NaN in any one tensor is reported", |context, plan, seed| {
        let network = LeNet5::new(1, 10);
        let split = Arc::new(Tensors::new(seed).split(1, 28, 8, network.classes));
        let order: Vec<_> = (0..8).collect();
        let mut engine = engine(context, plan, network, 8, Residency::Auto)?;
        engine.load(Part::Train, split)?;
        let table = ParameterTable::new(&network);
        let mut findings = Vec::new();
        for spoilt in table.tensors() {
            let mut arena = start(&network, seed);
            arena[spoilt.range().start] = f32::NAN;
            engine.set_parameters(&arena)?;
            let before = engine.optimizer_state()?.step;
            let cut = steps(8, 8, LEARNING_RATE);
            let reported = match train(&mut engine, &Epoch::new(&order, &cut)) {
                Err(EngineError::NonFinite { tensor, what, step }) => {
                    tensor == spoilt.name && what == NonFinite::Parameter && step == before + 1
                }
                Err(error) => return Err(error),
                Ok(_) => false,
            };
            let missed = if reported { 0.0 } else { f64::INFINITY };
            findings.push(Finding::new(format!("a NaN in {}", spoilt.name), missed, tolerance::EXACT));
        }
        Ok(findings)
    })
}

/// What a run leaves: parameters, moments, and the losses of training and of evaluation.
type Left = [(&'static str, Vec<f32>); 5];

/// Trains for some steps on a set that takes several chunks when streamed, and evaluates.
fn run(
    context: &Context,
    plan: &KernelPlan,
    residency: Residency,
    augmented: bool,
    seed: u64,
) -> Result<Left, EngineError> {
    // Streamed in chunks of 4 MiB of colour images of 3,072 bytes, this many take three.
    const SAMPLES: usize = 3_000;
    const BATCH: usize = 48;
    let network = LeNet5::new(3, 10);
    let split = Arc::new(Tensors::new(seed).split(3, 32, SAMPLES, network.classes));
    let order = crate::data::order(SAMPLES, seed, 0, true);
    let augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };
    let views = if augmented { augmentation.views(seed, 0, &order) } else { None };
    let setup = Setup { augmented, ..Setup::new(network, BATCH) };
    let mut engine = GpuEngine::new(context.clone(), GpuOptions { setup, residency, plan: *plan })?;
    engine.load(Part::Train, split.clone())?;
    engine.set_parameters(&start(&network, seed))?;
    let cut = steps(SAMPLES, BATCH, LEARNING_RATE);
    let epoch = Epoch { order: &order, views: views.as_deref(), steps: &cut };
    let training = train(&mut engine, &epoch)?;
    engine.load(Part::Test, Arc::new(Split::clone(&split)))?;
    let evaluation = engine.evaluate(Part::Test)?.iter().map(|outcome| outcome.loss).collect();
    let moments = engine.optimizer_state()?;
    Ok([
        ("parameters", engine.parameters()?),
        ("first moments", moments.first_moment),
        ("second moments", moments.second_moment),
        ("losses in training", training),
        ("losses in evaluation", evaluation),
    ])
}

fn bit_equal(one: &Left, other: &Left) -> Vec<Finding> {
    one.iter()
        .zip(other)
        .map(|((name, left), (_, right))| {
            let differ = left.iter().zip(right).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            let differ = differ + left.len().abs_diff(right.len());
            Finding::new(format!("values that differ among {name}"), differ as f64, tolerance::EXACT)
        })
        .collect()
}

fn start(network: &LeNet5, seed: u64) -> Vec<f32> {
    Init::Pytorch.arena(&ParameterTable::new(network), seed)
}

fn engine(
    context: &Context,
    plan: &KernelPlan,
    network: LeNet5,
    batch_size: usize,
    residency: Residency,
) -> Result<GpuEngine, EngineError> {
    let options = GpuOptions { setup: Setup::new(network, batch_size), residency, plan: *plan };
    GpuEngine::new(context.clone(), options)
}

/// Trains, and gives the losses in the order's order.
fn train(engine: &mut GpuEngine, epoch: &Epoch) -> Result<Vec<f32>, EngineError> {
    let mut losses = Vec::with_capacity(epoch.order.len());
    engine.train(epoch, &mut |_, outcomes| {
        losses.extend(outcomes.iter().map(|outcome| outcome.loss));
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}

fn by_norm(name: &str, found: &[f32], expected: &[f64]) -> Finding {
    Finding::by_norm(name, found, expected, &vec![0.0; expected.len()], tolerance::WHOLE_NETWORK)
}

/// The reference, trained on the same steps.
struct Reference {
    network: cpu::Network<f64>,
}

impl Reference {
    fn new(network: LeNet5, batch: usize, start: &[f32]) -> Self {
        let mut network = cpu::Network::new(network, batch);
        network.set_parameters(&f64s(start));
        Self { network }
    }

    fn step(&mut self, split: &Split, order: &[u32], step: &Step) {
        let batch = &order[step.first..][..step.count];
        cpu::gather(split, batch, self.network.input(step.count));
        let labels: Vec<_> = batch.iter().map(|&place| u32::from(split.labels[place as usize])).collect();
        self.network.forward(&labels);
        self.network.backward();
        self.network.adam_step(&Adam::default(), step.learning_rate);
    }
}
