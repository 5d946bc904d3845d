//! The GPU against the f64 reference: every check of `lenet_gpu::verify`, over several random inputs and
//! by each kernel plan.
use crate::common::context;
use lenet_gpu::gpu::KernelConfig;
use lenet_gpu::verify::{Check, kernels, network};

/// Runs each check over the seeds and fails with every finding that did not pass.
fn hold(checks: Vec<Check>, plan: &KernelConfig, seeds: std::ops::Range<u64>) {
    assert!(!checks.is_empty());
    let context = context();
    let mut failures = Vec::new();
    for check in &checks {
        for seed in seeds.clone() {
            let findings = check.run(&context, plan, seed).unwrap_or_else(|e| panic!("{}: {e}", check.name));
            assert!(!findings.is_empty(), "{} looked at nothing", check.name);
            let bad = findings.iter().filter(|finding| !finding.passed());
            failures.extend(bad.map(|finding| format!("{} (seed {seed}): {finding}", check.name)));
        }
    }
    assert!(failures.is_empty(), "{} findings failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_kernel_gives_what_its_twin_gives_in_small_blocks() {
    hold(kernels::checks(), &KernelConfig::HARDWARE, 0..3);
}

#[test]
fn every_kernel_gives_what_its_twin_gives_in_the_software_plan() {
    hold(kernels::checks(), &KernelConfig::SOFTWARE, 0..1);
}

/// The checks of the whole network whose name says, or does not say, that they are of the fused kernels.
fn networks(fused: bool) -> Vec<Check> {
    network::checks().into_iter().filter(|check| check.name.starts_with("fused") == fused).collect()
}

#[test]
fn the_whole_network_gives_what_the_reference_gives_by_the_layered_kernels() {
    hold(networks(false), &KernelConfig::SOFTWARE, 0..1);
}

#[test]
fn the_whole_network_gives_what_the_reference_gives_by_the_fused_kernels() {
    hold(networks(true), &KernelConfig::SOFTWARE, 0..1);
}

#[test]
fn steps_of_the_fused_kernels_give_what_the_reference_gives_in_the_plan_of_real_gpus() {
    let steps = networks(true).into_iter().filter(|check| check.name.contains("step"));
    let few = steps.filter(|check| !check.name.contains("2500 images"));
    hold(few.collect(), &KernelConfig::HARDWARE, 0..1);
}
