//! Folders of image files: opening them, and training on them with the program.

mod invalid;
mod layouts;
mod left_out;
mod program;
mod split;
mod unsplit;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::data::{
    Channels, Conversion, DataError, Dataset, DatasetKind, Fit, ImageSet, OpenOptions, OpenedDataset,
    UnsplitFolder, embedded_mnist_test, open_test,
};
use lenet_gpu::model::weights;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

/// Writes an image in the format of its extension: grey H×W or colour H×W×3 pixels.
fn write_image(path: &Path, pixels: &[u8], width: usize, height: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let kind = match pixels.len() / (width * height) {
        1 => image::ColorType::L8,
        _ => image::ColorType::Rgb8,
    };
    image::save_buffer(path, pixels, width as u32, height as u32, kind).unwrap();
}

/// A grey image of one value.
fn write_grey(path: &Path, value: u8, side: usize) {
    write_image(path, &vec![value; side * side], side, side);
}

/// A folder of two classes, each with three training images and one test image, all grey.
fn pets() -> TempDir {
    let folder = tempdir().unwrap();
    for (class, value) in [("dog", 100), ("cat", 10)] {
        for image in [2, 0, 1] {
            let path = folder.path().join(format!("train/{class}/{image}.png"));
            write_grey(&path, value + image, 28);
        }
        write_grey(&folder.path().join(format!("test/{class}/9.png")), value + 9, 28);
    }
    folder
}

/// The first `count` of MNIST's test images as PNG files, with words as class names. Images with odd indices are test
/// images.
fn digits(count: usize) -> TempDir {
    const NAMES: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let folder = tempdir().unwrap();
    let mnist = embedded_mnist_test(Conversion::default()).unwrap();
    for index in 0..count {
        let (subset, class) = (["train", "test"][index % 2], NAMES[usize::from(mnist.labels[index])]);
        let path = folder.path().join(format!("{subset}/{class}/{index:05}.png"));
        write_image(&path, mnist.image(index), 28, 28);
    }
    folder
}

fn open(folder: &Path) -> Result<Dataset, DataError> {
    Dataset::open(folder, None, Conversion::default())
}

/// The one-line message of the error when opening a folder.
#[track_caller]
fn error_message(folder: &Path, kind: Option<DatasetKind>) -> String {
    let message = Dataset::open(folder, kind, Conversion::default()).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn unsplit(folder: &Path) -> UnsplitFolder {
    match OpenOptions::default().open(folder).unwrap() {
        OpenedDataset::Unsplit(images) => images,
        OpenedDataset::Split(data) => panic!("{data:?}"),
    }
}

/// The centre pixel of each image's first channel.
fn centres(images: &ImageSet) -> Vec<u8> {
    (0..images.len()).map(|index| images.image(index)[16 * 32 + 16]).collect()
}

/// Writes a file, and the folders around it.
fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// The warnings of training on a folder.
fn warnings(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let output = tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["train", "--backend", "cpu", "--epochs", "1", "--quiet", "--data-dir"]).arg(folder);
    let assert = command.arg("--run-dir").arg(output.path().join("run")).args(arguments).assert().success();
    let text = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}
