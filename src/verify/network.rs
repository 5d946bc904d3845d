//! Checks of whole steps on the GPU, and the list of all checks of the whole network.

use std::sync::Arc;

use super::comparison::Finding;
use super::reproducibility::{members, non_finite, repeated, streamed};
use super::tensors::{Tensors, f64s};
use super::training::{Reference, initial_weights, new_engine, train};
use super::{Check, tolerance, whole_steps};
use crate::engine::{
    Adam, Clip, Engine, Epoch, LARGEST_MICRO_BATCH, Loss, LossKind, Optimizer, Reduction, Rule, Setup, Sgd,
    Split, steps,
};
use crate::gpu::{KernelSet, Residency};
use crate::model::{Activation, Frozen, LeNet5, ParameterTable};

const LEARNING_RATE: f32 = 1e-3;

/// The checks of the layered kernels, then those of the fused kernels.
pub fn checks() -> Vec<Check> {
    let layered = layered().into_iter().map(|check| check.with_kernels(KernelSet::Layered));
    layered.chain(fused().into_iter().map(|check| check.with_kernels(KernelSet::Fused))).collect()
}

fn layered() -> Vec<Check> {
    let mut all = all_sizes();
    for (channels, side) in [(1, 28), (3, 32)] {
        let setup = normalised(Setup::new(LeNet5::new(channels, 10), 16));
        all.push(several_steps("Adam", setup, side));
        let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
        let clip = Clip { fc: Some(0.05), norm: Some(1.0), ..Clip::default() };
        let optimizer = Optimizer { rule, clip, weight_decay: 0.1, ..Optimizer::default() };
        all.push(several_steps("clipped momentum", Setup { optimizer, ..setup }, side));
        if channels == 1 {
            let optimizer = Optimizer { frozen: Frozen::Conv, ..optimizer };
            let name = "clipped momentum with frozen convolutions";
            all.push(several_steps(name, Setup { optimizer, ..setup }, side));
        }
    }
    for (setup, side) in variants() {
        all.push(step(setup, side));
    }
    for (setup, side) in variants().into_iter().take(6) {
        all.push(step(Setup { class_weighted: true, ..setup }, side));
    }
    // The maximum number of classes of a folder of images.
    all.push(step(Setup::new(LeNet5::new(1, 1_000), 5), 32));
    all.extend([false, true].map(normalised_micro_batches));
    let setup = normalised(Setup::new(LeNet5::new(1, 10), 8));
    all.push(repeated(setup.network));
    all.push(members(setup.network));
    all.push(non_finite("batch norm", Setup { optimizer: Optimizer::default(), ..setup }));
    all.push(streamed(false));
    all.extend(plain(2_500));
    all
}

fn fused() -> Vec<Check> {
    let mut all = all_sizes();
    // Several images per workgroup and per chunk, and batch sizes that are multiples of neither.
    for batch in [130, 259] {
        all.push(step(Setup::new(LeNet5::new(1, 10), batch), 28));
    }
    let smoothed = Loss { kind: LossKind::CrossEntropy, reduction: Reduction::Sum, label_smoothing: 0.1 };
    for (channels, classes, side) in [(1, 2, 28), (3, 64, 32)] {
        let network = LeNet5::new(channels, classes);
        all.push(step(Setup { loss: smoothed, ..Setup::new(network, 9) }, side));
        let setup = Setup { class_weighted: true, ..Setup::new(network, 9) };
        all.push(step(setup, side));
        all.push(step(Setup { loss: Loss { label_smoothing: 0.1, ..setup.loss }, ..setup }, side));
    }
    all.extend(plain(2_500));
    all
}

/// Whole steps of small and larger batches, then several steps of Adam, for greyscale and colour images.
fn all_sizes() -> Vec<Check> {
    let mut all = Vec::new();
    for (channels, side) in [(1, 28), (3, 32)] {
        let setup = |batch| Setup::new(LeNet5::new(channels, 10), batch);
        for batch in [1, 5, 20] {
            all.push(step(setup(batch), side));
        }
        all.push(several_steps("Adam", setup(16), side));
    }
    all
}

