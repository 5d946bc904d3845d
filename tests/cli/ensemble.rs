//! Several models in `evaluate`, `predict` and `export`.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use lenet_gpu::data::{Conversion, embedded_mnist_test};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::predict::Classifier;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Three briefly trained runs in the folder `runs`, on the data in `data`, shared by the tests of this file.
static RUNS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    write_images(&data, "train", 0..1500);
    write_images(&data, "t10k", 1500..2000);
    for seed in 1..4 {
        let mut train = command(&["train", "--epochs", "1", "--seed", &seed.to_string()]);
        train.arg("--data-dir").arg(&data);
        train.arg("--run-dir").arg(folder.path().join(format!("runs/{seed}"))).assert().success();
    }
    folder
});

/// Writes some of MNIST's test images as IDX files.
fn write_images(folder: &Path, subset: &str, range: Range<usize>) {
    let mnist = embedded_mnist_test(Conversion::default()).unwrap();
    let count = u32::try_from(range.len()).unwrap().to_be_bytes();
    let pixels = &mnist.pixels[784 * range.start..784 * range.end];
    let images = [&[0, 0, 8, 3], &count[..], &[0, 0, 0, 28, 0, 0, 0, 28], pixels].concat();
    fs::write(folder.join(format!("{subset}-images-idx3-ubyte")), images).unwrap();
    let labels: Vec<u8> = mnist.labels[range].iter().map(|&label| label as u8).collect();
    let labels = [&[0, 0, 8, 1], &count[..], &labels].concat();
    fs::write(folder.join(format!("{subset}-labels-idx1-ubyte")), labels).unwrap();
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments).args(["--backend", "cpu"]);
    command
}

/// The command in the folder of the runs.
fn in_runs(arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.current_dir(RUNS.path().join("runs"));
    command
}

fn json(mut command: Command) -> Value {
    let assert = command.arg("--json").assert().success();
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

fn photo() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/photos/sans-7.jpg").to_owned()
}

/// Writes a model with random weights.
fn untrained(path: &Path, network: LeNet5, info: ModelInfo) {
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 1);
    fs::write(path, weights::to_bytes(&Model { network, parameters, info })).unwrap();
}

