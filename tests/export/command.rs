//! The `export` command.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::data::Fit;
use lenet_gpu::model::{Model, ModelInfo, weights};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use tempfile::{TempDir, tempdir};

use crate::models::{GREY, difference, images, logits, normalised, random_model};
use crate::onnx;

/// The number of test images.
const IMAGES: usize = 500;

/// The tolerance of a trained model's logits. The largest are about 20, where neighbouring f32 differ by 2e-6.
const TOLERANCE: f32 = 1e-5;

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// Saves a model in a temporary folder.
fn saved(fit: Option<Fit>) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = Model { info: ModelInfo { fit, ..ModelInfo::default() }, ..random_model(GREY) };
    fs::write(&path, weights::to_bytes(&model)).unwrap();
    (folder, path)
}

fn export(model: &Path, output: &Path) -> Command {
    let mut command = lenet_gpu();
    command.args(["export", "--model"]).arg(model).arg("-o").arg(output);
    command
}

#[test]
fn a_trained_model_gives_the_same_logits_in_tract_and_c() {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    lenet_gpu()
        .args(["train", "--backend", "cpu", "--limit-train", "6400", "--limit-test", "64", "--epochs", "1"])
        .arg("--run-dir")
        .arg(&run_dir)
        .assert()
        .success();
    let path = run_dir.join("model.safetensors");
    let (model, images) = (weights::load(&path).unwrap(), images(IMAGES, GREY));
    let expected = logits(&model, &images);

    let file = folder.path().join("lenet.onnx");
    export(&path, &file).assert().success().stdout(contains("f32 [N, 1, 32, 32]")).stderr(is_empty());
    let found = onnx::run(&fs::read(&file).unwrap(), &normalised(&images), &[1, 32, 32], &[IMAGES]);
    assert!(difference(&found, &expected) <= TOLERANCE, "{}", difference(&found, &expected));

    let raw = || export(&path, &file).arg("--raw-pixels").assert().success();
    raw().stdout(contains("uint8 [N, 1, 28, 28]"));
    let found = onnx::run(&fs::read(&file).unwrap(), &images.pixels, &[1, 28, 28], &[IMAGES]);
    assert!(difference(&found, &expected) <= TOLERANCE, "{}", difference(&found, &expected));

    let file = folder.path().join("lenet.h");
    export(&path, &file).arg("--raw-pixels").assert().success().stdout(contains("uint8_t [1][28][28]"));
    #[cfg(unix)]
    {
        use crate::c_header;
        let program = c_header::compile(folder.path(), &fs::read(&file).unwrap(), &[]);
        let found = c_header::run(&program, &images.pixels);
        assert!(difference(&found, &expected) <= TOLERANCE, "{}", difference(&found, &expected));
    }
}

#[test]
fn a_safetensors_export_equals_the_model_file() {
    let (folder, model) = saved(Some(Fit::Pad));
    let copy = folder.path().join("copy.safetensors");
    export(&model, &copy).assert().success().stdout(contains("load_state_dict"));
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&model).unwrap());
}

#[test]
fn the_format_follows_the_option_or_the_extension() {
    let (folder, model) = saved(None);
    let odd = folder.path().join("lenet.bin");
    export(&model, &odd)
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains(".onnx").and(contains("--format")));
    export(&model, &odd).args(["--format", "c-header"]).assert().success();
    assert!(fs::read_to_string(&odd).unwrap().contains("lenet_predict"));
    export(&model, &odd).args(["--format", "pickle"]).assert().code(2).stderr(contains("safetensors"));
}

#[test]
fn unsuitable_raw_pixels_are_rejected() {
    let (folder, model) = saved(Some(Fit::Resize));
    for (file, option, reason) in [
        ("a.safetensors", "--raw-pixels", "holds only weights"),
        ("a.onnx", "--raw-pixels=28x28", "resize the images"),
        ("a.onnx", "--raw-pixels=64x64", "from 1 to 32"),
        ("a.onnx", "--raw-pixels=28", "such as 28x28"),
    ] {
        let output = folder.path().join(file);
        export(&model, &output).arg(option).assert().code(2).stderr(contains(reason));
        assert!(!output.exists());
    }
}

#[test]
fn an_existing_output_is_replaced_unless_it_is_the_model() {
    let (folder, model) = saved(None);
    let (output, before) = (folder.path().join("lenet.onnx"), fs::read(&model).unwrap());
    fs::write(&output, "old").unwrap();
    export(&model, &output).assert().success();
    assert!(fs::read(&output).unwrap().len() > before.len() / 2);

    export(&model, &model).args(["--format", "onnx"]).assert().code(2).stderr(contains("the command reads"));
    assert_eq!(fs::read(&model).unwrap(), before);
}

#[test]
fn unreadable_models_and_unwritable_outputs_are_named() {
    let (folder, model) = saved(None);
    let output = folder.path().join("lenet.onnx");
    let nowhere = folder.path().join("no/such/folder/lenet.onnx");
    export(&model, &nowhere)
        .assert()
        .code(2)
        .stderr(contains("cannot write").and(contains("no/such/folder")));
    export(&model, folder.path())
        .args(["--format", "onnx"])
        .assert()
        .code(2)
        .stderr(contains("it is a folder"));

    let half = folder.path().join("half.safetensors");
    let whole = fs::read(&model).unwrap();
    for content in [&whole[..whole.len() / 2], &[]] {
        fs::write(&half, content).unwrap();
        export(&half, &output).assert().code(2).stderr(contains("half.safetensors").and(contains("corrupt")));
    }
    export(&nowhere, &output).assert().code(2).stderr(contains("cannot load"));
    assert!(!output.exists());
}
