//! `summary`: the layers of networks, and where models come from.
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use assert_cmd::Command;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::prelude::*;
use predicates::str::contains;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

fn summary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.arg("summary").args(arguments);
    command
}

fn stdout(arguments: &[&str]) -> String {
    String::from_utf8(summary(arguments).assert().success().get_output().stdout.clone()).unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&[arguments, &["--json"]].concat())).unwrap()
}

/// A run of two epochs.
static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run = folder.path().join("quick-run");
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(["train", "-q", "--config", "tests/cli/quick.toml", "--epochs", "2", "--run-dir"])
        .arg(&run)
        .assert()
        .success();
    (folder, run)
});

fn model(classes: usize, info: ModelInfo) -> Model {
    let network = LeNet5::new(1, classes);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    Model { network, parameters, info }
}

#[test]
fn a_new_network_has_its_layers_parameters_and_multiply_adds_in_80_columns() {
    let text = stdout(&[]);
    for row in [
        "conv1        conv 5×5, ReLU   6×28×28",
        "fc1          dense, ReLU          120  48,120     48,000  188 KiB    480 bytes",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let total = text.lines().find(|line| line.starts_with("total")).unwrap();
    assert!(total.contains("61,706") && total.contains("416,520"), "{total}");
    for options in [&[][..], &["--batch-norm", "--activation", "hard-tanh", "--classes", "1000"]] {
        let text = stdout(options);
        let table = text.lines().take_while(|line| !line.starts_with("params"));
        for line in table {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn options_choose_the_new_network() {
    let summary = json_of(&["--dataset", "cifar100", "--batch-norm", "--activation", "tanh"]);
    let network = json!({"channels": 3, "classes": 100, "batch_norm": true, "activation": "tanh"});
    assert_eq!(summary["network"], network);
    assert_eq!(summary["model"], Value::Null);
    assert_eq!(summary["layers"].as_array().unwrap().len(), 13);
    assert_eq!(summary["layers"][2]["layer"], "bn1");
    assert_eq!(summary["totals"]["running_statistics"], 2 * 226);
    assert_eq!(json_of(&["--classes", "2", "--channels", "3"])["network"]["classes"], 2);
}

#[test]
fn a_model_of_a_run_is_shown_with_its_epoch_accuracy_and_origin() {
    let run = RUN.1.to_str().unwrap();
    let metrics = fs::read_to_string(RUN.1.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    let model = &json_of(&[run])["model"];
    assert_eq!((&model["epoch"], &model["test_accuracy"]), (&json!(2), &last["test_accuracy"]));
    assert_eq!(model["weights_hash"], last["weights_hash"]);
    assert_eq!(model["program"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(model["source"]["location"], "built-in");
    assert_eq!(model["class_names"].as_array().unwrap().len(), 10);
    assert_eq!((&model["run"]["epochs"], &model["run"]["train_images"]), (&json!(2), &json!(256)));

    let text = stdout(&[run]);
    let accuracy = format!("2: test accuracy {:.2} %", 100.0 * last["test_accuracy"].as_f64().unwrap());
    for expected in ["quick-run, finished, 2 epochs", &accuracy, "mnist, built in", "lenet-gpu train"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // A checkpoint outside of its run's folder still knows its run.
    let folder = tempdir().unwrap();
    let checkpoint = folder.path().join("copied.safetensors");
    fs::copy(RUN.1.join("checkpoint.safetensors"), &checkpoint).unwrap();
    assert_eq!(json_of(&[checkpoint.to_str().unwrap()])["model"]["epoch"], 2);
}

#[test]
fn a_model_of_another_program_is_said_to_be_one() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = model(7, ModelInfo::default());
    let table = ParameterTable::new(&model.network);
    let bytes: Vec<u8> = model.parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
    let views = table.tensors().iter().map(|tensor| {
        let bytes = &bytes[4 * tensor.offset..4 * tensor.range().end];
        (tensor.name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let text = stdout(&[path.to_str().unwrap()]);
    assert!(text.contains("another program") && text.contains("7, names unknown"), "{text}");
    let summary = json_of(&[path.to_str().unwrap()]);
    assert_eq!(summary["model"]["format_version"], Value::Null);
    assert_eq!(summary["model"]["program"], Value::Null);
}

#[test]
fn names_of_classes_cannot_act_on_a_terminal() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let class_names = Some(vec!["\u{1b}[2Jcat".to_owned(), "dog\nerror: forged".to_owned()]);
    let model = model(2, ModelInfo { class_names, ..ModelInfo::default() });
    fs::write(&path, weights::to_bytes(&model)).unwrap();
    let path = path.to_str().unwrap();
    for text in [stdout(&[path]), stdout(&[path, "--json"])] {
        assert!(!text.contains('\u{1b}') && !text.contains("\nerror: forged"), "{text}");
        assert!(text.contains("cat") && text.contains("dog"), "{text}");
    }
}

#[test]
fn wrong_usage_is_an_error_that_says_what_to_do() {
    let model = RUN.1.to_str().unwrap();
    summary(&[model, "--batch-norm"]).assert().code(2).stdout("").stderr(contains("--batch-norm"));
    summary(&["--dataset", "folder"])
        .assert()
        .code(2)
        .stderr(contains("--dataset folder has no fixed number of classes").and(contains("--classes")));
    summary(&["--classes", "1"]).assert().code(2).stderr(contains("must be at least 2"));
    summary(&["nowhere.safetensors"]).assert().code(2).stderr(contains("nowhere.safetensors"));
}
