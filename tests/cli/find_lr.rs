//! The learning-rate finder: `train --find-lr`.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::tempdir;

/// A search on 2,000 images of MNIST, in a folder of its own.
fn find_lr(folder: &Path, option: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.current_dir(folder).args(["train", option, "--backend", "cpu", "--limit-train", "2000"]);
    command.args(["--limit-test", "10", "--batch-size", "16"]);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_search_prints_a_good_rate_and_leaves_only_its_figure() {
    let folder = tempdir().unwrap();
    let output = find_lr(folder.path(), "--find-lr").assert().success().get_output().clone();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let rate =
        stdout.strip_prefix("suggested learning rate ").and_then(|rest| rest.split(';').next()).unwrap();
    // Good rates of Adam for these images are within a factor of ten of its default.
    assert!((1e-4..=1e-2).contains(&rate.parse().unwrap()), "{stdout}");
    assert_eq!(stdout.lines().count(), 1);

    let [run] = &names(&folder.path().join("runs"))[..] else { panic!("one folder") };
    assert!(run.starts_with("lr-mnist-"), "{run}");
    assert_eq!(names(&folder.path().join("runs").join(run)), ["lr-finder.png", "lr-finder.svg"]);
    let figure = Path::new("runs").join(run).join("lr-finder.svg");
    assert!(stdout.trim_end().ends_with(&figure.display().to_string()), "{stdout}");
    let svg = fs::read_to_string(folder.path().join(figure)).unwrap();
    assert!(
        svg.contains("Learning-rate search on MNIST") && svg.contains(&format!("learning rate: {rate}<"))
    );
}

#[test]
fn a_search_prints_json_with_every_step() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("here");
    let search = || {
        let mut command = find_lr(folder.path(), "--find-lr=1e-3:0.1");
        command.args(["--json", "--quiet", "--optimizer", "sgd", "--momentum", "0.9", "--run-dir"]).arg(&run);
        let output = command.assert().success().stderr("").get_output().stdout.clone();
        serde_json::from_slice::<Value>(&output).unwrap()
    };
    let found = search();
    let suggestion = found["suggestion"].as_f64().unwrap();
    assert!((1e-3..=0.1).contains(&suggestion), "{suggestion}");
    let points = found["points"].as_array().unwrap();
    assert!((2..=125).contains(&points.len()), "{}", points.len());
    let rate = |point: &Value| point["learning_rate"].as_f64().unwrap() as f32;
    assert_eq!(rate(&points[0]), 1e-3);
    assert!(points.windows(2).all(|pair| rate(&pair[0]) < rate(&pair[1])));
    assert!(points.iter().all(|point| point["loss"].is_f64() && point["smoothed"].is_f64()));
    assert_eq!(names(&run), ["lr-finder.png", "lr-finder.svg"]);

    // A search replaces the figure of an earlier one, and gives the same.
    assert_eq!(search()["points"], found["points"]);
}

#[test]
fn a_loss_that_cannot_fall_is_an_error_with_a_figure() {
    let folder = tempdir().unwrap();
    find_lr(folder.path(), "--find-lr=1e-12:1e-11")
        .args(["--run-dir", "a"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(
            contains("no learning rate from 1e-12 to 1e-11 lowers the loss")
                .and(contains("--find-lr=LOW:HIGH")),
        );
    assert_eq!(names(&folder.path().join("a")), ["lr-finder.png", "lr-finder.svg"]);
}

#[test]
fn a_range_that_ends_too_early_is_reported() {
    let folder = tempdir().unwrap();
    find_lr(folder.path(), "--find-lr=1e-4:1e-3")
        .assert()
        .success()
        .stderr(contains("the loss was still falling at the highest, 0.001: try higher ones"));
}

#[test]
fn options_of_the_length_and_the_schedule_have_no_effect_and_are_named() {
    let folder = tempdir().unwrap();
    let ignored = ["--lr", "3", "--epochs", "0.01", "--schedule", "cosine", "--target-accuracy", "99"];
    let with = find_lr(folder.path(), "--find-lr=1e-3:0.1")
        .args(ignored)
        .args(["--json", "--run-dir", "a"])
        .assert();
    let with = with
        .success()
        .stderr(contains("--find-lr does not use --epochs, --lr, --schedule, --target-accuracy\n"));
    let without = find_lr(folder.path(), "--find-lr=1e-3:0.1").args(["--json", "--run-dir", "b"]).assert();
    let without = without.success().stderr(contains("does not use").not());
    let points = |output: &[u8]| serde_json::from_slice::<Value>(output).unwrap()["points"].clone();
    assert_eq!(points(&with.get_output().stdout), points(&without.get_output().stdout));
}

#[test]
fn what_makes_no_sense_is_rejected_before_any_work() {
    let folder = tempdir().unwrap();
    for (option, expected) in [
        ("--find-lr=1", "--find-lr 1: must be LOW:HIGH"),
        ("--find-lr=1:0.1", "the lower one first"),
        ("--find-lr=0:1", "each above 0 and finite"),
    ] {
        find_lr(folder.path(), option).assert().code(2).stdout("").stderr(contains(expected));
    }
    for other in ["--resume=a", "--serve=0", "--tensorboard"] {
        find_lr(folder.path(), "--find-lr")
            .arg(other)
            .assert()
            .code(2)
            .stderr(contains("cannot be used with"));
    }
    fs::write(folder.path().join("file"), "").unwrap();
    find_lr(folder.path(), "--find-lr").args(["--run-dir", "file/a"]).assert().stdout("").failure();
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn every_kind_of_training_can_be_searched() {
    let folder = tempdir().unwrap();
    for (limit, options) in [
        ("512", &["--batch-size", "16", "--batch-norm", "--shift", "2", "--class-weights", "balanced"][..]),
        ("512", &["--batch-size", "16", "--loss", "mse", "--activation", "tanh", "--clip-norm", "1"]),
        ("64", &["--optimizer", "gd"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.current_dir(folder.path()).args([
            "train",
            "--find-lr",
            "--backend",
            "cpu",
            "--limit-train",
            limit,
        ]);
        command.args(["--limit-test", "10", "-q", "--run-dir", "a"]).args(options);
        command.assert().success().stdout(contains("suggested learning rate ")).stderr("");
    }
}