/// What every kernel set must support with the plain network, up to a step of `large` images.
fn plain(large: usize) -> Vec<Check> {
    let mut all = vec![streamed(true)];
    let setup = Setup::new(LeNet5::new(1, 10), 8);
    all.push(repeated(setup.network));
    all.push(members(setup.network));
    all.push(non_finite("Adam", setup));
    let clip = Clip { norm: Some(1.0), ..Clip::default() };
    let optimizer = Optimizer { rule: Rule::Sgd(Sgd::default()), clip, ..Optimizer::default() };
    for (variant, batch) in [("clipped by norm", 8), ("accumulated gradients", LARGEST_MICRO_BATCH + 1)] {
        all.push(non_finite(variant, Setup { optimizer, batch_size: batch, ..setup }));
    }
    all.extend(whole_steps::checks(large));
    all
}

/// The same setup with batch normalisation and a larger epsilon for Adam. With batch normalisation many gradients are 0
/// except for rounding errors, such as that of a bias whose unit is active for the whole batch, and the usual epsilon
/// would turn those into full steps.
fn normalised(setup: Setup) -> Setup {
    let network = LeNet5 { batch_norm: true, ..setup.network };
    let rule = Rule::Adam(Adam { eps: 1e-3, ..Adam::default() });
    Setup { network, optimizer: Optimizer { rule, ..setup.optimizer }, ..setup }
}