#[test]
fn evaluate_lists_each_model_as_it_is_alone_and_then_the_ensemble() {
    let found = json(in_runs(&["evaluate", "1", "2/model.safetensors", "--model", "3"]));
    let models = found["ensemble"].as_array().unwrap();
    let names: Vec<_> = models.iter().map(|model| model["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["1", "2/model.safetensors", "3"]);
    assert_eq!(found["weights_hash"], Value::Null);
    assert_eq!(found["images"], 500);
    for (name, model) in names.iter().zip(models) {
        let alone = json(in_runs(&["evaluate", name]));
        for field in ["loss", "accuracy", "calibration_error", "weights_hash"] {
            assert_eq!(alone[field], model[field], "{name}: {field}");
        }
        assert!(alone.get("ensemble").is_none());
    }
    let mean = models.iter().map(|model| model["loss"].as_f64().unwrap()).sum::<f64>() / 3.0;
    assert!(found["loss"].as_f64().unwrap() < mean, "the logarithm is concave: {found}");
    assert_eq!(found["mistakes"].as_array().unwrap().is_empty(), found["accuracy"] == 1.0);

    let text = in_runs(&["evaluate", "1", "2", "3"]).assert().success();
    let text = String::from_utf8(text.get_output().stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let starts =
        ["model ", "1 ", "2 ", "3 ", "mean of the models ", "ensemble of 3 models ", "", "test loss "];
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{text}");
    }
    let accuracy = format!("{:.2} %", 100.0 * found["accuracy"].as_f64().unwrap());
    assert!(lines[5].contains(&accuracy) && lines[7].contains(&accuracy), "{text}");
}

#[test]
fn a_pattern_names_all_models_that_match() {
    let all = json(in_runs(&["evaluate", "*"]));
    assert_eq!(all["ensemble"].as_array().unwrap().len(), 3);
    let again = in_runs(&["evaluate", "[12]", "1", "1/model.safetensors"]);
    assert_eq!(json(again)["ensemble"].as_array().unwrap().len(), 2, "the same model twice counts once");
    let folder = contains("the newest run in .? './*' averages all of them");
    in_runs(&["evaluate", "."]).assert().code(2).stderr(folder);
    let nothing = contains("nothing matches x*").and(contains("hint: "));
    in_runs(&["evaluate", "x*"]).assert().code(2).stderr(nothing);
}

#[test]
fn folders_without_a_model_that_match_a_pattern_are_left_out_with_a_warning() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["0", "1", "2"] {
        fs::create_dir(path(name)).unwrap();
    }
    let failed = |pattern: &Path| {
        let mut command = command(&["evaluate"]);
        command.arg("--data-dir").arg(RUNS.path().join("data")).arg(pattern);
        command
    };
    failed(&path("?"))
        .assert()
        .code(2)
        .stderr(contains("no folder that matches").and(contains("has a model")));
    untrained(&path("1/model.safetensors"), LeNet5::new(1, 10), ModelInfo::default());
    let warned = contains("ignored 2 folders without a model that match").and(contains("starting with"));
    failed(&path("?")).assert().success().stderr(warned);
}

#[test]
fn predictions_are_the_mean_and_say_what_each_model_predicts() {
    let photo = photo();
    let models = ["--model", "1", "--model", "2", "--model", "3"];
    let found = json(in_runs(&[&["predict"], &models[..], &["--top", "10", &photo]].concat()));
    let listed = found["models"].as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|model| model["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["1", "2", "3"]);
    let class = found["class"].as_str().unwrap();
    let agreeing = listed.iter().filter(|model| model["class"] == class).count();
    assert_eq!(found["models_agreeing"], agreeing);
    let of = |found: &Value| {
        let top = found["top"].as_array().unwrap().clone();
        let probability = top.iter().find(|ranked| ranked["class"] == class).unwrap();
        probability["probability"].as_f64().unwrap()
    };
    let alone = |model: &str| json(in_runs(&["predict", "--model", model, "--top", "10", &photo]));
    let singles = ["1", "2", "3"].map(alone);
    assert!(singles.iter().all(|single| single.get("models").is_none()));
    let mean = singles.iter().map(of).sum::<f64>() / 3.0;
    // The logarithm is rounded to f32.
    assert!((of(&found) - mean).abs() < 1e-6, "{} {mean}", of(&found));
}

#[test]
fn a_line_says_how_many_models_agree_unless_all_do() {
    let folder = tempdir().unwrap();
    let (one, other) = (folder.path().join("one.safetensors"), folder.path().join("other.safetensors"));
    let network = LeNet5::new(1, 10);
    // Classes 2 and 5 by their biases alone; the second model is surer.
    for (path, class, bias) in [(&one, 2, 1.0), (&other, 5, 3.0)] {
        let mut parameters = vec![0.0; ParameterTable::new(&network).arena_len()];
        let table = ParameterTable::new(&network);
        let tensor = table.tensors().iter().find(|tensor| tensor.name == "fc3.bias").unwrap();
        parameters[tensor.range()][class] = bias;
        let info = ModelInfo::default();
        fs::write(path, weights::to_bytes(&Model { network, parameters, info })).unwrap();
    }
    let predict = |models: &[&PathBuf]| {
        let mut predict = command(&["predict", "--top", "1", "--preprocess", "none", &photo()]);
        for model in models {
            predict.arg("--model").arg(model);
        }
        let output = predict.assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    };
    let disagreeing = predict(&[&one, &other]);
    assert!(
        disagreeing.contains("  5 ") && disagreeing.ends_with("(1 of 2 models agree)\n"),
        "{disagreeing}"
    );
    assert!(!predict(&[&one]).contains("agree"));

    let mut classifier = Classifier::load_ensemble([&one, &other]).unwrap();
    let prediction = classifier.classify_file(photo()).unwrap();
    assert_eq!((prediction.best().class, prediction.agreeing_models()), (5, 1));
    let probability = |bias: f64| bias.exp() / (bias.exp() + 9.0);
    let expected = (probability(3.0) + 1.0 / (1.0f64.exp() + 9.0)) / 2.0;
    assert!((prediction.best().probability - expected).abs() < 1e-7, "{prediction:?}");
}

#[test]
fn models_that_do_not_fit_together_are_an_error_that_names_both() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let names = |names: &str| ModelInfo {
        class_names: Some(names.split(' ').map(str::to_owned).collect()),
        ..ModelInfo::default()
    };
    untrained(&path("grey.safetensors"), LeNet5::new(1, 2), names("cat dog"));
    untrained(&path("colour.safetensors"), LeNet5::new(3, 2), names("cat dog"));
    untrained(&path("classes.safetensors"), LeNet5::new(1, 3), names("cat dog cow"));
    untrained(&path("names.safetensors"), LeNet5::new(1, 2), names("dog cat"));
    for (other, difference) in [
        ("colour.safetensors", "1 channel"),
        ("classes.safetensors", "2 classes"),
        ("names.safetensors", "class 0 is \"cat\""),
    ] {
        let says = || contains(difference).and(contains("grey.safetensors")).and(contains(other));
        for start in [&["evaluate"][..], &["predict", "x.png"], &["export", "-o", "x.onnx"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
            command.args(start).current_dir(&folder);
            command.args(["--model", "grey.safetensors", "--model", other]);
            command.assert().code(2).stderr(says());
        }
    }
}

#[test]
fn models_after_images_are_recognised_as_models() {
    let says = contains("2 is a model, not an image").and(contains("--model before each"));
    in_runs(&["predict", "--model", "1", "2", &photo()]).assert().code(2).stderr(says);
}

#[test]
fn only_onnx_files_hold_an_ensemble() {
    let folder = tempdir().unwrap();
    let export = |file: &str| {
        let mut export = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        export
            .current_dir(RUNS.path().join("runs"))
            .args(["export", "1", "2", "-o"])
            .arg(folder.path().join(file));
        export.assert()
    };
    let says = || contains("an ensemble of 2 models").and(contains("--format onnx"));
    for file in ["lenet.h", "lenet.safetensors"] {
        export(file).code(2).stderr(says());
        assert!(!folder.path().join(file).exists());
    }
    export("lenet.onnx").success().stdout(contains("output `log_probabilities`, the mean of 2 models"));
}

#[test]
fn a_model_whose_weights_are_not_finite_is_named() {
    let folder = tempdir().unwrap();
    let broken = folder.path().join("broken.safetensors");
    let network = LeNet5::new(1, 10);
    let parameters = vec![f32::MAX; ParameterTable::new(&network).arena_len()];
    fs::write(&broken, weights::to_bytes(&Model { network, parameters, info: ModelInfo::default() }))
        .unwrap();
    let mut evaluate = in_runs(&["evaluate", "1"]);
    evaluate.arg(&broken).assert().code(1).stderr(contains("broken.safetensors: the loss of image 0"));
    let mut predict = in_runs(&["predict", "--model", "1", &photo()]);
    predict
        .arg("--model")
        .arg(&broken)
        .assert()
        .code(1)
        .stderr(contains("of").and(contains("broken.safetensors")));
}

#[test]
fn test_images_that_another_model_may_have_been_trained_on_are_refused() {
    let folder = tempdir().unwrap();
    for class in ["even", "odd"] {
        fs::create_dir_all(folder.path().join("data").join(class)).unwrap();
        for index in 0..12u8 {
            let name = format!("data/{class}/{index}.png");
            let shade = 20 * index + u8::from(class == "odd");
            image::GrayImage::from_pixel(28, 28, image::Luma([shade]))
                .save(folder.path().join(name))
                .unwrap();
        }
    }
    let in_folder = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(&folder);
        command
    };
    for (run, seed) in [("a", "1"), ("same", "1"), ("b", "2")] {
        let mut train =
            in_folder(&["train", "--data-dir", "data", "--validation-split", "0.25", "--epochs", "1"]);
        train.args(["--seed", seed, "--run-dir", run]).assert().success();
    }
    assert_eq!(json(in_folder(&["evaluate", "a", "same"]))["data"]["of_training"], true);
    let refused = contains("tested with different images in training: b").and(contains("hint: "));
    in_folder(&["evaluate", "a", "same", "b"]).assert().code(2).stderr(refused);
    let warned = contains("b was not tested with these images in training");
    in_folder(&["evaluate", "a", "b", "--data-dir", "data"]).assert().success().stderr(warned);
}
