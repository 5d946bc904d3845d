//! The whole step on the GPU, held against the f64 reference, and against itself where two ways of doing
//! it must give the same bits.

use std::sync::Arc;

use super::comparison::Finding;
use super::tensors::{Tensors, f64s};
use super::training::{Reference, engine_of, start, train};
use super::{Check, tolerance, update};
use crate::data::{Augmentation, ImageSet};
use crate::engine::{
    Adam, Clip, Engine, EngineError, Epoch, LARGEST_MICRO_BATCH, Loss, LossKind, NonFinite, Optimizer,
    Reduction, Rule, Setup, Sgd, Split, steps,
};
use crate::gpu::{Context, KernelConfig, KernelSet, Residency};
use crate::model::{Activation, LeNet5, ParameterTable};

const LEARNING_RATE: f32 = 1e-3;

/// The checks: of the layered kernels, then of the fused ones.
pub fn checks() -> Vec<Check> {
    let layered = layered().into_iter().map(|check| check.by(KernelSet::Layered));
    layered.chain(fused().into_iter().map(|check| check.by(KernelSet::Fused))).collect()
}

fn layered() -> Vec<Check> {
    let mut all = every_size();
    for (channels, side) in [(1, 28), (3, 32)] {
        let setup = normalised(Setup::new(LeNet5::new(channels, 10), 16));
        all.push(some_steps("Adam", setup, side));
        let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
        let clip = Clip { fc: Some(0.05), norm: Some(1.0), ..Clip::default() };
        let optimizer = Optimizer { rule, clip, weight_decay: 0.1, ..Optimizer::default() };
        all.push(some_steps("clipped momentum", Setup { optimizer, ..setup }, side));
    }
    for (setup, side) in variants() {
        all.push(step(setup, side));
    }
    // As many classes as folders of images may have.
    all.push(step(Setup::new(LeNet5::new(1, 1_000), 5), 32));
    all.push(normalised_micro_batches());
    let setup = normalised(Setup::new(LeNet5::new(1, 10), 8));
    all.push(repeated(setup.network));
    all.push(non_finite("normalised", Setup { optimizer: Optimizer::default(), ..setup }));
    all.push(streamed(false));
    all.extend(plain(2_500));
    all
}

fn fused() -> Vec<Check> {
    let mut all = every_size();
    // Several images in a workgroup, chunks of several images, and batches that neither divides.
    for batch in [130, 259] {
        all.push(step(Setup::new(LeNet5::new(1, 10), batch), 28));
    }
    let smoothed = Loss { kind: LossKind::CrossEntropy, reduction: Reduction::Sum, label_smoothing: 0.1 };
    for (channels, classes, side) in [(1, 2, 28), (3, 64, 32)] {
        let network = LeNet5::new(channels, classes);
        all.push(step(Setup { loss: smoothed, ..Setup::new(network, 9) }, side));
    }
    all.extend(plain(2_500));
    all
}

/// Whole steps of few images and of more, then some of Adam's, in grey and in colour.
fn every_size() -> Vec<Check> {
    let mut all = Vec::new();
    for (channels, side) in [(1, 28), (3, 32)] {
        let setup = |batch| Setup::new(LeNet5::new(channels, 10), batch);
        for batch in [1, 5, 20] {
            all.push(step(setup(batch), side));
        }
        all.push(some_steps("Adam", setup(16), side));
    }
    all
}

/// What every set of kernels must do with a network that has nothing special, up to a step of `large` images.
fn plain(large: usize) -> Vec<Check> {
    let mut all = vec![streamed(true)];
    let setup = Setup::new(LeNet5::new(1, 10), 8);
    all.push(repeated(setup.network));
    all.push(non_finite("by Adam", setup));
    let clip = Clip { norm: Some(1.0), ..Clip::default() };
    let optimizer = Optimizer { rule: Rule::Sgd(Sgd::default()), clip, ..Optimizer::default() };
    for (with, batch) in [("clipped by norm", 8), ("gradients added up", LARGEST_MICRO_BATCH + 1)] {
        all.push(non_finite(with, Setup { optimizer, batch_size: batch, ..setup }));
    }
    all.extend(update::whole_steps(large));
    all
}

