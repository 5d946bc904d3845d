//! The members of a sweep are runs like any other: bit-equal to runs alone, and to those of a sweep that was killed.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A small run: 8 steps in each epoch.
const SMALL: [&str; 8] =
    ["--limit-train", "256", "--limit-test", "100", "--batch-size", "32", "--backend", "cpu"];

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// The command of a small sweep in `folder`.
fn sweep(folder: &Path, more: &[&str]) -> Command {
    let mut command = lenet_gpu();
    command.arg("sweep").args(SMALL).args(more).arg("--run-dir").arg(folder);
    command
}

fn resume(folder: &Path) -> Command {
    let mut command = lenet_gpu();
    command.args(["sweep", "--resume"]).arg(folder);
    command
}

/// A folder for a sweep, and what removes it.
fn scratch() -> (TempDir, PathBuf) {
    let scratch = tempdir().unwrap();
    let folder = scratch.path().join("sweep");
    (scratch, folder)
}

fn member(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("members/{index:04}"))
}

/// A value without measured times.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["seconds", "images_per_second"].contains(&name.as_str()));
            fields.values_mut().for_each(|field| *field = timeless(field.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = timeless(value.take())),
        _ => {}
    }
    value
}

/// The lines of a JSON file, without measured times.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| timeless(serde_json::from_str(line).unwrap())).collect()
}

/// The results of a sweep in the order of the members, without measured times.
fn table(folder: &Path) -> Vec<Value> {
    let mut results = lines(&folder.join("sweep.jsonl"));
    results.sort_by_key(|result| result["member"].as_u64());
    results
}

/// Asserts that a member has the metrics and the weights of a run alone with these options.
#[track_caller]
fn assert_is_run_alone(folder: &Path, index: usize, options: &[&str]) {
    let alone = folder.with_file_name(format!("alone-{index}"));
    lenet_gpu()
        .args(["train", "-q", "--no-report"])
        .args(options)
        .arg("--run-dir")
        .arg(&alone)
        .assert()
        .success();
    let run = member(folder, index);
    for file in ["model.safetensors", "best.safetensors"] {
        assert!(
            fs::read(run.join(file)).unwrap() == fs::read(alone.join(file)).unwrap(),
            "{file} of {index}"
        );
    }
    assert_eq!(lines(&run.join("metrics.jsonl")), lines(&alone.join("metrics.jsonl")));
    let config = |run: &Path| fs::read_to_string(run.join("config.toml")).unwrap();
    assert_eq!(config(&run), config(&alone));
}

#[test]
fn members_equal_runs_alone() {
    let (_scratch, folder) = scratch();
    let common = ["--validation-split", "0.25", "--shift", "2", "--epochs", "2"];
    let more = [&common[..], &["--vary", "lr=1e-3,1e-2", "--vary", "seed=3..4"]].concat();
    sweep(&folder, &more)
        .assert()
        .success()
        .stdout(contains("best model"))
        .stderr(contains("sweep of 4 members: 2 settings with 2 seeds each").and(contains("4 of 4: ")));
    for (index, lr, seed) in [(0, "1e-3", "3"), (3, "1e-2", "4")] {
        let own = ["--lr", lr, "--seed", seed, "--split-seed", "3"];
        assert_is_run_alone(&folder, index, &[&SMALL, &common[..], &own].concat());
    }
    let results = table(&folder);
    assert_eq!(results.len(), 4);
    assert_eq!(results[3]["epochs"], Value::Array(lines(&member(&folder, 3).join("metrics.jsonl"))));
    assert!(!member(&folder, 0).join("report.html").exists());
    assert!(folder.join("report.html").exists() && folder.join("sweep.csv").exists());
}

#[test]
fn members_of_a_population_equal_runs_alone() {
    const FEW: [&str; 8] =
        ["--limit-train", "48", "--limit-test", "20", "--batch-size", "16", "--backend", "vulkan"];
    let (_scratch, folder) = scratch();
    let mut command = lenet_gpu();
    command.arg("sweep").args(FEW).args(["--epochs", "2", "--shift", "2", "--vary", "lr=1e-3,1e-2,2e-2"]);
    let expected = contains("training 2 members at the same time");
    command.args(["--population", "2", "--run-dir"]).arg(&folder).assert().success().stderr(expected);
    // The third is trained in the place of another one.
    assert_is_run_alone(&folder, 2, &[&FEW[..], &["--epochs", "2", "--shift", "2", "--lr", "2e-2"]].concat());
}

