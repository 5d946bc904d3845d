//! The GPU against the f64 reference: every check of `lenet_gpu::verify`, on several random inputs and with each kernel
//! configuration.
use crate::common::context;
use lenet_gpu::gpu::KernelConfig;
use lenet_gpu::verify::{Check, kernels, network, quick};

/// Runs each check for the seeds and fails with all findings that did not pass.
#[track_caller]
fn assert_pass(checks: Vec<Check>, config: &KernelConfig, seeds: std::ops::Range<u64>) {
    assert!(!checks.is_empty());
    let context = context();
    let mut failures = Vec::new();
    for check in &checks {
        for seed in seeds.clone() {
            let findings =
                check.run(&context, config, seed).unwrap_or_else(|e| panic!("{}: {e}", check.name));
            assert!(!findings.is_empty(), "{} compared nothing", check.name);
            let bad = findings.iter().filter(|finding| !finding.passed());
            failures.extend(bad.map(|finding| format!("{} (seed {seed}): {finding}", check.name)));
        }
    }
    assert!(failures.is_empty(), "{} findings failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_kernel_matches_its_reference_with_the_hardware_config() {
    assert_pass(kernels::checks(), &KernelConfig::HARDWARE, 0..3);
}

#[test]
fn every_kernel_matches_its_reference_with_the_software_config() {
    assert_pass(kernels::checks(), &KernelConfig::SOFTWARE, 0..1);
}

/// The checks of the whole network with the fused or the layered kernels.
fn networks(fused: bool) -> Vec<Check> {
    network::checks().into_iter().filter(|check| check.name.starts_with("fused") == fused).collect()
}

#[test]
fn the_network_matches_the_reference_with_the_layered_kernels() {
    assert_pass(networks(false), &KernelConfig::SOFTWARE, 0..1);
}

#[test]
fn the_network_matches_the_reference_with_the_fused_kernels() {
    assert_pass(networks(true), &KernelConfig::SOFTWARE, 0..1);
}

#[test]
fn fused_steps_match_the_reference_with_the_hardware_config() {
    let steps = networks(true).into_iter().filter(|check| check.name.contains("step"));
    let few = steps.filter(|check| !check.name.contains("2500 images"));
    assert_pass(few.collect(), &KernelConfig::HARDWARE, 0..1);
}

#[test]
fn a_quick_check_without_time_is_a_whole_step() {
    let result = quick::on_gpu(&context(), &KernelConfig::SOFTWARE, 0, std::time::Duration::ZERO).unwrap();
    assert!(result.passed(), "{:?}", result.failures);
    assert_eq!(result.checks, 1);
    assert!(result.tensors > 20 && result.of_checks > 100, "{result:?}");
}
