//! What a model file records of its data: which known set it is, whatever the folder is called, and where `evaluate` finds
//! the test images.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use image::{GrayImage, Luma};
use lenet_gpu::data::{
    Conversion, DataLocation, DataSource, DatasetKind, ImageSet, RecordedImages, embedded_mnist_test,
};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

static MNIST: LazyLock<ImageSet> = LazyLock::new(|| embedded_mnist_test(Conversion::default()).unwrap());

/// The training images of the sets in this file.
const TRAIN: usize = 128;

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

/// Writes MNIST's first `count` test images as a subset, with one pixel changed by `change`.
fn write_subset(folder: &Path, subset: &str, count: usize, change: u8) {
    let dimensions = |sizes: &[usize]| -> Vec<u8> {
        sizes.iter().flat_map(|&size| u32::try_from(size).unwrap().to_be_bytes()).collect()
    };
    let mut images =
        [&[0, 0, 8, 3], &*dimensions(&[count, 28, 28]), &MNIST.pixels[..count * 28 * 28]].concat();
    images[16] ^= change;
    let labels: Vec<u8> = MNIST.labels[..count].iter().map(|&label| label as u8).collect();
    fs::write(folder.join(format!("{subset}-images-idx3-ubyte")), images).unwrap();
    let labels = [&[0, 0, 8, 1], &*dimensions(&[count]), &labels].concat();
    fs::write(folder.join(format!("{subset}-labels-idx1-ubyte")), labels).unwrap();
}

/// A folder with few training images and MNIST's first `test` test images, with one pixel changed by `change`.
fn idx(parent: &Path, name: &str, test: usize, change: u8) -> PathBuf {
    let folder = parent.join(name);
    fs::create_dir_all(&folder).unwrap();
    write_subset(&folder, "train", TRAIN, 0);
    write_subset(&folder, "t10k", test, change);
    folder
}

/// Trains for a few steps; returns the model file.
fn train(data: &Path, run: &Path, arguments: &[&str]) -> PathBuf {
    let mut command = lenet_gpu(&["train", "--backend", "cpu", "--epochs", "1", "--data-dir"]);
    command.arg(data).arg("--run-dir").arg(run).args(arguments).assert().success();
    run.join("model.safetensors")
}

fn source(model: &Path) -> DataSource {
    weights::load(model).unwrap().info.source.unwrap()
}

fn evaluate(model: &Path) -> Command {
    let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "--json", "--model"]);
    command.arg(model);
    command
}

fn evaluated(command: &mut Command) -> (Value, String) {
    let output = command.assert().success().get_output().clone();
    (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn last_metrics(model: &Path) -> Value {
    let text = fs::read_to_string(model.with_file_name("metrics.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// The messages of `predict` for one image.
fn predict(model: &Path, arguments: &[&str]) -> String {
    let folder = tempdir().unwrap();
    let image = folder.path().join("one.png");
    GrayImage::from_fn(28, 28, |x, _| Luma([if x == 14 { 255 } else { 0 }])).save(&image).unwrap();
    let mut command = lenet_gpu(&["predict", "--backend", "cpu", "--model"]);
    let assert = command.arg(model).args(arguments).arg(image).assert().success();
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// An untrained model without a recorded source, as from earlier versions or PyTorch.
fn foreign(dataset: Option<&str>) -> (TempDir, PathBuf) {
    let network = LeNet5::new(1, 10);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    let info = ModelInfo { dataset: dataset.map(str::to_owned), ..ModelInfo::default() };
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, weights::to_bytes(&Model { network, parameters, info })).unwrap();
    (folder, path)
}

#[test]
fn mnist_in_any_folder_is_mnist() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "archive", 10_000, 0);
    let model = train(&data, &folder.path().join("run"), &["--limit-test", "64"]);
    assert_eq!(source(&model).kind, Some(DatasetKind::Mnist));
    assert_eq!(weights::load(&model).unwrap().info.dataset.as_deref(), Some("mnist"));
    assert!(predict(&model, &[]).contains("preprocessing: mnist, because the model was trained on mnist"));
}

#[test]
fn a_run_is_named_for_the_set_and_not_for_its_folder() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "archive", 10_000, 0);
    let mut command = lenet_gpu(&["train", "--backend", "cpu", "--max-steps", "0", "--data-dir"]);
    command.arg(data).current_dir(folder.path()).assert().success();
    let run = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap();
    assert!(run.file_name().to_str().unwrap().starts_with("mnist-"), "{run:?}");
}

#[test]
fn a_set_that_resembles_mnist_is_mnist_only_if_requested() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "mnist", 10_000, 1);
    let few = ["--limit-test", "64"];
    let detected = train(&data, &folder.path().join("run"), &few);
    assert_eq!(source(&detected).kind, None);
    assert!(predict(&detected, &[]).contains("preprocessing: none, because"));
    assert_eq!(predict(&detected, &["-q"]), "", "this is no guess");
    let requested = [&few[..], &["--dataset", "mnist"]].concat();
    let requested = train(&data, &folder.path().join("requested"), &requested);
    assert_eq!(source(&requested).kind, Some(DatasetKind::Mnist));
}

