//! The `paper` command, on few images.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

fn paper_of(out: &Path, runs: &str, epochs: &str, limit_test: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command
        .args(["paper", "--backend", "cpu", "--limit-train", "640", "--limit-test", limit_test])
        .args(["--runs", runs, "--epochs", epochs, "--probes", "3", "--output"])
        .arg(out);
    command
}

fn paper(out: &Path) -> Command {
    paper_of(out, "2", "2", "100")
}

#[test]
fn both_data_sets_give_four_figures_with_tables_and_claims() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    paper(&out)
        .args(["--dataset", "both", "--cifar10-dir", "data/cifar10-sample"])
        .assert()
        .success()
        .stdout(contains("report.md").and(contains("Adam reaches 95 %")))
        .stderr(contains("CIFAR-10, Gradient descent, seed 1999, epoch 2"));

    for number in 1..=4 {
        let dataset = if number <= 2 { "mnist" } else { "cifar10" };
        let accuracy = if number % 2 == 1 { "training" } else { "test" };
        for by in ["epoch", "step"] {
            for kind in ["svg", "png"] {
                let figure = out.join(format!("figure-{number}-{dataset}-{accuracy}-by-{by}.{kind}"));
                assert!(fs::metadata(&figure).unwrap().len() > 1_000, "{}", figure.display());
                if kind == "svg" {
                    let (right, wrong) =
                        if number <= 2 { ("MNIST", "CIFAR-10") } else { ("CIFAR-10", "MNIST") };
                    let svg = fs::read_to_string(&figure).unwrap();
                    assert!(svg.contains(right) && !svg.contains(wrong), "{}", figure.display());
                }
            }
        }
    }
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    // Only the claim about an earlier stop can lack runs, if no run is stopped.
    assert!(report.matches("were not run").count() <= 1, "{report}");
    let verdicts = fs::read_to_string(out.join("verdicts.csv")).unwrap();
    assert_eq!(verdicts.lines().count(), 9);
    // 2 data sets, 2 optimizers, 2 runs, and 6 measurements of each run that did not stop early.
    let measurements = fs::read_to_string(out.join("runs.csv")).unwrap();
    assert!((2 * 2 * 2 * 3..=2 * 2 * 2 * 6).contains(&(measurements.lines().count() - 1)), "{measurements}");
}

#[test]
fn the_same_seeds_give_the_same_report() {
    let folder = tempdir().unwrap();
    let runs = ["one", "two"].map(|name| {
        let out = folder.path().join(name);
        paper_of(&out, "1", "1", "100").assert().success();
        fs::read_to_string(out.join("runs.csv")).unwrap()
    });
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn as_listed_trains_on_one_batch_and_tests_on_seven() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    paper_of(&out, "2", "2", "10000").arg("--as-listed").assert().success();
    let measurements = fs::read_to_string(out.join("runs.csv")).unwrap();
    for line in measurements.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[3], cells[4], "an epoch has one step");
        // Fractions of 32 training and 224 test images.
        for (cell, images) in [(cells[5], 32.0), (cells[6], 224.0)] {
            let correct = cell.parse::<f64>().unwrap() * images;
            assert!((correct - correct.round()).abs() < 1e-9, "{line}");
        }
    }
}

#[test]
fn a_folder_that_is_not_empty_and_a_missing_data_set_are_input_errors() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    paper(folder.path()).assert().code(2).stderr(contains("--output"));
    paper(&folder.path().join("new"))
        .args(["--dataset", "cifar10"])
        .env("LENET_GPU_CACHE", folder.path().join("empty"))
        .assert()
        .code(2)
        .stderr(contains("data fetch cifar10"));
    assert!(!folder.path().join("new").exists());
}
