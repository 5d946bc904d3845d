//! What `sweep` accepts, what it rejects before anything is trained, and what it concludes.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::tempdir;

/// A tiny run: 2 steps.
const TINY: [&str; 12] = [
    "--limit-train",
    "64",
    "--limit-test",
    "50",
    "--batch-size",
    "32",
    "--epochs",
    "1",
    "--backend",
    "cpu",
    "--jobs",
    "2",
];

fn sweep(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.current_dir(folder).arg("sweep").args(arguments);
    command
}

/// The fields of the last line on stdout.
fn conclusion(command: &mut Command) -> Value {
    let output = command.arg("--json").assert().success().get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[track_caller]
fn rejects(arguments: &[&str], message: &str, hint: &str) {
    let folder = tempdir().unwrap();
    let output = sweep(folder.path(), arguments).assert().code(2).stdout(is_empty()).get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    let is_line = |line: &str| line.starts_with("error: ") || line.starts_with("hint: ");
    assert!(text.lines().all(is_line) && text.contains(message) && text.contains(hint), "{message}: {text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{message}: nothing was written");
}

#[test]
fn wrong_variations_are_rejected_with_the_option_and_the_value() {
    for (arguments, message, hint) in [
        (&[][..], "nothing is varied", "--vary lr=1e-3,1e-2"),
        (
            &["--vary", "lr"],
            "--vary \"lr\" is not of the form NAME=VALUES",
            "NAME is an option of train, and VALUES are",
        ),
        (&["--vary", "lr=0,1"], "--vary lr=0,1: --lr 0: must be above 0", ""),
        (&["--vary", "epoch=1,2"], "\"epoch\" is no option of train", "did you mean epochs?"),
        (&["--vary", "run-dir=a,b"], "\"run-dir\" is no option of train", "train --help"),
        (&["--vary", "activation=relu,rele"], "--activation rele: must be ", ""),
        (&["--vary", "flip=true,perhaps"], "--flip perhaps: must be true or false", ""),
        (&["--vary", "shift=1,1.5"], "--shift 1.5: must be a whole number", ""),
        (&["--vary", "momentum=uniform:0:1:3"], "--momentum 1: must be at least 0 and below 1", ""),
        (&["--vary", "activation=uniform:0:1:3"], "--activation 0: must be ", ""),
        (&["--vary", "lr=1e-3,1e-2", "--vary", "learning_rate=1"], "lr is varied twice", ""),
        (&["--vary", "lr=1,1"], "the value 1 occurs twice", ""),
        (&["--vary", "lr=1,2", "--lr", "3"], "--lr is both given and varied", ""),
        (&["--vary", "lr=log:1e-4:1"], "lr=log:1e-4:1 is a distribution", "--samples 20 draws from it"),
        (&["--vary", "seed=0..9", "--samples", "3"], "only the seed is varied", "omit --samples"),
        (&["--vary", "lr=1,2", "--samples", "3"], "the values have only 2 combinations", "omit --samples"),
        (
            &["--vary", "lr=log:1e-4:1:200", "--vary", "seed=0..99"],
            "20,000 members, more than 10,000: 200 values of lr × 100 seeds",
            "--samples 100",
        ),
        (
            &["--vary", "optimizer=adam,sgd", "--vary", "momentum=0.5,0.9"],
            "the setting optimizer adam, momentum 0.5: --momentum requires --optimizer sgd or gd",
            "",
        ),
        (
            &["--vary", "schedule=constant,step"],
            "schedule step: --schedule step requires --lr-step-epochs",
            "",
        ),
    ] {
        rejects(arguments, message, hint);
    }
}

#[test]
fn options_that_exclude_each_other_are_rejected() {
    let vary = ["--vary", "lr=1e-3,1e-2,1e-1"];
    for (more, message) in [
        (&["--halving", "--shard", "1/2"][..], "--halving compares all settings"),
        (&["--keep", "best", "--shard", "1/2"], "--keep best with --shard"),
        (&["--shard", "3/2"], "--shard 3/2: must be K/N"),
        (&["--samples", "0"], "--samples 0: must be at least 1"),
        (&["--resume", "x"], "--vary cannot be used with --resume"),
        (&["--metric", "f1"], "--metric f1: must be validation-accuracy, "),
        (
            &["--halving", "--epochs", "2", "--limit-train", "64", "--backend", "cpu", "-q"],
            "at least 3 epochs",
        ),
        (
            &["--metric", "validation-loss", "--limit-train", "64", "--backend", "cpu", "-q"],
            "--metric validation-loss needs validation images",
        ),
    ] {
        rejects(&[&vary[..], more].concat(), message, "");
    }
    rejects(
        &["--vary", "lr=1,2", "--halving", "--backend", "cpu", "-q"],
        "at least 3 settings",
        "omit --halving",
    );
    rejects(&["--resume", "none"], "none does not contain a sweep", "runs/sweep-");
    rejects(&["--merge", "none"], "none does not contain a sweep", "");
    rejects(&["--merge", "none", "--lr", "1"], "--lr has no effect with --merge", "");
}

#[test]
fn a_file_has_options_variations_and_the_kind_of_search() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sweep.toml");
    fs::write(
        &file,
        "[options]\nepochs = 1\nlimit_train = 64\nlimit-test = 50\nbatch-size = 32\nbackend = 'cpu'\n\
         [vary]\nseed = '3..4'\nlearning_rate = [1e-3, 1e-2]\nmomentum = 'uniform:0:0.9'\n\
         [sweep]\nsamples = 2\nsweep-seed = 7\nmetric = 'test-loss'",
    )
    .unwrap();
    let more =
        ["--config", "sweep.toml", "--optimizer", "sgd", "--vary", "lr=1e-2", "--run-dir", "out", "-q"];
    let concluded = conclusion(&mut sweep(folder.path(), &more));
    assert_eq!((&concluded["metric"], &concluded["settings"][0]["n"]), (&"test-loss".into(), &2.into()));
    let asked = fs::read_to_string(folder.path().join("out/sweep.toml")).unwrap();
    let asked: toml::Table = asked.parse().unwrap();
    assert_eq!(asked["vary"]["lr"].as_str(), Some("1e-2"), "the command line takes precedence");
    assert_eq!(asked["sweep"]["sweep-seed"].as_integer(), Some(7));
    assert!(!asked["options"].as_table().unwrap().contains_key("lr"));

    // The folder of a sweep is such a file too.
    let again = conclusion(&mut sweep(folder.path(), &["--config", "out", "--run-dir", "again", "-q"]));
    assert_eq!(again["best"]["weights_hash"], concluded["best"]["weights_hash"]);
    let train = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.current_dir(folder.path()).arg("train").args(arguments).assert()
    };
    train(&["--config", "sweep.toml"]).code(2).stderr(contains("sweep.toml is for sweeps"));

    for (text, message) in [
        ("[options]\nlr = 1\n[vary]\nlr = '1,2'", "\"lr\" is both in [options] and in [vary]"),
        ("[vary]\nlr = [[1]]", "[vary] lr: values must be numbers, strings, true or false"),
        ("[vary]\nlr = 'log:0:1'", "[vary] lr=log:0:1: LOW must be above 0"),
        ("[vary]\nlr_ = [1]", "[vary] \"lr_\" is no option of train"),
        ("[vary]\nlr = [1]\nlearning-rate = [2]", "[vary] has an option under two names"),
        ("[sweep]\nsample = 3", "[sweep]: unknown field `sample`"),
        ("[vary]\nlr = [0, 1]", "--lr 0: must be above 0"),
        ("[vary", "invalid TOML in line 1"),
    ] {
        fs::write(&file, text).unwrap();
        let failed = sweep(folder.path(), &["--config", "sweep.toml"]).assert().code(2);
        failed.stderr(contains(message).and(contains("panicked").not()));
    }
}