#[test]
fn images_of_another_set_than_requested_are_reported() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "fashion", 10_000, 0);
    let mut command = lenet_gpu(&["train", "--backend", "cpu", "--max-steps", "0", "--data-dir"]);
    command.arg(data).args(["--dataset", "fashion-mnist", "--run-dir"]).arg(folder.path().join("run"));
    command.assert().success().stderr(contains("are those of mnist, not of fashion-mnist"));
    assert_eq!(source(&folder.path().join("run/model.safetensors")).kind, Some(DatasetKind::Mnist));
}

#[test]
fn predict_says_that_it_guesses_even_when_quiet() {
    for (dataset, guess) in [
        (Some("mnist"), "preprocessing: mnist, a guess, because the model's data set was called mnist"),
        (Some("archive"), "preprocessing: none, a guess, because the model's data set was called archive"),
        (None, "preprocessing: mnist, a guess, because the model has 1 input channel and 10 classes"),
    ] {
        let (_folder, model) = foreign(dataset);
        let stderr = predict(&model, &["-q"]);
        assert!(stderr.contains(guess) && stderr.lines().count() == 1, "{stderr}");
        assert_eq!(predict(&model, &["-q", "--preprocess", "none"]), "");
    }
}

#[test]
fn evaluate_uses_the_images_of_the_training() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 200, 0);
    let model = train(&data, &folder.path().join("run"), &[]);
    let (found, stderr) = evaluated(&mut evaluate(&model));
    assert_eq!((&found["loss"], &found["images"]), (&last_metrics(&model)["test_loss"], &Value::from(200)));
    assert!(
        stderr.contains(&format!("evaluating on 200 test images of {}; CPU", data.display())),
        "{stderr}"
    );
    let expected = serde_json::json!({
        "location": {"path": data}, "dataset": null, "held_out": false, "of_training": true,
    });
    assert_eq!(found["data"], expected);

    // A copy elsewhere is as good.
    let copy = idx(folder.path(), "copy", 200, 0);
    let (found, stderr) = evaluated(evaluate(&model).arg("--data-dir").arg(&copy));
    assert_eq!(found["data"]["of_training"], true);
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn the_recorded_folder_does_not_depend_on_the_current_one() {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    idx(folder.path(), "set", 64, 0);
    let mut command = lenet_gpu(&["train", "--backend", "cpu", "--data-dir", "set", "--run-dir", "run"]);
    command.current_dir(folder.path()).assert().success();
    let model = folder.path().join("run/model.safetensors");
    evaluate(&model).current_dir(elsewhere.path()).assert().success();
}

