//! TensorBoard's event files. Their content is checked by the unit tests of the writer, and against TensorBoard itself by
//! tests/peers/event_files.py.
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

fn train(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["train", "--backend", "cpu", "-q"]).args(arguments).current_dir(folder);
    command
}

const SHORT: [&str; 6] = ["--limit-train", "64", "--limit-test", "10", "--epochs", "1"];

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.to_str().unwrap().contains("events.out.tfevents.")).collect();
    files.sort();
    files
}

#[test]
fn event_files_are_written_into_the_folder_of_the_run_only_on_request() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    train(folder.path(), &["--run-dir", "with", "--tensorboard"]).args(SHORT).assert().success();
    train(folder.path(), &["--run-dir", "without"]).args(SHORT).assert().success();
    assert_eq!((event_files(&at("with")).len(), event_files(&at("without")).len()), (1, 0));
    let model = |name: &str| fs::read(at(name).join("model.safetensors")).unwrap();
    assert_eq!(model("with"), model("without"), "event files do not change what is trained");

    let more = ["--resume", "with", "--epochs", "2"];
    train(folder.path(), &more).assert().success();
    assert_eq!(event_files(&at("with")).len(), 2, "a resumed run continues its event files");

    let file = event_files(&at("with"))[0].to_str().unwrap().to_owned();
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    evaluate.args(["export", "with", "--format", "onnx", "-o", &file]).current_dir(folder.path());
    evaluate.assert().code(2).stderr(contains("this is a file of a run"));
}

#[test]
fn event_files_in_another_folder_are_in_one_named_for_the_run() {
    let folder = tempdir().unwrap();
    train(folder.path(), &["--run-dir", "runs/one", "--tensorboard", "logs/tb"])
        .args(SHORT)
        .assert()
        .success();
    assert_eq!(event_files(&folder.path().join("logs/tb/one")).len(), 1);
    assert!(event_files(&folder.path().join("runs/one")).is_empty());
    train(folder.path(), &["--run-dir", "other/one", "--tensorboard", "logs/tb"])
        .args(SHORT)
        .assert()
        .code(2)
        .stderr(contains("logs/tb/one has event files of another run").and(contains("hint: choose another")));
    assert!(!folder.path().join("other").exists(), "nothing is left of the run");
}

#[test]
fn a_folder_for_event_files_that_cannot_be_made_is_reported_before_the_run() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    train(folder.path(), &["--run-dir", "run", "--tensorboard", "file"])
        .args(SHORT)
        .assert()
        .code(2)
        .stderr(contains("--tensorboard file: cannot create the folder").and(contains("hint: ")));
    assert!(!folder.path().join("run").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn event_files_that_cannot_be_written_do_not_end_a_run() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("tb")).unwrap();
    // A file in place of the folder for the run.
    fs::write(folder.path().join("tb/run"), "").unwrap();
    train(folder.path(), &["--run-dir", "run", "--tensorboard", "tb"]).args(SHORT).assert().success().stderr(
        contains("warning: cannot write tb/run").and(contains("the run has no files for TensorBoard")),
    );
    assert!(folder.path().join("run/model.safetensors").exists());
}