#[test]
fn the_conclusion_ranks_settings_names_the_test_and_repeats_the_best() {
    let folder = tempdir().unwrap();
    let vary =
        ["--vary", "optimizer=sgd,adam", "--vary", "seed=0,1", "--momentum", "0.9", "--run-dir", "out"];
    let assert = sweep(folder.path(), &[&TINY[..], &vary].concat()).assert().success();
    let output =
        assert.stderr(contains("warning: settings are compared on the test images")).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap().replace('\n', " ");
    for expected in [
        "| optimizer |",
        "test accuracy %",
        " ± ",
        "Welch's t-test, two-sided: p ",
        "best model: out/model.safetensors",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Adam has no momentum, so its members leave it out.
    let options = |member: &str| {
        let config = fs::read_to_string(folder.path().join("out/members").join(member).join("config.toml"));
        config.unwrap().parse::<toml::Table>().unwrap()["options"].as_table().unwrap().clone()
    };
    assert!(options("0000").contains_key("momentum") && !options("0002").contains_key("momentum"));

    let concluded = conclusion(&mut sweep(folder.path(), &["--resume", "out", "-q"]));
    let best = &concluded["best"];
    let command = best["command"].as_str().unwrap().replace("--jobs 2", "");
    assert!(text.contains(command.split_once("--seed").unwrap().0), "{text}");
    let mut repeat = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    repeat
        .current_dir(folder.path())
        .args(command.split_whitespace().skip(1))
        .args(["--json", "--no-report"]);
    let output = repeat.assert().success().get_output().clone();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["weights_hash"], best["weights_hash"]);
}