#[test]
fn limits_of_the_training_do_not_limit_the_evaluation() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 200, 0);
    let model = train(&data, &folder.path().join("run"), &["--limit-test", "50"]);
    assert_eq!(source(&model).test.images, 50);
    assert_eq!(evaluated(&mut evaluate(&model)).0["images"], 200);
}

#[test]
fn a_missing_folder_is_an_error_with_a_remedy() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 64, 0);
    let model = train(&data, &folder.path().join("run"), &[]);
    fs::rename(&data, folder.path().join("moved")).unwrap();
    evaluate(&model)
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains("set, which does not exist").and(contains("--data-dir")).and(contains("--dataset")));
    evaluate(&model).arg("--data-dir").arg(folder.path().join("moved")).assert().success();
}

#[test]
fn changed_images_are_an_error_with_a_remedy() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 64, 0);
    let model = train(&data, &folder.path().join("run"), &[]);
    write_subset(&data, "t10k", 64, 1);
    evaluate(&model)
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains("are not those of the model's training").and(contains("--data-dir")));
    let (found, stderr) = evaluated(evaluate(&model).arg("--data-dir").arg(&data));
    assert_eq!(found["data"]["of_training"], false);
    assert!(
        stderr.contains("warning: the images of ") && stderr.contains("have changed since training"),
        "{stderr}"
    );
}

#[test]
fn another_set_is_evaluated_with_a_warning() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 64, 0);
    let model = train(&data, &folder.path().join("run"), &[]);
    let other = idx(folder.path(), "other", 40, 0);
    let (found, stderr) = evaluated(evaluate(&model).args(["-q", "--data-dir"]).arg(&other));
    assert_eq!((&found["images"], &found["data"]["of_training"]), (&Value::from(40), &Value::from(false)));
    assert!(stderr.starts_with("warning: ") && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains("other is not the data") && stderr.contains("set"), "{stderr}");
}

/// A folder of images of two classes without a split, drawn from MNIST's zeros and ones.
fn photos(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.join(name);
    for (class, label) in [("zero", 0), ("one", 1)] {
        fs::create_dir_all(folder.join(class)).unwrap();
        let images = (0..MNIST.len()).filter(|&index| MNIST.labels[index] == label).take(40);
        for index in images {
            let image = GrayImage::from_raw(28, 28, MNIST.image(index).to_vec()).unwrap();
            image.save(folder.join(class).join(format!("{index:05}.png"))).unwrap();
        }
    }
    folder
}

#[test]
fn a_model_of_an_unsplit_folder_is_evaluated_on_the_images_that_were_held_out() {
    let folder = tempdir().unwrap();
    let data = photos(folder.path(), "photos");
    let model = train(&data, &folder.path().join("run"), &["--validation-split", "0.25", "--seed", "5"]);
    let loss = &last_metrics(&model)["test_loss"];
    let copy = photos(folder.path(), "copy");
    for arguments in
        [&[][..], &["--data-dir", data.to_str().unwrap()], &["--data-dir", copy.to_str().unwrap()]]
    {
        let (found, stderr) = evaluated(evaluate(&model).args(arguments));
        assert_eq!((&found["images"], &found["loss"]), (&Value::from(20), loss), "{arguments:?}");
        assert_eq!(found["data"]["held_out"], true, "{arguments:?}");
        assert!(
            stderr.contains("evaluating on 20 images of ")
                && stderr.contains(" that were held out in training"),
            "{stderr}"
        );
        assert!(!stderr.contains("warning"), "{stderr}");
    }

    // With another image the split may be another.
    fs::remove_file(fs::read_dir(data.join("one")).unwrap().next().unwrap().unwrap().path()).unwrap();
    evaluate(&model).assert().code(2).stderr(contains("are not those of the model's training"));
    let (found, stderr) = evaluated(evaluate(&model).arg("--data-dir").arg(&data));
    assert_eq!((&found["images"], &found["data"]["of_training"]), (&Value::from(79), &Value::from(false)));
    assert!(stderr.contains("have changed since training"), "{stderr}");

    // A set with test images of its own is read once, and its training images need not be readable.
    let other = folder.path().join("other");
    photos(&other, "train");
    photos(&other, "test");
    fs::write(other.join("notes.txt"), "").unwrap();
    for problem in [false, true] {
        if problem {
            fs::write(other.join("train/one/bad.png"), "").unwrap();
        }
        let (found, stderr) = evaluated(evaluate(&model).arg("--data-dir").arg(&other));
        assert_eq!(
            (&found["images"], &found["data"]["of_training"]),
            (&Value::from(80), &Value::from(false))
        );
        assert!(stderr.matches("notes.txt").count() <= 1 && stderr.contains("is not the data"), "{stderr}");
    }
}

