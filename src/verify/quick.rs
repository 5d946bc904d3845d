//! A check that fits into a few seconds: as many of the checks as there is time for, the most telling ones first.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::comparison::Finding;
use super::tensors::{Tensors, f64s};
use super::training::initial_weights;
use super::{Check, checks, tolerance};
use crate::cpu::{Network, Real, gather};
use crate::data::ImageSet;
use crate::engine::EngineError;
use crate::gpu::{Context, KernelConfig, KernelSet};
use crate::model::{LeNet5, ParameterTable};

/// The result of a quick check.
#[derive(Debug, Clone, PartialEq)]
pub struct QuickCheck {
    /// The number of checks that ran.
    pub checks: usize,
    /// The number of all checks.
    pub of_checks: usize,
    /// The number of tensors that were compared.
    pub tensors: usize,
    /// The tensors that are wrong, with the names of their checks.
    pub failures: Vec<(String, Finding)>,
    /// How long it took.
    pub took: Duration,
}

/// Starts checks on a GPU until `time` is over: first a whole training step with the kernels of `config`, then each kernel
/// once, then the others.
///
/// # Errors
/// If the device fails. A wrong result is no error.
pub fn on_gpu(
    context: &Context,
    config: &KernelConfig,
    seed: u64,
    time: Duration,
) -> Result<QuickCheck, EngineError> {
    let started = Instant::now();
    let ordered = most_telling_first(checks(), config.set);
    let mut result = QuickCheck::of(ordered.len());
    for check in ordered {
        if result.checks > 0 && started.elapsed() >= time {
            break;
        }
        let findings = check.run(context, config, seed)?;
        result.add(&check.name, findings);
    }
    result.took = started.elapsed();
    Ok(result)
}

/// Compares a training step of the CPU engine in f32 with the same in f64.
pub fn on_cpu(seed: u64) -> QuickCheck {
    let started = Instant::now();
    let networks = [(LeNet5::new(1, 10), 28), (LeNet5::new(3, 10), 32)];
    let mut result = QuickCheck::of(networks.len());
    for (network, side) in networks {
        let name = format!("whole step of the CPU engine, {BATCH} of {}x{side}x{side}", network.channels);
        result.add(&name, cpu_step(&network, side, seed));
    }
    result.took = started.elapsed();
    result
}

impl QuickCheck {
    /// A result without checks so far, of `of_checks` in all.
    fn of(of_checks: usize) -> Self {
        Self { checks: 0, of_checks, tensors: 0, failures: Vec::new(), took: Duration::ZERO }
    }

    /// Whether every tensor is within its tolerance.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn add(&mut self, check: &str, findings: Vec<Finding>) {
        self.checks += 1;
        self.tensors += findings.len();
        let wrong = findings.into_iter().filter(|finding| !finding.passed());
        self.failures.extend(wrong.map(|finding| (check.to_owned(), finding)));
    }
}

/// Images of the CPU engine's step.
const BATCH: usize = 20;

/// The checks in the order in which they tell most about a device whose kernels are of this set.
fn most_telling_first(checks: Vec<Check>, set: KernelSet) -> Vec<Check> {
    let is_step = |check: &Check| {
        let of_set = check.name.starts_with("fused") == (set == KernelSet::Fused);
        of_set && check.name.contains("whole step, 20 of")
    };
    let (mut first, rest): (Vec<_>, Vec<_>) = checks.into_iter().partition(is_step);
    let mut covered = HashSet::new();
    // The first check of each kernel; checks of whole networks name several.
    let (each_kernel, others): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|check| match check.kernels[..] {
            [kernel] => covered.insert(kernel),
            _ => false,
        });
    first.extend(each_kernel);
    first.extend(others);
    first
}

fn cpu_step(network: &LeNet5, side: usize, seed: u64) -> Vec<Finding> {
    let images = Tensors::new(seed).image_set(network.channels, side, BATCH, network.classes);
    let weights = initial_weights(network, seed);
    let found = after_step(network, &weights, &images);
    let reference = after_step(network, &f64s(&weights), &images);
    let compare = |name: &str, found: &[f32], expected: &[f64]| {
        Finding::by_norm(name, found, expected, &vec![0.0; expected.len()], tolerance::WHOLE_NETWORK)
    };
    let mut findings = vec![
        compare("outputs", found.outputs(), reference.outputs()),
        compare("loss", found.losses(), reference.losses()),
    ];
    findings.extend(ParameterTable::new(network).trained().iter().map(|tensor| {
        let name = format!("gradient of {}", tensor.name);
        compare(&name, &found.gradient()[tensor.range()], &reference.gradient()[tensor.range()])
    }));
    findings
}

/// The network after the forward and backward pass of one batch, all of the images.
fn after_step<T: Real>(network: &LeNet5, weights: &[T], images: &ImageSet) -> Network<T> {
    let order: Vec<_> = (0..images.len() as u32).collect();
    let labels: Vec<_> = images.labels.iter().map(|&label| u32::from(label)).collect();
    let mut network = Network::new(*network, images.len());
    network.set_parameters(weights);
    gather(images, &order, network.input(images.len()));
    network.forward(&labels);
    network.backward();
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_steps_of_the_devices_kernels_come_first_then_each_kernel_once() {
        for (set, is_fused) in [(KernelSet::Fused, true), (KernelSet::Layered, false)] {
            let (all, ordered) = (checks(), most_telling_first(checks(), set));
            assert_eq!(ordered.len(), all.len());
            assert!(ordered[0].name.contains("whole step"), "{}", ordered[0].name);
            assert_eq!(ordered[0].name.starts_with("fused"), is_fused, "{}", ordered[0].name);
            let steps = ordered.iter().take_while(|check| check.name.contains("whole step")).count();
            let of_one = all.iter().filter(|check| check.kernels.len() == 1);
            let kernels: HashSet<_> = of_one.map(|check| check.kernels[0]).collect();
            let next: HashSet<_> =
                ordered[steps..][..kernels.len()].iter().map(|check| check.kernels[0]).collect();
            assert_eq!(next, kernels);
        }
    }

    #[test]
    fn the_cpu_engine_passes() {
        let result = on_cpu(0);
        assert!(result.passed(), "{:?}", result.failures);
        assert_eq!((result.checks, result.tensors), (2, 24));
    }
}