#[test]
fn more_samples_extend_a_random_search() {
    let folder = tempdir().unwrap();
    let search = |samples, out| {
        [&TINY[..], &["--vary", "lr=log:1e-4:1e-1", "--samples", samples, "--run-dir", out, "-q"]].concat()
    };
    sweep(folder.path(), &search("2", "few")).assert().success();
    let extended = conclusion(&mut sweep(folder.path(), &["--resume", "few", "--samples", "4", "-q"]));
    let many = conclusion(&mut sweep(folder.path(), &search("4", "many")));
    assert_eq!(extended["settings"], many["settings"]);
    for (arguments, message) in [
        (&["--samples", "3"][..], "the sweep has 4 settings, and none can be removed"),
        (&["--lr", "1"], "--lr cannot be changed"),
    ] {
        let arguments = [&["--resume", "few"][..], arguments].concat();
        sweep(folder.path(), &arguments).assert().code(2).stderr(contains(message));
    }
}

#[test]
fn shards_are_combined_to_the_same_table() {
    let folder = tempdir().unwrap();
    let vary = ["--vary", "lr=1e-3,1e-2,1e-1", "--vary", "seed=0,1", "-q"];
    let all = [&TINY[..], &vary].concat();
    for shard in ["1", "2"] {
        let part = format!("{shard}/2");
        sweep(folder.path(), &[&all[..], &["--shard", &part, "--run-dir", shard]].concat())
            .assert()
            .success();
    }
    let missing = sweep(folder.path(), &["--merge", "1"]).assert().code(2);
    missing.stderr(contains("missing shard 2/2").and(contains("--shard 2/2 trains it")));
    let merged = conclusion(&mut sweep(folder.path(), &["--merge", "1", "2", "--run-dir", "merged", "-q"]));
    let whole = conclusion(&mut sweep(folder.path(), &[&all[..], &["--run-dir", "whole"]].concat()));
    assert_eq!(merged["settings"], whole["settings"]);
    assert_eq!(merged["best"]["weights_hash"], whole["best"]["weights_hash"]);
    let model = |sweep: &str| fs::read(folder.path().join(sweep).join("model.safetensors")).unwrap();
    assert!(model("merged") == model("whole"));
    assert!(folder.path().join("merged/report.html").is_file());
}

#[test]
fn the_help_has_the_options_of_train_and_of_sweeps() {
    let folder = tempdir().unwrap();
    let help = sweep(folder.path(), &["--help"]).assert().success().get_output().clone();
    let help = String::from_utf8(help.stdout).unwrap();
    for expected in ["--vary <NAME=VALUES>", "--halving", "--lr <X>", "--validation-split", "[vary]"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    for other in ["--find-lr", "--tensorboard", "--serve", "--checkpoint <"] {
        assert!(!help.contains(other), "{other}");
    }
    assert_eq!(help.matches("--adapter <").count(), 1);
}
