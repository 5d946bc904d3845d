//! The choice of kernels on the command line.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::gpu::KernelConfig;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// One training step on a GPU or a software adapter.
fn train_one_step() -> Command {
    let mut command = lenet_gpu();
    command.args([
        "train",
        "--backend",
        "vulkan",
        "--limit-train",
        "64",
        "--limit-test",
        "8",
        "--max-steps",
        "1",
    ]);
    command
}

/// The kernel configuration in a run's config.toml.
fn kernel_config(run_dir: &Path) -> toml::Table {
    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    config["engine"]["kernels"].as_table().unwrap().clone()
}

#[test]
fn a_run_can_be_repeated_with_its_recorded_kernel_configuration() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    train_one_step().args(["--kernels", "fused", "--run-dir"]).arg(&run_dir).assert().success();
    let config = kernel_config(&run_dir);
    assert_eq!(config["set"].as_str(), Some("fused"));

    let file = folder.path().join("kernels.toml");
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let verify = ["verify", "--backend", "vulkan", "--only", "max_pool", "--kernel-config"];
    lenet_gpu().args(verify).arg(&file).assert().success();
    let again = folder.path().join("again");
    train_one_step().arg("--kernel-config").arg(&file).arg("--run-dir").arg(&again).assert().success();
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&run_dir), model(&again));
}

#[test]
fn fused_kernels_reject_unsupported_networks_and_auto_falls_back() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    train_one_step()
        .args(["--kernels", "fused", "--batch-norm", "--run-dir"])
        .arg(&run_dir)
        .assert()
        .code(2)
        .stderr(contains("batch normalisation").and(contains("--kernels auto")));
    assert!(!run_dir.exists());

    train_one_step().args(["--batch-norm", "--run-dir"]).arg(&run_dir).assert().success();
    assert_eq!(kernel_config(&run_dir)["set"].as_str(), Some("layered"));
}

#[test]
fn an_invalid_kernel_configuration_is_rejected_with_its_path() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("kernels.toml");
    let rejected = |words: &str| {
        train_one_step()
            .arg("--kernel-config")
            .arg(&file)
            .assert()
            .code(2)
            .stderr(contains("kernels.toml").and(contains(words)));
    };
    rejected("cannot read");
    fs::write(&file, "set = \"fused\"").unwrap();
    rejected("is not a kernel configuration");
    for preset in [KernelConfig::SOFTWARE, KernelConfig::HARDWARE] {
        let text = toml::to_string(&preset).unwrap();
        for unknown in
            [format!("wokgroup = 8\n{text}"), format!("{text}wokgroup = 8\n"), format!("{text}[head]\n")]
        {
            fs::write(&file, unknown).unwrap();
            rejected("is not a kernel configuration: unknown field");
        }
    }
    let verify = lenet_gpu().args(["verify", "--backend", "vulkan", "--kernel-config"]).arg(&file).assert();
    verify.code(2).stderr(contains("is not a kernel configuration"));
}

#[test]
fn the_cpu_engine_has_no_kernel_options_and_cannot_be_tuned() {
    let folder = tempdir().unwrap();
    for command in ["train", "bench"] {
        lenet_gpu()
            .args([command, "--backend", "cpu", "--kernels", "fused"])
            .assert()
            .code(2)
            .stderr(contains("apply to GPUs"));
    }
    let file = folder.path().join("kernels.toml");
    lenet_gpu()
        .args(["tune", "--backend", "cpu", "--output"])
        .arg(&file)
        .assert()
        .code(2)
        .stderr(contains("no GPU to tune for"));
    assert!(!file.exists());
}