/// The same setup with batch normalisation, and with an epsilon of Adam that is not lost beside gradients. For
/// many gradients are 0 but for rounding then, such as that of a bias whose unit is on for the whole batch, and
/// the usual epsilon makes whole steps of them.
fn normalised(setup: Setup) -> Setup {
    let network = LeNet5 { batch_norm: true, ..setup.network };
    let rule = Rule::Adam(Adam { eps: 1e-3, ..Adam::default() });
    Setup { network, optimizer: Optimizer { rule, ..setup.optimizer }, ..setup }
}

/// Every loss, activation and normalisation, in combinations that are not alike, and sides of images.
fn variants() -> Vec<(Setup, usize)> {
    use Activation::{HardTanh, Identity, LogSoftmax, Relu, Sigmoid, Sign, Tanh};
    use LossKind::{CrossEntropy, Mse, Nll};
    use Reduction::{Mean, Sum};

    [
        (1, 20, true, Relu, Nll, Mean, 0.0),
        (3, 5, true, Relu, Nll, Mean, 0.1),
        // One value a channel in the dense layers, which has no variance.
        (1, 1, true, Relu, Nll, Mean, 0.0),
        (1, 5, false, Relu, CrossEntropy, Sum, 0.1),
        (3, 5, false, HardTanh, Mse, Mean, 0.0),
        (1, 9, true, Tanh, Mse, Sum, 0.1),
        (3, 9, true, Sigmoid, CrossEntropy, Mean, 0.0),
        (1, 5, false, LogSoftmax, Nll, Mean, 0.0),
        (1, 9, true, LogSoftmax, Mse, Mean, 0.2),
        (1, 5, true, Sign, Nll, Sum, 0.0),
        (1, 5, false, Identity, Mse, Mean, 0.0),
    ]
    .into_iter()
    .map(|(channels, batch, batch_norm, activation, kind, reduction, label_smoothing)| {
        let network = LeNet5 { batch_norm, activation, ..LeNet5::new(channels, 10) };
        let loss = Loss { kind, reduction, label_smoothing };
        (Setup { loss, ..Setup::new(network, batch) }, if channels == 1 { 28 } else { 32 })
    })
    .collect()
}

/// What is checked, for people.
fn describe(setup: &Setup, side: usize) -> String {
    let Setup { network, loss, .. } = setup;
    let mut text = format!("{} of {}x{side}x{side}", setup.batch_size, network.channels);
    if network.classes != 10 {
        text += &format!(", {} classes", network.classes);
    }
    if network.batch_norm {
        text += ", batch norm";
    }
    if network.activation != Activation::Relu {
        text += &format!(", {}", network.activation);
    }
    if *loss != Loss::default() {
        text += &format!(", {:?} {:?} smoothing {}", loss.kind, loss.reduction, loss.label_smoothing);
    }
    text
}

