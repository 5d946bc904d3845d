//! Labels that cannot be right: outside the classes of a named data set, or the only reason for a class.
use std::fs;
use std::io::Write;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_gpu::data::{Conversion, DataError, Dataset, DatasetKind, OpenOptions};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder of IDX files whose black images have these labels.
fn idx(train: &[u8], test: &[u8]) -> TempDir {
    let folder = tempdir().unwrap();
    for (prefix, labels) in [("train", train), ("t10k", test)] {
        let count = (labels.len() as u32).to_be_bytes();
        let side = 28u32.to_be_bytes();
        let images = [&[0, 0, 8, 3][..], &count, &side, &side, &vec![0; labels.len() * 28 * 28]].concat();
        let labels = [&[0, 0, 8, 1][..], &count, labels].concat();
        fs::write(folder.path().join(format!("{prefix}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.path().join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
    }
    folder
}

/// A CIFAR batch of grey images.
fn batch(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&label| [&[label][..], &[99; 3072]].concat()).collect()
}

fn cifar(train: [&[u8]; 2], test: &[u8]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("data_batch_1.bin"), batch(train[0])).unwrap();
    fs::write(folder.path().join("data_batch_2.bin"), batch(train[1])).unwrap();
    fs::write(folder.path().join("test_batch.bin"), batch(test)).unwrap();
    folder
}

fn open(folder: &Path, kind: Option<DatasetKind>) -> Result<Dataset, DataError> {
    Dataset::open(folder, kind, Conversion::default())
}

#[track_caller]
fn assert_rejected(folder: &Path, kind: DatasetKind, expected: &str) {
    let message = open(folder, Some(kind)).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_label_outside_a_named_idx_set_is_rejected_with_its_record() {
    let mut labels = [1; 30];
    labels[17] = 200;
    let expected = "labels-idx1-ubyte: label 200 at record 17 (from 0); mnist has classes 0 to 9";
    let (train, test) = (idx(&labels, &[0]), idx(&[0], &labels));
    assert_rejected(train.path(), DatasetKind::Mnist, &format!("train-{expected}"));
    assert_rejected(test.path(), DatasetKind::Mnist, &format!("t10k-{expected}"));
    assert_rejected(train.path(), DatasetKind::FashionMnist, "fashion-mnist has classes 0 to 9");
    assert_eq!(open(idx(&[9, 0], &[9]).path(), Some(DatasetKind::Mnist)).unwrap().classes, 10);
    assert_rejected(idx(&[9, 10], &[9]).path(), DatasetKind::Mnist, "label 10 at record 1");
}

#[test]
fn a_label_outside_a_named_cifar_set_is_rejected_with_its_file_and_record() {
    let expected = "data_batch_2.bin: label 10 at record 1 (from 0); cifar10 has classes 0 to 9";
    let folder = cifar([&[1, 2, 3], &[9, 10]], &[0]);
    assert_rejected(folder.path(), DatasetKind::Cifar10, expected);
    let folder = cifar([&[1, 2, 3], &[9]], &[255]);
    assert_rejected(folder.path(), DatasetKind::Cifar10, "test_batch.bin: label 255 at record 0");

    let folder = tempdir().unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, labels) in [("data_batch_1.bin", &[0, 77][..]), ("test_batch.bin", &[0])] {
        let bytes = batch(labels);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("x/{name}"), &bytes[..]).unwrap();
    }
    let path = folder.path().join("cifar-10-binary.tar.gz");
    fs::write(&path, gzip(&archive.into_inner().unwrap())).unwrap();
    let expected = "cifar-10-binary.tar.gz: x/data_batch_1.bin: label 77 at record 1 (from 0)";
    assert_rejected(&path, DatasetKind::Cifar10, expected);
    assert_eq!(open(&path, None).unwrap().classes, 78);
}

#[test]
fn test_images_alone_are_checked_too() {
    let folder = idx(&[0], &[3, 47]);
    let options = |kind| OpenOptions { kind, ..OpenOptions::default() };
    let error = options(Some(DatasetKind::Mnist)).open_test(folder.path()).unwrap_err();
    assert!(matches!(error, DataError::Label { label: 47, record: 1, .. }), "{error}");
    assert_eq!(options(None).open_test(folder.path()).unwrap().images.labels, [3, 47]);
}

