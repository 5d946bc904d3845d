//! EMNIST and QMNIST: their own file names, labels, class names and transposed images.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::data::formats::idx;
use lenet_gpu::data::{Conversion, DataError, Dataset, DatasetKind, OpenOptions, OpenedDataset, open_test};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

use crate::idx::{gzip, idx_file, images, labels};

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// Writes a split of EMNIST: an image for each label.
fn put_split(folder: &Path, split: &str, of: &[u8]) {
    let count = of.len() as u32;
    for subset in ["train", "test"] {
        let name = |contents: &str| format!("emnist-{split}-{subset}-{contents}-ubyte");
        put(folder, &format!("{}.gz", name("images-idx3")), gzip(&images(count, 28, 28)));
        put(folder, &name("labels-idx1"), labels(of));
    }
}

fn split(split: &str, of: impl IntoIterator<Item = u8>) -> TempDir {
    let folder = tempdir().unwrap();
    put_split(folder.path(), split, &of.into_iter().collect::<Vec<_>>());
    folder
}

fn open(folder: &Path, kind: Option<DatasetKind>) -> Result<Dataset, DataError> {
    Dataset::open(folder, kind, Conversion::default())
}

#[test]
fn letters_are_classes_from_0_with_names_and_upright_images() {
    let folder = split("letters", 1..=26);
    for kind in [None, Some(DatasetKind::EmnistLetters)] {
        let set = open(folder.path(), kind).unwrap();
        assert_eq!((set.classes, &set.train.labels[..3], set.test.labels[25]), (26, &[0, 1, 2][..], 25));
        let names = set.class_names.unwrap();
        assert_eq!((names.len(), &names[0][..], &names[25][..]), (26, "A", "Z"));
        // The file's second value is that of the second row.
        assert_eq!((set.train.image(0)[1], set.train.image(0)[28]), (28, 1));
        let test = open_test(folder.path(), kind, Conversion::default()).unwrap();
        assert_eq!(test, *set.test);
    }
}

#[test]
fn each_split_has_its_classes() {
    for (name, of, first, last) in
        [("balanced", 0..47, "0", "t"), ("bymerge", 0..47, "0", "t"), ("byclass", 0..62, "0", "z")]
    {
        let set = open(split(name, of.clone()).path(), None).unwrap();
        let names = set.class_names.unwrap();
        assert_eq!((names.len(), &names[0][..], &names[names.len() - 1][..]), (of.len(), first, last));
        assert_eq!(names[36], "a", "after the digits and the upper case");
        assert_eq!(set.train.labels[..3], [0, 1, 2]);
    }
    for name in ["digits", "mnist"] {
        let set = open(split(name, 0..10).path(), None).unwrap();
        assert_eq!((set.classes, set.class_names), (10, None));
        assert_eq!(set.train.image(0)[1], 28);
    }
}