/// Every map and every gradient of one step, what it leaves of running statistics, and an evaluation.
fn step(setup: Setup, side: usize) -> Check {
    let name = format!("a whole step, {}", describe(&setup, side));
    Check::new(name, move |context, plan, seed| {
        let Setup { network, batch_size: batch, .. } = setup;
        let split = Tensors::new(seed).split(network.channels, side, batch, network.classes);
        let start = start(&network, seed);
        let order: Vec<_> = (0..batch as u32).collect();
        // A rate of 0: gradients are made, but the parameters stay.
        let cut = steps(batch, batch, 0.0);

        let mut engine = engine_of(context, plan, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(split.clone()))?;
        engine.set_parameters(&start)?;
        let losses = train(&mut engine, &Epoch::new(&order, &cut))?;

        let mut reference = Reference::new(&setup, &start);
        reference.step(&split, &order, &cut[0]);
        let maps = reference.network.activations();
        let mut expected = vec![
            ("x", maps.x),
            ("conv1", &*maps.conv1),
            ("pool1", maps.pool1),
            ("conv2", &*maps.conv2),
            ("pool2", maps.pool2),
            ("fc1", maps.fc1),
            ("fc2", maps.fc2),
            ("outputs", maps.outputs),
            ("d.logits", maps.dlogits),
            ("d.fc2", maps.dfc2),
            ("d.fc1", maps.dfc1),
            ("d.pool2", maps.dpool2),
            ("d.conv2", &*maps.dconv2),
            ("d.pool1", maps.dpool1),
            ("d.conv1", &*maps.dconv1),
        ];
        expected.extend(
            maps.norms.into_iter().flat_map(|maps| ["bn1", "bn2", "bn3", "bn4"].into_iter().zip(maps)),
        );
        expected.extend(
            maps.dnorms
                .into_iter()
                .flat_map(|maps| ["d.bn1", "d.bn2", "d.bn3", "d.bn4"].into_iter().zip(maps)),
        );
        let tolerance = match network.batch_norm {
            false => tolerance::WHOLE_NETWORK,
            true => tolerance::NORMALISED_NETWORK,
        };
        let by_norm = |name: &str, found: &[f32], expected: &[f64]| {
            Finding::by_norm(name, found, expected, &vec![0.0; expected.len()], tolerance)
        };
        let mut findings = Vec::new();
        for (name, expected) in expected {
            if let Some(tensor) = engine.recording().tensor(name) {
                findings.push(by_norm(name, &engine.tensor(tensor, batch)?, expected));
            }
        }
        findings.push(by_norm("loss", &losses, reference.network.losses()));

        let table = ParameterTable::new(&network);
        let (trained, running) = table.tensors().split_at(table.trained().len());
        let gradients = engine.gradients()?;
        for tensor in trained {
            let name = format!("gradient of {}", tensor.name);
            let expected = &reference.network.gradient()[tensor.range()];
            findings.push(by_norm(&name, &gradients[tensor.range()], expected));
        }
        let parameters = engine.parameters()?;
        for tensor in running {
            let expected = &reference.network.parameters()[tensor.range()];
            findings.push(by_norm(tensor.name, &parameters[tensor.range()], expected));
        }

        engine.load(Split::Test, Arc::new(split.clone()))?;
        let evaluated: Vec<_> = engine.evaluate(Split::Test)?.iter().map(|outcome| outcome.loss).collect();
        reference.evaluate(&split, &order);
        findings.push(by_norm("loss, evaluated", &evaluated, reference.network.losses()));
        let expected = reference.log_probabilities();
        findings.push(by_norm("log-probabilities", &engine.log_probabilities(Split::Test)?, &expected));
        Ok(findings)
    })
}

/// Weights after some steps, the last of which has an incomplete batch.
fn some_steps(by: &str, setup: Setup, side: usize) -> Check {
    let (count, tolerance) = match setup.network.batch_norm {
        false => (tolerance::ADAM_STEPS, tolerance::ADAM_WEIGHTS),
        true => (tolerance::NORMALISED_ADAM_STEPS, tolerance::NORMALISED_ADAM_WEIGHTS),
    };
    let name = format!("{count} steps by {by}, {}", describe(&setup, side));
    Check::new(name, move |context, plan, seed| {
        let Setup { network, batch_size: batch, .. } = setup;
        let samples = batch * (count - 1) + 7;
        let split = Tensors::new(seed).split(network.channels, side, samples, network.classes);
        let order: Vec<_> = (0..samples as u32).rev().collect();
        let cut = steps(samples, batch, LEARNING_RATE);
        let start = start(&network, seed);

        let mut engine = engine_of(context, plan, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(split.clone()))?;
        engine.set_parameters(&start)?;
        train(&mut engine, &Epoch::new(&order, &cut))?;
        let found = engine.parameters()?;

        let mut reference = Reference::new(&setup, &start);
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
                Finding::by_norm(tensor.name, found, expected, &origin[place], tolerance)
            })
            .collect())
    })
}