/// Setups with varied combinations of every loss, activation and normalisation, and the side of their images.
fn variants() -> Vec<(Setup, usize)> {
    use Activation::{HardTanh, Identity, LogSoftmax, Relu, Sigmoid, Sign, Tanh};
    use LossKind::{CrossEntropy, Mse, Nll};
    use Reduction::{Mean, Sum};

    [
        (1, 20, true, Relu, Nll, Mean, 0.0),
        (3, 5, true, Relu, Nll, Mean, 0.1),
        // One value per channel in the dense layers, so the variance is 0.
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

/// The part of a check's name that describes the setup.
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
    if setup.class_weighted {
        text += ", class weights";
    }
    if *loss != Loss::default() {
        text += &format!(", {:?} {:?} smoothing {}", loss.kind, loss.reduction, loss.label_smoothing);
    }
    text
}

/// Compares every activation and every gradient of one step, the running statistics after it, and an evaluation.
fn step(setup: Setup, side: usize) -> Check {
    let name = format!("whole step, {}", describe(&setup, side));
    Check::new(name, move |context, config, seed| {
        let Setup { network, batch_size: batch, .. } = setup;
        let images = Tensors::new(seed).image_set(network.channels, side, batch, network.classes);
        let weights = initial_weights(&network, seed);
        let order: Vec<_> = (0..batch as u32).collect();
        // With a learning rate of 0, gradients are computed but the parameters stay the same.
        let steps = steps(batch, batch, 0.0);

        let mut engine = new_engine(context, config, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(images.clone()))?;
        engine.set_parameters(&weights)?;
        let class_weights = setup.class_weighted.then(|| Tensors::new(seed).class_weights(network.classes));
        let epoch = Epoch { class_weights: class_weights.as_ref(), ..Epoch::new(&order, &steps) };
        let losses = train(&mut engine, &epoch)?;

        let mut reference = Reference::new(&setup, &weights);
        reference.step(&images, &epoch, &steps[0]);
        let tensors = reference.network.activations();
        let mut expected = vec![
            ("x", tensors.x),
            ("conv1", &*tensors.conv1),
            ("pool1", tensors.pool1),
            ("conv2", &*tensors.conv2),
            ("pool2", tensors.pool2),
            ("fc1", tensors.fc1),
            ("fc2", tensors.fc2),
            ("outputs", tensors.outputs),
            ("d.logits", tensors.dlogits),
            ("d.fc2", tensors.dfc2),
            ("d.fc1", tensors.dfc1),
            ("d.pool2", tensors.dpool2),
            ("d.conv2", &*tensors.dconv2),
            ("d.pool1", tensors.dpool1),
            ("d.conv1", &*tensors.dconv1),
        ];
        expected.extend(
            tensors.norms.into_iter().flat_map(|norms| ["bn1", "bn2", "bn3", "bn4"].into_iter().zip(norms)),
        );
        expected.extend(
            tensors
                .dnorms
                .into_iter()
                .flat_map(|norms| ["d.bn1", "d.bn2", "d.bn3", "d.bn4"].into_iter().zip(norms)),
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

        engine.load(Split::Test, Arc::new(images.clone()))?;
        let evaluated: Vec<_> = engine.evaluate(Split::Test)?.iter().map(|outcome| outcome.loss).collect();
        reference.evaluate(&images, &order);
        findings.push(by_norm("evaluation loss", &evaluated, reference.network.losses()));
        let expected = reference.log_probabilities();
        findings.push(by_norm("log-probabilities", &engine.log_probabilities(Split::Test)?, &expected));
        Ok(findings)
    })
}

/// Compares the weights after several steps, the last of which has an incomplete batch.
fn several_steps(optimizer: &str, setup: Setup, side: usize) -> Check {
    let (count, tolerance) = match setup.network.batch_norm {
        false => (tolerance::ADAM_STEPS, tolerance::ADAM_WEIGHTS),
        true => (tolerance::NORMALISED_ADAM_STEPS, tolerance::NORMALISED_ADAM_WEIGHTS),
    };
    let name = format!("{count} steps of {optimizer}, {}", describe(&setup, side));
    Check::new(name, move |context, config, seed| {
        let Setup { network, batch_size: batch, .. } = setup;
        let samples = batch * (count - 1) + 7;
        let images = Tensors::new(seed).image_set(network.channels, side, samples, network.classes);
        let order: Vec<_> = (0..samples as u32).rev().collect();
        let steps = steps(samples, batch, LEARNING_RATE);
        let weights = initial_weights(&network, seed);

        let mut engine = new_engine(context, config, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(images.clone()))?;
        engine.set_parameters(&weights)?;
        let epoch = Epoch::new(&order, &steps);
        train(&mut engine, &epoch)?;
        let found = engine.parameters()?;

        let mut reference = Reference::new(&setup, &weights);
        for step in &steps {
            reference.step(&images, &epoch, step);
        }
        let (expected, origin) = (reference.network.parameters(), f64s(&weights));
        Ok(ParameterTable::new(&network)
            .tensors()
            .iter()
            .map(|tensor| {
                let range = tensor.range();
                let (found, expected) = (&found[range.clone()], &expected[range.clone()]);
                Finding::by_norm(tensor.name, found, expected, &origin[range], tolerance)
            })
            .collect())
    })
}

/// Compares the gradient of a step with batch normalisation that runs as two micro-batches, each with statistics of its
/// own, and the running statistics after both.
fn normalised_micro_batches(class_weighted: bool) -> Check {
    let weighted = if class_weighted { ", class weights" } else { "" };
    let name = format!("step of 1100 images in micro-batches, batch norm{weighted}");
    Check::new(name, move |context, config, seed| {
        const SAMPLES: usize = LARGEST_MICRO_BATCH + 76;
        let network = LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) };
        let setup = Setup { class_weighted, ..Setup::new(network, SAMPLES) };
        let images = Arc::new(Tensors::new(seed).image_set(1, 28, SAMPLES, network.classes));
        let order: Vec<_> = (0..SAMPLES as u32).collect();
        let (weights, steps) = (initial_weights(&network, seed), steps(SAMPLES, SAMPLES, 0.0));
        let class_weights = class_weighted.then(|| Tensors::new(seed).class_weights(network.classes));
        let epoch = Epoch { class_weights: class_weights.as_ref(), ..Epoch::new(&order, &steps) };

        let mut engine = new_engine(context, config, setup, Residency::Auto)?;
        engine.load(Split::Train, images.clone())?;
        engine.set_parameters(&weights)?;
        train(&mut engine, &epoch)?;
        let (gradients, parameters) = (engine.gradients()?, engine.parameters()?);

        let mut reference = Reference::new(&setup, &weights);
        reference.accumulated_gradient(&images, &epoch, &steps[0]);
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
