//! Imbalanced classes, class weights, and warnings about runs that learn nothing.
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A folder with a data set of two classes in `data`: 40 images of cats and two of dogs to train on, 60 and 30 to test with. All images of a
/// class are the same.
fn pets() -> TempDir {
    let folder = tempdir().unwrap();
    for (split, class, count) in
        [("train", "cat", 40), ("train", "dog", 2), ("test", "cat", 60), ("test", "dog", 30)]
    {
        let class_folder = folder.path().join("data").join(split).join(class);
        fs::create_dir_all(&class_folder).unwrap();
        let shade = if class == "cat" { 40 } else { 200 };
        let pixels: Vec<u8> = (0..784).map(|index| if index % 28 < 14 { shade } else { 0 }).collect();
        for image in 0..count {
            let path = class_folder.join(format!("{image}.png"));
            image::save_buffer(path, &pixels, 28, 28, image::ColorType::L8).unwrap();
        }
    }
    folder
}

fn lenet_gpu(command: &str) -> Command {
    let mut lenet_gpu = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    lenet_gpu.args([command, "--backend", "cpu"]);
    lenet_gpu
}

/// Trains on the data of a folder, in batches of 16.
fn train(folder: &Path, run: &Path) -> Command {
    let mut command = lenet_gpu("train");
    command.args(["--batch-size", "16", "--data-dir"]).arg(folder.join("data")).arg("--run-dir").arg(run);
    command
}

fn stderr(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stderr.clone()).unwrap()
}

/// The hash of the weights after each epoch.
fn hashes(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| record["weights_hash"].as_str().unwrap().to_owned()).collect()
}

/// A file in a folder.
fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn imbalanced_images_are_reported_before_training_and_weights_are_advised() {
    let pets = pets();
    let run = pets.path().join("runs/a");
    let found = stderr(train(pets.path(), &run).args(["--epochs", "1"]));
    let warnings: Vec<_> = found.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [warning] = warnings[..] else { panic!("{found}") };
    assert!(warning.contains("class \"cat\" has 95.24 % of the training images"), "{warning}");
    assert!(
        warning.contains("--class-weights balanced") && warning.contains("balanced accuracy"),
        "{warning}"
    );

    // Neither with weights, nor when the run is resumed.
    let other = pets.path().join("runs/b");
    let weighted = stderr(train(pets.path(), &other).args(["--class-weights", "balanced", "--epochs", "1"]));
    let resumed = stderr(lenet_gpu("train").arg("--resume").arg(&run).args(["--epochs", "2"]));
    assert!(!weighted.contains("warning: ") && !resumed.contains("warning: "), "{weighted}\n{resumed}");
}

#[test]
fn balanced_weights_learn_a_rare_class() {
    let pets = pets();
    for (weights, learned) in [(&[][..], false), (&["--class-weights", "balanced"], true)] {
        let run = pets.path().join(format!("runs/{learned}"));
        train(pets.path(), &run).args(["--epochs", "6", "--lr", "2e-3"]).args(weights).assert().success();
        let mut evaluate = lenet_gpu("evaluate");
        evaluate
            .arg("--data-dir")
            .arg(pets.path().join("data"))
            .arg("--model")
            .arg(run.join("model.safetensors"));
        let text = String::from_utf8(evaluate.assert().success().get_output().stdout.clone()).unwrap();
        let chance = "always predicting class \"cat\", the largest class, has an accuracy of 66.67 %";
        let balanced =
            if learned { "balanced accuracy 100.00 % (mean" } else { "balanced accuracy 50.00 % (mean" };
        assert!(text.contains(balanced) && text.contains(chance) != learned, "{text}");
        let json = evaluate.arg("--json").assert().success().get_output().stdout.clone();
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["balanced_accuracy"].as_f64(), Some(if learned { 1.0 } else { 0.5 }));
        assert_eq!(json["largest_class_share"].as_f64(), Some(60.0 / 90.0));
    }
}