/// The gradient of a normalised step that goes through the network in two micro-batches, each with statistics
/// of its own, and what both leave of running statistics.
fn normalised_micro_batches() -> Check {
    Check::new("a normalised step of 1,100 images in micro-batches", |context, plan, seed| {
        const SAMPLES: usize = LARGEST_MICRO_BATCH + 76;
        let network = LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) };
        let setup = Setup::new(network, SAMPLES);
        let split = Arc::new(Tensors::new(seed).split(1, 28, SAMPLES, network.classes));
        let order: Vec<_> = (0..SAMPLES as u32).collect();
        let (start, cut) = (start(&network, seed), steps(SAMPLES, SAMPLES, 0.0));
        let epoch = Epoch::new(&order, &cut);

        let mut engine = engine_of(context, plan, setup, Residency::Auto)?;
        engine.load(Split::Train, split.clone())?;
        engine.set_parameters(&start)?;
        train(&mut engine, &epoch)?;
        let (gradients, parameters) = (engine.gradients()?, engine.parameters()?);

        let mut reference = Reference::new(&setup, &start);
        reference.accumulated_gradient(&split, &epoch, &cut[0]);
        let table = ParameterTable::new(&network);
        let (trained, running) = table.tensors().split_at(table.trained().len());
        let trained = trained.iter().map(|tensor| (tensor, &gradients, reference.network.gradient()));
        let running = running.iter().map(|tensor| (tensor, &parameters, reference.network.parameters()));
        Ok(trained
            .chain(running)
            .map(|(tensor, found, expected)| {
                let (found, expected) = (&found[tensor.range()], &expected[tensor.range()]);
                let zeros = vec![0.0; expected.len()];
                Finding::by_norm(tensor.name, found, expected, &zeros, tolerance::NORMALISED_NETWORK)
            })
            .collect())
    })
}

/// A set streamed in chunks gives the bits that the resident set gives, in training, where images may be
/// augmented, and in evaluation.
fn streamed(augmented: bool) -> Check {
    let images = if augmented { "augmented images" } else { "images" };
    Check::new(format!("streamed {images} give the bits of resident ones"), move |context, plan, seed| {
        // In chunks of 4 MiB of images of 3,072 bytes, this many take three.
        let (network, samples) = (LeNet5::new(3, 10), 3_000);
        let resident = run(context, plan, network, samples, Residency::Resident, augmented, seed)?;
        let streamed = run(context, plan, network, samples, Residency::Streamed, augmented, seed)?;
        Ok(bit_equal(&resident, &streamed))
    })
}

/// The same run twice gives the same bits.
fn repeated(network: LeNet5) -> Check {
    let normed = if network.batch_norm { ", normalised" } else { "" };
    Check::new(format!("a run repeated gives the same bits{normed}"), move |context, plan, seed| {
        let once = run(context, plan, network, 500, Residency::Auto, true, seed)?;
        let again = run(context, plan, network, 500, Residency::Auto, true, seed)?;
        Ok(bit_equal(&once, &again))
    })
}

/// A NaN in any one tensor is reported with the tensor's name and the step.
fn non_finite(with: &str, setup: Setup) -> Check {
    Check::new(format!("a NaN in any one tensor is reported, {with}"), move |context, plan, seed| {
        let network = setup.network;
        let split = Arc::new(Tensors::new(seed).split(1, 28, 8, network.classes));
        let order: Vec<_> = (0..8).collect();
        let mut engine = engine_of(context, plan, setup, Residency::Auto)?;
        engine.load(Split::Train, split)?;
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

/// Trains on all of some random samples, and evaluates.
fn run(
    context: &Context,
    plan: &KernelConfig,
    network: LeNet5,
    samples: usize,
    residency: Residency,
    augmented: bool,
    seed: u64,
) -> Result<Left, EngineError> {
    const BATCH: usize = 48;
    let split = Arc::new(Tensors::new(seed).split(network.channels, 32, samples, network.classes));
    let order = crate::data::order(samples, seed, 0, true);
    let augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };
    let views = if augmented { augmentation.views(seed, 0, &order) } else { None };
    let setup = Setup { augmented, ..Setup::new(network, BATCH) };
    let mut engine = engine_of(context, plan, setup, residency)?;
    engine.load(Split::Train, split.clone())?;
    engine.set_parameters(&start(&network, seed))?;
    let cut = steps(samples, BATCH, LEARNING_RATE);
    let epoch = Epoch { order: &order, views: views.as_deref(), steps: &cut };
    let training = train(&mut engine, &epoch)?;
    engine.load(Split::Test, Arc::new(ImageSet::clone(&split)))?;
    let evaluation = engine.evaluate(Split::Test)?.iter().map(|outcome| outcome.loss).collect();
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
    one.iter().zip(other).map(|((name, left), (_, right))| Finding::by_bits(name, left, right)).collect()
}
