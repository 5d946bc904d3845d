//! The folder of a sweep in other commands: its report, its line in the list of runs, its model.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty};
use tempfile::{TempDir, tempdir};

use super::report::assert_self_contained;

/// A sweep of four settings with two seeds each, shared by the tests that only read it.
static SWEPT: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let sweep = folder.path().join("runs/swept");
    let mut command = lenet_gpu();
    command.args([
        "sweep",
        "--backend",
        "cpu",
        "--limit-train",
        "300",
        "--limit-test",
        "100",
        "--epochs",
        "1",
    ]);
    command.args(["--validation-split", "0.2", "--batch-size", "32"]);
    command.args(["--vary", "lr=1e-3,3e-3", "--vary", "activation=relu,tanh", "--vary", "seed=0,1"]);
    command.arg("--run-dir").arg(&sweep).assert().success();
    (folder, sweep)
});

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

#[test]
fn a_sweep_writes_a_report_that_loads_nothing() {
    let (_folder, sweep) = &*SWEPT;
    let html = fs::read_to_string(sweep.join("report.html")).unwrap();
    assert_self_contained(&html);
    for part in [
        "Best of 4 settings",
        "8 finished",
        "lenet-gpu train",
        "--lr and --activation",
        "All options together",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("compared on the test images"));
}

#[test]
fn the_report_of_a_sweep_is_written_again() {
    let (folder, sweep) = &*SWEPT;
    let other = folder.path().join("other.html");
    let mut report = lenet_gpu();
    report.arg("report").arg(sweep).arg("-o").arg(&other).assert().success();
    let html = fs::read_to_string(other).unwrap();
    assert_self_contained(&html);
    assert!(html.contains("8 finished"));
    lenet_gpu()
        .arg("report")
        .arg(sweep)
        .args(["-o", "-"])
        .assert()
        .success()
        .stdout(contains("<!DOCTYPE html>"));
    let best = lenet_gpu().arg("report").arg(sweep).arg("--best").assert().code(2);
    best.stderr(contains("only for the report of one run"));
}

#[test]
fn a_sweep_is_one_line_in_the_list_of_runs() {
    let (folder, sweep) = &*SWEPT;
    let runs = stdout(lenet_gpu().arg("runs").arg(folder.path().join("runs")));
    let lines: Vec<&str> = runs.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "1 sweep:"), "{runs}");
    assert!(
        lines[2].starts_with("swept ") && lines[2].contains(" 8/8 ") && lines[2].contains("finished"),
        "{runs}"
    );
    assert!(lines[2].ends_with("lr=1e-3,3e-3 activation=relu,tanh seed=0,1"), "{runs}");

    let members = stdout(lenet_gpu().arg("runs").arg(sweep));
    assert_eq!(members.matches("members/000").count(), 8, "{members}");
    let json = lenet_gpu().arg("runs").arg(folder.path().join("runs")).arg("--json").assert().success();
    json.stdout(is_empty()).stderr(contains("1 sweep left out"));
}

#[test]
fn the_model_of_a_sweep_is_that_of_its_best_member() {
    let (folder, sweep) = &*SWEPT;
    let accuracy = lenet_gpu().args(["evaluate", "--backend", "cpu"]).arg(sweep).assert().success();
    accuracy.stdout(contains("%"));
    lenet_gpu().arg("summary").arg(sweep).assert().success().stdout(contains("conv1"));
    let onnx = folder.path().join("model.onnx");
    lenet_gpu().args(["export", "--format", "onnx"]).arg(sweep).arg("-o").arg(&onnx).assert().success();
    assert!(fs::metadata(onnx).unwrap().len() > 100_000);
}

#[test]
fn a_sweep_without_a_model_says_so() {
    let folder = tempdir().unwrap();
    let (_shared, sweep) = &*SWEPT;
    fs::copy(sweep.join("sweep.toml"), folder.path().join("sweep.toml")).unwrap();
    let evaluated = lenet_gpu().args(["evaluate", "--backend", "cpu"]).arg(folder.path()).assert().code(2);
    evaluated.stderr(contains("no member of this sweep has finished yet"));
    lenet_gpu().arg("report").arg(folder.path()).assert().success();
    let html = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(html.contains("0 of 8 members"));
}

#[test]
fn a_folder_of_sweeps_is_not_a_run() {
    let (folder, _sweep) = &*SWEPT;
    let report = lenet_gpu().arg("report").arg(folder.path().join("runs")).assert().code(2);
    report.stderr(contains("contains sweeps, but no runs").and(contains("runs/swept")));
}

#[test]
fn other_commands_do_not_replace_the_files_of_a_sweep() {
    let (_folder, sweep) = &*SWEPT;
    for name in ["model.safetensors", "sweep.csv"] {
        let mut report = lenet_gpu();
        let report = report.arg("report").arg(sweep).arg("-o").arg(sweep.join(name)).assert().code(2);
        report.stderr(contains("is a file of a sweep"));
    }
    let resumed = lenet_gpu().args(["train", "--resume"]).arg(sweep).assert().code(2);
    resumed.stderr(contains("is a sweep, not a run").and(contains("lenet-gpu sweep --resume")));
}
