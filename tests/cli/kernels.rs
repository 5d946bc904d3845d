//! The choice of kernels by the command line: what is taken, what is refused, and in which words.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// One step on a GPU, or a software one.
fn a_step() -> Command {
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

/// The plan that a run's config.toml keeps.
fn kernel_plan(run_dir: &Path) -> toml::Table {
    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    config["engine"]["kernels"].as_table().unwrap().clone()
}

#[test]
fn a_run_keeps_which_kernels_made_it_in_a_plan_that_can_be_given_again() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    a_step().args(["--kernels", "fused", "--run-dir"]).arg(&run_dir).assert().success();
    let plan = kernel_plan(&run_dir);
    assert_eq!(plan["set"].as_str(), Some("fused"));

    let file = folder.path().join("plan.toml");
    fs::write(&file, toml::to_string(&plan).unwrap()).unwrap();
    let verify = ["verify", "--backend", "vulkan", "--only", "max_pool", "--plan"];
    lenet_gpu().args(verify).arg(&file).assert().success();
    let again = folder.path().join("again");
    a_step().arg("--plan").arg(&file).arg("--run-dir").arg(&again).assert().success();
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&run_dir), model(&again));
}

#[test]
fn fused_kernels_are_refused_where_they_cannot_make_the_step_and_auto_takes_the_layered_ones() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    a_step()
        .args(["--kernels", "fused", "--batch-norm", "--run-dir"])
        .arg(&run_dir)
        .assert()
        .code(2)
        .stderr(contains("no kernels for batch normalisation").and(contains("--kernels auto")));
    assert!(!run_dir.exists());

    a_step().args(["--batch-norm", "--run-dir"]).arg(&run_dir).assert().success();
    assert_eq!(kernel_plan(&run_dir)["set"].as_str(), Some("layered"));
}

#[test]
fn a_plan_that_cannot_be_read_or_run_is_refused_by_its_name() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    let refused = |words: &str| {
        a_step().arg("--plan").arg(&file).assert().code(2).stderr(contains("plan.toml").and(contains(words)));
    };
    refused("cannot read");
    fs::write(&file, "set = \"fused\"").unwrap();
    refused("no kernel plan");
    let verify = lenet_gpu().args(["verify", "--backend", "vulkan", "--plan"]).arg(&file).assert();
    verify.code(2).stderr(contains("no kernel plan"));
}

#[test]
fn kernels_are_no_option_of_the_cpu_engine_and_it_is_not_tuned() {
    let folder = tempdir().unwrap();
    for command in ["train", "bench"] {
        lenet_gpu()
            .args([command, "--backend", "cpu", "--kernels", "fused"])
            .assert()
            .code(2)
            .stderr(contains("say how a GPU works"));
    }
    let plan = folder.path().join("plan.toml");
    lenet_gpu()
        .args(["tune", "--backend", "cpu", "--out"])
        .arg(&plan)
        .assert()
        .code(2)
        .stderr(contains("no GPU to tune for"));
    assert!(!plan.exists());
}