#[test]
fn a_set_of_more_classes_is_opened_by_its_layout() {
    let labels: Vec<u8> = (0..47).collect();
    let data = open(idx(&labels, &labels).path(), None).unwrap();
    assert_eq!((data.classes, data.classes_without_training_images()), (47, Vec::new()));
}

#[test]
fn classes_without_training_images_are_known() {
    let empty = |train: &[u8], test: &[u8]| {
        open(idx(train, test).path(), None).unwrap().classes_without_training_images()
    };
    assert_eq!(empty(&[0, 1, 2], &[0]), [0; 0]);
    assert_eq!(empty(&[0, 2, 2], &[0]), [1]);
    assert_eq!(empty(&[0, 1], &[1, 4]), [2, 3, 4], "classes of the test images alone");
    assert_eq!(empty(&[0, 200], &[0]), Vec::from_iter(1..200));
}

fn lenet_gpu(arguments: &[&str], folder: &Path) -> Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments).args(["--backend", "cpu", "--data-dir"]).arg(folder).assert()
}

fn train(folder: &TempDir, arguments: &[&str]) -> Assert {
    let run = tempdir().unwrap();
    let run_dir = run.path().join("run");
    let fixed =
        ["train", "--quiet", "--epochs", "1", "--batch-size", "2", "--run-dir", run_dir.to_str().unwrap()];
    lenet_gpu(&[&fixed[..], arguments].concat(), folder.path())
}

#[test]
fn train_rejects_a_label_and_says_how_to_open_another_set() {
    let folder = idx(&[0, 1, 2, 200], &[0]);
    train(&folder, &["--dataset", "mnist"]).code(2).stderr(
        contains("error: ")
            .and(contains("label 200 at record 3"))
            .and(contains("hint: omit --dataset mnist"))
            .and(contains("panicked").not()),
    );
}

#[test]
fn train_warns_of_classes_without_training_images_and_names_ranges() {
    let folder = idx(&[0, 1, 2, 200], &[0]);
    train(&folder, &[]).success().stderr(
        contains("warning: ")
            .and(contains("197 of 201 classes without training images: 3 to 199; ").count(1)),
    );
    train(&idx(&[0, 1, 2], &[0]), &[]).success().stderr(contains("without training images").not());
    let of_kind = train(&idx(&[0, 1, 2], &[0]), &["--dataset", "mnist"]).success();
    of_kind.stderr(contains("7 of 10 classes without training images: 3 to 9\n"));
}

#[test]
fn train_warns_if_a_limit_or_a_validation_split_removes_a_class() {
    let sorted = idx(&[0, 0, 0, 1, 1, 2], &[0]);
    train(&sorted, &["--limit-train", "3"])
        .success()
        .stderr(contains("--limit-train leaves 2 of 3 classes without training images: 1 to 2"));
    // Of classes with one image each, those that are held out for validation have none left.
    train(&idx(&[0, 1, 2, 3, 4, 5], &[0]), &["--validation-split", "0.5"])
        .success()
        .stderr(contains("holding out validation images leaves 3 of 6 classes without training images"));
    train(&sorted, &["--limit-train", "6"]).success().stderr(contains("without training images").not());
}

#[test]
fn evaluate_names_the_image_whose_label_the_model_lacks() {
    let (folder, run) = (idx(&[0, 1, 2], &[0]), tempdir().unwrap());
    let run_dir = run.path().join("run");
    let arguments = ["train", "--quiet", "--epochs", "1", "--batch-size", "2", "--run-dir"];
    lenet_gpu(&[&arguments[..], &[run_dir.to_str().unwrap()]].concat(), folder.path()).success();
    let model = run_dir.join("model.safetensors");
    lenet_gpu(&["evaluate", "--model", model.to_str().unwrap()], idx(&[0], &[2, 1, 5]).path())
        .code(2)
        .stderr(contains("the model has 3 classes, but image 2 (from 0) of the data set has label 5"));
}