#[test]
fn whether_images_are_those_of_the_training_is_unknown_if_they_are_converted_in_another_way() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 64, 0);
    let model = train(&data, &folder.path().join("run"), &[]);
    let set = ["--data-dir", data.to_str().unwrap()];
    for options in [&["--transpose"][..], &["--fit", "resize"]] {
        for arguments in [options.to_vec(), [options, &set].concat()] {
            let (found, stderr) = evaluated(evaluate(&model).args(&arguments));
            assert!(found["data"]["of_training"].is_null(), "{arguments:?}: {stderr}");
            assert!(!stderr.contains("warning"), "{stderr}");
        }
    }
    for options in [&["--transpose=false"][..], &["--fit", "pad", "--skip-bad-images"]] {
        let (found, _) = evaluated(evaluate(&model).args(options).args(set));
        assert_eq!(found["data"]["of_training"], true, "{options:?}");
    }
}

#[test]
fn a_model_of_an_earlier_version_is_evaluated_on_the_set_of_its_name_with_a_note() {
    let (_folder, model) = foreign(Some("mnist"));
    let (found, stderr) = evaluated(evaluate(&model).arg("-q"));
    assert_eq!((&found["images"], &found["data"]["location"]), (&Value::from(10_000), &"built-in".into()));
    assert!(found["data"]["of_training"].is_null());
    assert!(stderr.contains("records only the name of its data set, mnist"), "{stderr}");
}

#[test]
fn a_model_without_a_known_set_requires_data() {
    let folder = tempdir().unwrap();
    let data = idx(folder.path(), "set", 64, 0);
    for dataset in [None, Some("archive")] {
        let (_folder, model) = foreign(dataset);
        evaluate(&model)
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains("does not record").and(contains("--data-dir")).and(contains("--dataset")));
        let (_, stderr) = evaluated(evaluate(&model).args(["-q", "--data-dir"]).arg(&data));
        assert_eq!(stderr, "");
    }
}

#[test]
fn an_impossible_split_in_a_model_file_is_rejected() {
    let split = |share: &str| -> Result<DataSource, _> {
        serde_json::from_str(&format!(
            r#"{{"location":"built-in","test_split":{{"share":{share},"seed":1}},"test":{{"images":1,"fingerprint":""}}}}"#
        ))
    };
    assert!(split("0.5").is_ok());
    for share in ["0", "1", "-0.5", "7"] {
        assert!(split(share).unwrap_err().to_string().contains("is not between 0 and 1"));
    }
}

#[test]
fn a_source_is_stored_in_few_words() {
    let test = RecordedImages { images: 10_000, fingerprint: "09fd5625f3939eaa".to_owned() };
    let source = DataSource {
        kind: Some(DatasetKind::Mnist),
        location: DataLocation::BuiltIn,
        requested: None,
        skip_bad_images: false,
        transpose: None,
        test_split: None,
        test,
        validation: None,
    };
    assert_eq!(
        serde_json::to_string(&source).unwrap(),
        r#"{"kind":"mnist","location":"built-in","test":{"images":10000,"fingerprint":"09fd5625f3939eaa"}}"#
    );
}