#[test]
fn a_label_outside_a_split_is_rejected() {
    for (label, name) in [(0, "letters has labels 1 to 26"), (47, "balanced has classes 0 to 46")] {
        let kind = name.split(' ').next().unwrap();
        let error = open(split(kind, [5, label]).path(), None).unwrap_err().to_string();
        let expected = format!("label {label} at record 1 (from 0); emnist-{name}");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn several_splits_in_one_folder_are_listed_and_one_can_be_chosen() {
    let folder = split("letters", 1..=26);
    put_split(folder.path(), "digits", &[0, 1, 2]);
    let error = open(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("several data sets: emnist-digits, emnist-letters; choose one"), "{error}");
    assert_eq!(open(folder.path(), Some(DatasetKind::EmnistDigits)).unwrap().classes, 10);
    let options = OpenOptions { kind: Some(DatasetKind::EmnistLetters), ..OpenOptions::default() };
    put(folder.path(), "emnist-letters-test-labels-idx1-ubyte", labels(&[1; 26]));
    assert_eq!(options.open_test(folder.path()).unwrap().class_names.unwrap().len(), 26);
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(["train", "--backend", "cpu", "--data-dir"])
        .arg(folder.path())
        .assert()
        .code(2)
        .stderr(contains("hint: --dataset emnist-digits, or --dataset emnist-letters"));
}

/// Labels 1 to 26 under MNIST's names.
fn copy() -> TempDir {
    let folder = tempdir().unwrap();
    let of: Vec<u8> = (1..=26).collect();
    for prefix in ["train", "t10k"] {
        put(folder.path(), &format!("{prefix}-images-idx3-ubyte"), images(26, 28, 28));
        put(folder.path(), &format!("{prefix}-labels-idx1-ubyte"), labels(&of));
    }
    folder
}

#[test]
fn a_copy_under_mnists_names_is_opened_as_emnist_on_request() {
    let set = open(copy().path(), Some(DatasetKind::EmnistLetters)).unwrap();
    assert_eq!((set.classes, set.train.labels[0], set.train.image(0)[1]), (26, 0, 28));
    assert_eq!(set.class_names.unwrap()[1], "B");
}

#[test]
fn any_images_are_transposed_on_request_and_emnists_are_not_if_refused() {
    let pixels = |folder: &TempDir, kind, transpose| {
        let options = OpenOptions { kind, transpose, ..OpenOptions::default() };
        let OpenedDataset::Split(set) = options.open(folder.path()).unwrap() else {
            panic!("it has a split")
        };
        assert_eq!(options.open_test(folder.path()).unwrap().images, *set.test);
        [set.train.image(0)[1], set.train.image(0)[28]]
    };
    for (kind, transpose, expected) in [
        (None, None, [1, 28]),
        (None, Some(true), [28, 1]),
        (Some(DatasetKind::EmnistLetters), None, [28, 1]),
        (Some(DatasetKind::EmnistLetters), Some(false), [1, 28]),
    ] {
        assert_eq!(pixels(&copy(), kind, transpose), expected, "{kind:?} {transpose:?}");
    }
}

#[test]
fn mnist_is_recognised_as_stored_and_not_transposed_by_another_kind() {
    let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
    let folder = tempdir().unwrap();
    for (prefix, set) in [("train", mnist.train.clone()), ("t10k", mnist.test)] {
        let count = set.len() as u32;
        let of: Vec<u8> = set.labels.iter().map(|&label| label as u8).collect();
        let pixels = idx_file([0, 0, 8, 3], &[count, 28, 28], &set.pixels);
        put(folder.path(), &format!("{prefix}-images-idx3-ubyte"), pixels);
        put(folder.path(), &format!("{prefix}-labels-idx1-ubyte"), labels(&of));
    }
    let set = open(folder.path(), Some(DatasetKind::EmnistDigits)).unwrap();
    assert_eq!((set.kind, set.train.image(0)), (Some(DatasetKind::Mnist), mnist.train.image(0)));
}

#[test]
fn image_files_are_transposed_on_request() {
    let folder = tempdir().unwrap();
    for path in ["train/a", "train/b", "test/a", "test/b"] {
        let class = folder.path().join(path);
        fs::create_dir_all(&class).unwrap();
        let columns: Vec<u8> = (0..28 * 28).map(|pixel| (pixel % 28) as u8).collect();
        image::save_buffer(class.join("0.png"), &columns, 28, 28, image::ExtendedColorType::L8).unwrap();
    }
    for (transpose, expected) in [(None, [1, 0]), (Some(true), [0, 1])] {
        let options = OpenOptions { transpose, ..OpenOptions::default() };
        let test = options.open_test(folder.path()).unwrap().images;
        let image = test.padded_image(0);
        // The margin is 2.
        assert_eq!([image[2 * 32 + 3], image[3 * 32 + 2]], expected, "{transpose:?}");
    }
}

#[test]
fn labels_that_count_from_1_are_explained_and_evaluation_transposes_as_training_did() {
    let (data, folder) = (copy(), tempdir().unwrap());
    let run = folder.path().join("run");
    let lenet_gpu = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.arg(arguments[0]).args(["--backend", "cpu"]).args(&arguments[1..]);
        command
    };
    lenet_gpu(&["train", "--quiet", "--epochs", "1", "--batch-size", "13", "--transpose", "--run-dir"])
        .args([run.as_path(), Path::new("--data-dir"), data.path()])
        .assert()
        .success()
        .stderr(contains(
            "1 of 27 classes without training images: 0; if there are fewer classes, labels count from 1",
        ));
    let model = run.join("model.safetensors");
    let evaluate = ["evaluate", "--model", model.to_str().unwrap()];
    lenet_gpu(&evaluate).assert().success();
    let here = [&evaluate[..], &["--data-dir", data.path().to_str().unwrap()]].concat();
    lenet_gpu(&here).assert().success().stderr(contains("since training").not());
    lenet_gpu(&here).arg("--transpose=false").assert().success();
}

mod qmnist {
    use super::*;

    /// QMNIST's extended labels: rows of eight integers, of which the first is the class.
    fn table(classes: &[i32]) -> Vec<u8> {
        let rows = classes.iter().flat_map(|&class| [class, 4, 2_000, 7, 48, 70_000, -1, 0]);
        let values: Vec<u8> = rows.flat_map(i32::to_be_bytes).collect();
        idx_file([0, 0, 0x0c, 2], &[classes.len() as u32, 8], &values)
    }

    fn folder() -> TempDir {
        let folder = tempdir().unwrap();
        put(folder.path(), "qmnist-train-images-idx3-ubyte.gz", gzip(&images(3, 28, 28)));
        put(folder.path(), "qmnist-train-labels-idx2-int.gz", gzip(&table(&[5, 0, 9])));
        put(folder.path(), "qmnist-test-images-idx3-ubyte", images(2, 28, 28));
        put(folder.path(), "qmnist-test-labels-idx2-int", table(&[1, 3]));
        folder
    }

    #[test]
    fn the_first_column_of_the_extended_labels_is_the_class() {
        for kind in [None, Some(DatasetKind::Qmnist)] {
            let set = open(folder().path(), kind).unwrap();
            assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[5, 0, 9][..], &[1, 3][..]));
            assert_eq!(set.train.image(0)[1], 1, "not transposed");
        }
    }

    #[test]
    fn labels_in_mnists_format_are_read_too() {
        let folder = folder();
        put(folder.path(), "qmnist-test-labels-idx1-ubyte.gz", gzip(&labels(&[8, 6])));
        fs::remove_file(folder.path().join("qmnist-test-labels-idx2-int")).unwrap();
        assert_eq!(open(folder.path(), None).unwrap().test.labels, [8, 6]);
    }

    #[test]
    fn a_missing_file_is_reported_by_its_official_name() {
        let folder = folder();
        fs::remove_file(folder.path().join("qmnist-train-labels-idx2-int.gz")).unwrap();
        let error = open(folder.path(), None).unwrap_err().to_string();
        assert!(
            error.contains("incomplete qmnist data set: missing qmnist-train-labels-idx2-int.gz"),
            "{error}"
        );
    }

    #[test]
    fn invalid_tables_are_rejected() {
        let whole = table(&[1, 2]);
        for (bytes, expected) in [
            (table(&[1, -2]), "class at record 1 (from 0) is -2"),
            (table(&[1, 70_000]), "is 70000"),
            (table(&[1, 10]), "label 10 at record 1 (from 0); qmnist has classes 0 to 9"),
            (table(&[1, 2, 3]), "contains 2 images, but"),
            (whole[..whole.len() - 1].to_vec(), "64 bytes of values"),
            ([&whole[..], &[0]].concat(), "continues after the 64 bytes"),
            (labels(&[1, 2]), "only 0x0c (32-bit integers) is supported"),
            (idx_file([0, 0, 0x0c, 1], &[2], &[0; 8]), "rank byte in the magic number is 1"),
            (idx_file([0, 0, 0x0c, 2], &[2, 0], &[]), "columns is 0"),
            (idx_file([0, 0, 0x0c, 2], &[u32::MAX, 8], &[0; 8]), "more than"),
            (b"<html>".to_vec(), "magic number"),
        ] {
            let folder = folder();
            put(folder.path(), "qmnist-test-labels-idx2-int", bytes);
            let error = open(folder.path(), None).unwrap_err().to_string();
            assert!(error.contains("qmnist-test-labels-idx2-int") && error.contains(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_memory_for_a_table_is_bounded_by_the_file() {
        let claims = idx_file([0, 0, 0x0c, 2], &[1 << 24, 8], &[0; 64]);
        assert!(idx::read_class_column(&claims[..], claims.len() as u64).is_err());
    }
}