#[test]
fn a_resumed_run_keeps_its_class_weights_and_has_the_same_bits() {
    let pets = pets();
    let file = write(pets.path(), "weights.toml", "dog = 5\ncat = 0.5\n");
    for weights in ["balanced", file.to_str().unwrap()] {
        let run = |name: &str| pets.path().join("runs").join(name).with_extension(weights.len().to_string());
        let (whole, parts) = (run("whole"), run("parts"));
        for (path, epochs) in [(&whole, "2"), (&parts, "1")] {
            let mut command = train(pets.path(), path);
            command.args(["--class-weights", weights, "--epochs", epochs]).assert().success();
        }
        // The weights are in the checkpoint.
        let _ = fs::remove_file(&file);
        let resume = || {
            let mut command = lenet_gpu("train");
            command.arg("--resume").arg(&parts).args(["--epochs", "2"]);
            command
        };
        let mut other = resume();
        other
            .args(["--class-weights", "other.toml"])
            .assert()
            .code(2)
            .stderr(contains("--class-weights differs"));
        resume().assert().success();
        assert_eq!(hashes(&whole), hashes(&parts));
        let config = fs::read_to_string(parts.join("config.toml")).unwrap();
        assert!(config.contains("class-weights = ["), "{config}");
        write(pets.path(), "weights.toml", "dog = 5\ncat = 0.5\n");
    }
    let plain = pets.path().join("runs/plain");
    train(pets.path(), &plain).args(["--epochs", "1"]).assert().success();
    assert_ne!(hashes(&plain)[0], hashes(&pets.path().join("runs/whole.8"))[0]);
}

#[test]
fn wrong_class_weights_are_one_error() {
    let pets = pets();
    for (text, problem) in [
        ("cat = 1", "class \"dog\" has no weight"),
        ("cat = 1\ndog = -2", "class \"dog\": -2 must be at least 0 and finite"),
        ("cat = 1\ndog = 2\nfox = 3", "there is no class \"fox\""),
        ("cat: 1", "invalid TOML"),
    ] {
        let file = write(pets.path(), "weights.toml", text);
        let run = pets.path().join("runs/never");
        let assert = train(pets.path(), &run).arg("--class-weights").arg(&file).assert().code(2);
        let error = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(error.starts_with("error: --class-weights ") && error.contains(problem), "{error}");
        assert!(error.lines().count() == 1 && !run.exists(), "{error}");
    }
    let run = pets.path().join("runs/never");
    let missing = train(pets.path(), &run).args(["--class-weights", "balance"]).assert().code(2);
    missing.stderr(
        contains("error: --class-weights balance: ").and(contains("hint: `--class-weights balanced`")),
    );
}

/// A run on a part of the built-in MNIST.
fn mnist(images: &str, options: &[&str]) -> Command {
    let mut command = lenet_gpu("train");
    command.args(["--limit-train", images, "--limit-test", "1000", "--epochs", "1"]).args(options);
    command
}

#[test]
fn a_diverging_run_is_reported_when_it_happens_and_at_the_end() {
    let folder = tempdir().unwrap();
    let options = ["--optimizer", "sgd", "--lr", "100", "--clip-norm", "1", "--run-dir", "run"];
    let found = stderr(mnist("640", &options).current_dir(&folder));
    let warnings: Vec<_> = found.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [first, last] = warnings[..] else { panic!("{found}") };
    assert!(
        first.contains("training diverges: the loss is ") && first.contains("try a lower --lr"),
        "{first}"
    );
    assert!(last.contains("training has diverged: the loss of the last epoch is "), "{last}");
    let place = |start: &str| found.lines().position(|line| line.starts_with(start)).unwrap();
    assert!(place("warning: training diverges") < place("epoch 1/1"), "{found}");
}

#[test]
fn an_accuracy_at_chance_is_reported_unless_the_run_is_too_short_to_tell() {
    for (images, reported) in [("2000", true), ("500", false)] {
        let folder = tempdir().unwrap();
        let options = ["--optimizer", "sgd", "--lr", "1e-9", "--run-dir", "run"];
        let found = stderr(mnist(images, &options).current_dir(&folder));
        let warning = found.lines().find(|line| line.starts_with("warning: "));
        assert_eq!(warning.is_some(), reported, "{found}");
        assert!(
            warning.is_none_or(|warning| {
                warning
                    .contains(" % is no better than that of always predicting class 1, the class of 12.60 %")
                    && warning.contains("try a lower --lr, more --epochs")
            }),
            "{found}"
        );
    }
}

#[test]
fn a_run_that_learns_has_no_warnings() {
    let folder = tempdir().unwrap();
    let found = stderr(mnist("2000", &["--run-dir", "run"]).current_dir(&folder));
    assert!(!found.contains("warning: "), "{found}");
}
