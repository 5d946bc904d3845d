//! Where the files of a data set are: in folders of similar names, in an outer folder, beside other data sets.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::data::{Conversion, DataError, Dataset, DatasetKind, open_test};
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

use crate::idx::{gzip, images, labels};

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes three training and two test images; the first labels say which data set it is.
fn put_mnist(folder: &Path, label: u8) {
    put(folder, "train-images-idx3-ubyte", images(3, 28, 28));
    put(folder, "train-labels-idx1-ubyte", labels(&[label, 4, 2]));
    put(folder, "t10k-images-idx3-ubyte", images(2, 28, 28));
    put(folder, "t10k-labels-idx1-ubyte", labels(&[label, 0]));
}

fn open(folder: &Path, kind: Option<DatasetKind>) -> Result<Dataset, DataError> {
    Dataset::open(folder, kind, Conversion::default())
}

/// Opening the folder fails with a one-line message that contains all of `expected`.
#[track_caller]
fn assert_error(folder: &Path, expected: &[&str]) {
    let line = open(folder, None).unwrap_err().to_string();
    for part in expected {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

/// Kaggle's archive: each file twice, once in a folder of a similar name.
fn kaggle() -> TempDir {
    let folder = tempdir().unwrap();
    for (stem, file) in [
        ("train-images", images(3, 28, 28)),
        ("train-labels", labels(&[7, 4, 2])),
        ("t10k-images", images(2, 28, 28)),
        ("t10k-labels", labels(&[7, 0])),
    ] {
        let kind = if stem.ends_with("images") { "idx3" } else { "idx1" };
        put(folder.path(), &format!("{stem}.{kind}-ubyte"), &file);
        put(folder.path(), &format!("{stem}-{kind}-ubyte/{stem}-{kind}-ubyte"), &file);
    }
    folder
}

#[test]
fn kaggles_files_are_read_beside_folders_of_similar_names() {
    for kind in [None, Some(DatasetKind::Mnist)] {
        assert_eq!(open(kaggle().path(), kind).unwrap().train.labels, [7, 4, 2]);
    }
}

#[test]
fn files_in_folders_of_their_own_names_are_read() {
    let folder = kaggle();
    for name in ["train-images.idx3-ubyte", "t10k-labels.idx1-ubyte"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let set = open(folder.path(), None).unwrap();
    assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[7, 4, 2][..], &[7, 0][..]));
}

#[test]
fn a_regular_file_takes_precedence_over_one_in_a_folder() {
    let folder = kaggle();
    put(folder.path(), "train-labels.idx1-ubyte", labels(&[9, 4, 2]));
    assert_eq!(open(folder.path(), None).unwrap().train.labels, [9, 4, 2]);
}

#[test]
fn a_data_set_one_or_two_folders_below_is_found() {
    let folder = tempdir().unwrap();
    put_mnist(&folder.path().join("MNIST/raw"), 7);
    put(folder.path(), "MNIST/processed/training.pt", "");
    for path in [folder.path().to_owned(), folder.path().join("MNIST"), folder.path().join("MNIST/raw")] {
        assert_eq!(open(&path, None).unwrap().train.labels, [7, 4, 2]);
        assert_eq!(open_test(&path, None, Conversion::default()).unwrap().labels, [7, 0]);
    }
    let outer = tempdir().unwrap();
    fs::rename(folder.path(), outer.path().join("downloads")).unwrap();
    assert_error(outer.path(), &["contains no known data set", "found downloads"]);
}

#[test]
fn a_folder_with_very_many_others_is_not_searched_to_the_end() {
    let folder = tempdir().unwrap();
    (0..1_000).for_each(|other| fs::create_dir(folder.path().join(format!("{other:03}"))).unwrap());
    put_mnist(&folder.path().join("mnist"), 7);
    assert_error(folder.path(), &["contains no known data set"]);
    fs::remove_dir(folder.path().join("000")).unwrap();
    assert_eq!(open(folder.path(), None).unwrap().train.labels, [7, 4, 2]);
}

#[test]
fn hidden_folders_are_not_searched() {
    let folder = tempdir().unwrap();
    put_mnist(&folder.path().join("archive"), 7);
    put_mnist(&folder.path().join("__MACOSX"), 8);
    put_mnist(&folder.path().join(".cache"), 9);
    assert_eq!(open(folder.path(), None).unwrap().train.labels, [7, 4, 2]);
}

#[test]
fn two_data_sets_in_one_folder_are_refused_with_their_names() {
    let folder = tempdir().unwrap();
    put_mnist(&folder.path().join("MNIST"), 7);
    put_mnist(&folder.path().join("FashionMNIST"), 8);
    assert_error(folder.path(), &["contains several data sets: ", "FashionMNIST, ", "MNIST; choose one"]);
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(["train", "--backend", "cpu", "--data-dir"])
        .arg(folder.path())
        .assert()
        .code(2)
        .stderr(contains("several data sets").count(1))
        .stderr(contains("hint: --data-dir takes the path of one of them"));
    // The outer folder's own files are closer.
    put_mnist(folder.path(), 9);
    assert_eq!(open(folder.path(), None).unwrap().train.labels, [9, 4, 2]);
}

#[test]
fn a_zip_archive_is_refused_with_what_to_do() {
    let folder = tempdir().unwrap();
    put(folder.path(), "archive.zip", "PK");
    for path in [folder.path().to_owned(), folder.path().join("archive.zip")] {
        assert_error(&path, &["archive.zip is a packed archive; unpack it"]);
    }
}

#[test]
fn an_idx_file_in_place_of_its_folder_is_refused() {
    let folder = tempdir().unwrap();
    put(folder.path(), "train-images-idx3-ubyte.gz", gzip(&images(1, 28, 28)));
    assert_error(&folder.path().join("train-images-idx3-ubyte.gz"), &["is not a folder", "an .npz archive"]);
}