#[test]
fn the_number_of_jobs_does_not_affect_results() {
    let (scratch, folder) = scratch();
    let more = ["--vary", "lr=1e-3,3e-3,1e-2", "--epochs", "1"];
    sweep(&folder, &more)
        .args(["--jobs", "1", "-q"])
        .assert()
        .success()
        .stderr(is_empty().or(contains("test images")));
    let other = scratch.path().join("other");
    sweep(&other, &more).args(["--jobs", "3", "--json"]).env("RAYON_NUM_THREADS", "3").assert().success();
    assert_eq!(table(&folder), table(&other));
}

fn spawn(command: &mut Command) -> Child {
    std::process::Command::new(command.get_program())
        .args(command.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a condition is met while a sweep runs. Returns false if it ended before.
fn wait_for(child: &mut Child, is_met: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !is_met() {
        assert!(started.elapsed() < Duration::from_secs(60), "the sweep does not get on");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Number of lines of all files that show how far a sweep has got.
fn progress(folder: &Path, members: usize) -> usize {
    let metrics = (0..members).map(|index| member(folder, index).join("metrics.jsonl"));
    let files = metrics.chain([folder.join("sweep.jsonl")]);
    files.map(|file| fs::read_to_string(file).map_or(0, |text| text.lines().count())).sum()
}

/// Runs a sweep, kills it whenever it has got a bit further, and resumes it. Compares it with one that was not killed.
fn assert_kills_change_nothing(more: &[&str], members: usize, at: &[usize]) {
    let (scratch, folder) = scratch();
    let whole = scratch.path().join("whole");
    sweep(&whole, more).assert().success();
    let mut command = sweep(&folder, more);
    for &lines in at {
        let mut child = spawn(&mut command);
        assert!(wait_for(&mut child, || progress(&folder, members) >= lines), "ended before {lines} lines");
        child.kill().unwrap();
        child.wait().unwrap();
        command = resume(&folder);
    }
    command.assert().success();
    assert_eq!(table(&folder), table(&whole));
    for file in ["model.safetensors", "sweep.toml"] {
        assert!(fs::read(folder.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_killed_sweep_is_resumed_to_the_same_table() {
    let more =
        ["--vary", "momentum=0,0.5,0.9", "--optimizer", "sgd", "--checkpoint-every", "3", "--epochs", "6"];
    assert_kills_change_nothing(&more, 3, &[1, 5, 13]);
}

#[test]
fn a_killed_sweep_with_halving_takes_the_same_decisions() {
    let more = ["--vary", "lr=1e-5,1e-4,1e-3,1e-2", "--epochs", "4", "--schedule", "cosine", "--halving"];
    assert_kills_change_nothing(&more, 4, &[3, 6]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_how_to_resume() {
    let (scratch, folder) = scratch();
    let more = ["--vary", "seed=0..3", "--epochs", "12"];
    let mut child = spawn(&mut sweep(&folder, &more));
    assert!(wait_for(&mut child, || progress(&folder, 4) >= 3));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let command = format!("to continue: lenet-gpu sweep --resume {}", folder.display());
    assert!(stderr.contains("of 4 members") && stderr.contains(&command), "{stderr}");
    assert!(member(&folder, 0).join("checkpoint.safetensors").exists());

    resume(&folder).assert().success();
    let whole = scratch.path().join("whole");
    sweep(&whole, &more).assert().success();
    assert_eq!(table(&folder), table(&whole));
}

#[test]
fn a_failing_member_does_not_stop_the_others() {
    let (_scratch, folder) = scratch();
    let more = ["--optimizer", "sgd", "--vary", "lr=1e30,0.1", "--epochs", "1"];
    sweep(&folder, &more).assert().success().stderr(
        contains("of 2: member 0 (lr 1e30) failed: ").and(contains("member 1 (lr 0.1) failed").not()),
    );
    let results = table(&folder);
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&"failed".into(), &"finished".into()));
    assert!(results[0]["error"].as_str().unwrap().contains("not finite"), "{}", results[0]);
    assert!(fs::read_to_string(member(&folder, 0).join("failure.txt")).unwrap().contains("not finite"));
}

#[test]
fn a_sweep_of_which_all_members_fail_has_failed() {
    let (_scratch, folder) = scratch();
    let more = ["--optimizer", "sgd", "--vary", "lr=1e30,1e31", "--epochs", "1"];
    sweep(&folder, &more).assert().code(1).stderr(contains("no member has finished"));
    assert_eq!(table(&folder).len(), 2);
}

#[test]
fn only_the_best_folder_is_kept_on_request() {
    let (scratch, folder) = scratch();
    let more = ["--vary", "lr=1e-5,1e-3,1e-2", "--epochs", "2"];
    sweep(&folder, &more).args(["--keep", "best"]).assert().success();
    let whole = scratch.path().join("whole");
    sweep(&whole, &more).assert().success();
    assert_eq!(table(&folder), table(&whole));
    let model = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(model(&folder) == model(&whole));
    let kept: Vec<_> =
        fs::read_dir(folder.join("members")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(model(&kept[0]) == model(&folder));
}

#[test]
fn halving_ends_all_but_the_best_third_early() {
    let (_scratch, folder) = scratch();
    let more = ["--vary", "lr=1e-6,1e-5,1e-2", "--epochs", "3", "--schedule", "linear"];
    sweep(&folder, &more).arg("--halving").assert().success().stderr(contains("eliminated after 1 epoch"));
    let results = table(&folder);
    let of = |name: &str| results.iter().map(|result| result[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["eliminated", "eliminated", "finished"]);
    let epochs: Vec<_> = of("epochs").iter().map(|epochs| epochs.as_array().unwrap().len()).collect();
    assert_eq!(epochs, [1, 1, 3]);
    // The best was paused after its first epoch, and has the schedule of the whole run.
    let options = ["--lr", "1e-2", "--epochs", "3", "--schedule", "linear"];
    assert_is_run_alone(&folder, 2, &[&SMALL, &options[..]].concat());
}

#[test]
fn seeds_of_train_give_mean_deviation_and_range() {
    let (_scratch, folder) = scratch();
    let mut command = lenet_gpu();
    command.arg("train").args(SMALL).args(["--epochs", "1", "--seed", "7", "--seeds", "3", "--run-dir"]);
    command
        .arg(&folder)
        .assert()
        .success()
        .stdout(contains("test accuracy of 3 runs: mean ").and(contains("standard deviation")));
    assert_is_run_alone(&folder, 2, &[&SMALL[..], &["--epochs", "1", "--seed", "9"]].concat());
    let seeds: BTreeSet<_> = table(&folder).iter().map(|result| result["seed"].as_u64()).collect();
    assert_eq!(seeds, BTreeSet::from([Some(7), Some(8), Some(9)]));
}

#[test]
fn seeds_of_train_reject_options_for_a_single_run() {
    for (more, expected) in [
        (&["--resume", "x"][..], "cannot be used with"),
        (&["--find-lr"], "cannot be used with"),
        (&["--serve"], "cannot be used with"),
        (&["--tensorboard"], "cannot be used with"),
        (&["--no-report"], "cannot be used with"),
        (&["--seed", "9223372036854775807"], "above 2^63 - 1"),
    ] {
        let mut command = lenet_gpu();
        command.args(["train", "--seeds", "3"]).args(more);
        command.assert().code(2).stdout(is_empty()).stderr(contains(expected));
    }
    for (seeds, expected) in [("0", "at least 1"), ("10001", "at most 10000")] {
        lenet_gpu().args(["train", "--seeds", seeds]).assert().code(2).stderr(contains(expected));
    }
}

#[test]
fn the_split_seed_alone_decides_which_images_are_held_out() {
    let scratch = tempdir().unwrap();
    let run = |name: &str, options: &[&str]| {
        let folder = scratch.path().join(name);
        let mut command = lenet_gpu();
        command.args(["train", "-q", "--no-report", "--validation-split", "0.5", "--epochs", "1"]);
        command.args(SMALL).args(options).arg("--run-dir").arg(&folder).assert().success();
        let config = fs::read_to_string(folder.join("config.toml")).unwrap();
        (lines(&folder.join("metrics.jsonl"))[0]["weights_hash"].clone(), config)
    };
    let (default, _) = run("default", &["--seed", "5"]);
    assert_eq!(run("same", &["--seed", "5", "--split-seed", "5"]).0, default);
    let (other, config) = run("other", &["--seed", "5", "--split-seed", "6"]);
    assert_ne!(other, default);
    assert!(config.contains("split-seed = 6"), "{config}");
    let resumed = scratch.path().join("other");
    lenet_gpu().args(["train", "-q", "--resume"]).arg(&resumed).args(["--epochs", "2"]).assert().success();
    lenet_gpu().args(["train", "--split-seed", "3"]).assert().code(2).stderr(contains("--validation-split"));
}
