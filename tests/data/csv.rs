//! Data sets as CSV files, as Kaggle publishes MNIST.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::data::formats::csv::{self, CsvError};
use lenet_gpu::data::{Conversion, Dataset, DatasetKind, Fit, OpenOptions, OpenedDataset, open_test};
use predicates::str::contains;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use crate::idx::gzip;

/// A line for each label, with 28×28 pixels of ten times the label but for the first, which is 255.
fn table(labels: &[u8]) -> String {
    labels
        .iter()
        .map(|&label| format!("{label},255{}\n", format!(",{}", label.wrapping_mul(10)).repeat(783)))
        .collect()
}

/// Kaggle's header.
fn header() -> String {
    let pixels: Vec<_> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
    format!("label,{}\n", pixels.join(","))
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
}

fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    put(folder.path(), "mnist_train.csv", table(&[5, 0, 4]));
    put(folder.path(), "mnist_test.csv", table(&[7, 2]));
    folder
}

fn open(path: &Path) -> Dataset {
    Dataset::open(path, None, Conversion::default()).unwrap()
}

/// Opening the folder with this training table fails with a one-line message that contains all of `expected`.
#[track_caller]
fn assert_error(table: impl AsRef<[u8]>, expected: &[&str]) {
    let folder = folder();
    put(folder.path(), "mnist_train.csv", table);
    let line = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err().to_string();
    for part in expected.iter().chain(&["mnist_train.csv"]) {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn tables_with_and_without_a_header_are_read() {
    let quoted = format!("\"{}\"\n", header().trim_end().replace(',', "\",\""));
    for header in [String::new(), header(), header().replace("label", "LABEL"), quoted] {
        let folder = folder();
        put(folder.path(), "mnist_train.csv", header + &table(&[5, 0, 4]));
        for kind in [None, Some(DatasetKind::Mnist)] {
            let set = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
            assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[5, 0, 4][..], &[7, 2][..]));
            assert_eq!((set.train.channels, set.train.height, set.train.width), (1, 28, 28));
            assert_eq!(set.train.image(0)[..3], [255, 50, 50]);
        }
    }
}

#[test]
fn a_file_stands_for_its_pair() {
    let folder = folder();
    for name in ["mnist_train.csv", "mnist_test.csv"] {
        let path = folder.path().join(name);
        assert_eq!(open(&path).train.labels, [5, 0, 4]);
        assert_eq!(open_test(&path, None, Conversion::default()).unwrap().labels, [7, 2]);
    }
}

#[test]
fn gzip_other_separators_line_ends_and_notations_are_read() {
    let plain = table(&[5, 0, 4]);
    for text in [
        plain.replace('\n', "\r\n"),
        plain.trim_end().to_owned(),
        format!("\u{feff}{plain}\n\n"),
        plain.replace(',', ";"),
        plain.replace(',', "\t"),
        plain.replace(',', ", "),
        plain.replace(",50", ",50.0"),
        plain.replace(",50", ",\"50\""),
    ] {
        let folder = folder();
        fs::remove_file(folder.path().join("mnist_train.csv")).unwrap();
        put(folder.path(), "mnist_train.csv.gz", gzip(text.as_bytes()));
        let set = open(folder.path());
        assert_eq!((&set.train.labels[..], &set.train.image(0)[..3]), (&[5, 0, 4][..], &[255, 50, 50][..]));
    }
}

#[test]
fn the_header_says_where_the_labels_are() {
    let line = |label: u8| format!("{}{label}\n", "9,".repeat(64));
    let names: Vec<_> = (1..=64).map(|pixel| format!("pixel{pixel}")).collect();
    let text = format!("{},class\n{}{}", names.join(","), line(3), line(1));
    let images = csv::read(&mut text.as_bytes()).unwrap();
    assert_eq!((images.labels, images.height, images.pixels), (vec![3, 1], 8, vec![9; 128]));
}

#[test]
fn a_header_of_numbers_is_one_if_it_names_the_labels() {
    let names: Vec<_> = (0..784).map(|pixel| pixel.to_string()).collect();
    let text = format!("label,{}\n{}", names.join(","), table(&[3]));
    assert_eq!(csv::read(&mut text.as_bytes()).unwrap().labels, [3]);
}

#[test]
fn colour_images_have_a_plane_for_each_channel() {
    let pixels = [1, 2, 3].map(|value| format!(",{value}").repeat(1024)).concat();
    let images = csv::read(&mut format!("6{pixels}\n").as_bytes()).unwrap();
    assert_eq!((images.channels, images.height, images.width), (3, 32, 32));
    assert_eq!([images.pixels[0], images.pixels[1024], images.pixels[2048]], [1, 2, 3]);
}

#[test]
fn emnists_tables_are_recognised_by_their_names() {
    let folder = tempdir().unwrap();
    let labels: Vec<u8> = (1..=26).collect();
    for subset in ["train", "test"] {
        put(folder.path(), &format!("emnist-letters-{subset}.csv"), table(&labels));
    }
    let set = open(folder.path());
    assert_eq!((set.classes, set.train.labels[0], set.class_names.unwrap()[25].as_str()), (26, 0, "Z"));
    put(folder.path(), "emnist-digits-train.csv", table(&[1]));
    let error = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err().to_string();
    assert!(error.contains("several data sets: emnist-digits, emnist-letters"), "{error}");
    let letters = Dataset::open(folder.path(), Some(DatasetKind::EmnistLetters), Conversion::default());
    assert_eq!(letters.unwrap().classes, 26);
}

#[test]
fn a_wrong_value_is_reported_by_its_line_and_column() {
    let wrong = |line: usize, column: usize, value: &str| {
        let text = if line == 1 { String::new() } else { header() } + &table(&[5, 0, 4]);
        let mut lines: Vec<Vec<_>> = text.lines().map(|line| line.split(',').collect()).collect();
        lines[line - 1][column - 1] = value;
        lines.iter().map(|fields| fields.join(",") + "\r\n").collect::<String>()
    };
    for (line, column, value, expected) in [
        (2, 2, "256", "line 2, column 2: \"256\" is not a pixel, a whole number from 0 to 255"),
        (3, 785, "-1", "line 3, column 785: \"-1\" is not a pixel"),
        (4, 17, "0.5", "line 4, column 17: \"0.5\""),
        (4, 17, "", "line 4, column 17: \"\""),
        // Not a header, which the first of these lines would be lost as.
        (1, 1, "cat", "line 1, column 1: \"cat\" is not a label"),
        (1, 1, "", "line 1, column 1: \"\" is not a label"),
        (3, 1, "cat", "line 3, column 1: \"cat\" is not a label"),
        (3, 1, "65536", "line 3, column 1: \"65536\" is not a label"),
    ] {
        assert_error(wrong(line, column, value), &[expected]);
    }
}

#[test]
fn tables_of_other_shapes_are_refused() {
    assert_error("", &["contains no images"]);
    assert_error(header(), &["contains no images"]);
    assert_error("id,label\n1,cat\n", &["line 1 has 2 columns; expected a label and the pixels"]);
    assert_error(
        header().replace("label,pixel0,pixel1", "pixel0,label,pixel1") + &table(&[5]),
        &["line 1, column 2: the labels must be in the first or the last of the 785 columns"],
    );
    assert_error("<html>Not found</html>", &["line 1 has 1 columns"]);
    assert_error(table(&[1]).replacen('\n', ",0,0\n", 1), &["line 1 has 787 columns"]);
    let cut = table(&[1, 2]);
    assert_error(&cut[..cut.len() - 30], &["line 2 has 776 columns, but line 1 has 785", "truncated"]);
    assert_error(format!("{}\n", "1,".repeat(200_000)), &["line 1 is too long"]);
    assert_error("7".repeat(2 << 20), &["line 1 is too long"]);
    assert_error(&gzip(b"1,2")[..12], &["cannot decompress"]);
}

#[test]
fn a_label_outside_the_requested_set_is_rejected() {
    let folder = folder();
    put(folder.path(), "mnist_test.csv", table(&[1, 10]));
    let error = Dataset::open(folder.path(), Some(DatasetKind::Mnist), Conversion::default()).unwrap_err();
    assert!(
        error.to_string().contains("mnist_test.csv: label 10 at record 1 (from 0); mnist has"),
        "{error}"
    );
}

#[test]
fn a_missing_training_file_is_reported_and_evaluation_needs_none() {
    let folder = folder();
    fs::remove_file(folder.path().join("mnist_train.csv")).unwrap();
    let error = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err().to_string();
    assert!(error.contains("missing mnist_train.csv; found mnist_test.csv"), "{error}");
    assert_eq!(open_test(folder.path(), None, Conversion::default()).unwrap().labels, [7, 2]);
}

mod without_test_labels {
    use super::*;

    /// The files of Kaggle's Digit Recognizer, with ten images of each of three classes.
    fn digit_recognizer() -> TempDir {
        let folder = tempdir().unwrap();
        let labels: Vec<u8> = (0..30).map(|image| image % 3).collect();
        put(folder.path(), "train.csv", header() + &table(&labels));
        put(folder.path(), "test.csv", without_labels());
        put(folder.path(), "sample_submission.csv", "ImageId,Label\n1,0\n");
        folder
    }

    fn without_labels() -> String {
        let lines: Vec<_> = (header() + &table(&[5, 6]))
            .lines()
            .map(|line| line.split_once(',').unwrap().1.to_owned())
            .collect();
        lines.join("\n")
    }

    fn unsplit(path: &Path) -> lenet_gpu::data::UnsplitFolder {
        match OpenOptions::default().open(path).unwrap() {
            OpenedDataset::Unsplit(images) => images,
            OpenedDataset::Split(data) => panic!("it has a split: {data:?}"),
        }
    }

    #[test]
    fn a_share_of_each_class_is_held_out_for_testing() {
        let folder = digit_recognizer();
        for path in
            [folder.path().to_owned(), folder.path().join("train.csv"), folder.path().join("test.csv")]
        {
            let images = unsplit(&path);
            let set = images.split(0.2, 1).unwrap();
            assert_eq!((set.train.len(), set.test.len(), set.classes), (24, 6, 3));
            let mut labels = set.test.labels.clone();
            labels.sort_unstable();
            assert_eq!(labels, [0, 0, 1, 1, 2, 2]);
            assert_eq!((set.test.image(0)[1] / 10) as u16, set.test.labels[0], "its own label");
            assert_eq!(images.split(0.2, 1).unwrap().test, set.test, "the seed decides");
            assert_eq!(images.without_split().unwrap().test.len(), 30);
            assert_eq!(open_test(&path, None, Conversion::default()).unwrap().len(), 30);
        }
    }

    #[test]
    fn a_single_file_of_any_name_is_split_too() {
        let folder = digit_recognizer();
        fs::rename(folder.path().join("train.csv"), folder.path().join("digits.csv")).unwrap();
        assert_eq!(unsplit(&folder.path().join("digits.csv")).split(0.5, 1).unwrap().test.len(), 15);
    }

    #[test]
    fn a_class_with_one_image_cannot_be_split() {
        let folder = tempdir().unwrap();
        put(folder.path(), "train.csv", table(&[0, 0, 3]));
        let error = unsplit(folder.path()).split(0.5, 1).unwrap_err().to_string();
        assert!(error.contains("class 3 has one image; at least two are needed"), "{error}");
    }

    #[test]
    fn train_asks_for_the_share_to_test_with() {
        let folder = digit_recognizer();
        let lenet_gpu = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
            command.args(["train", "--quiet", "--backend", "cpu", "--epochs", "1", "--batch-size", "6"]);
            command.arg("--run-dir").arg(folder.path().join("run")).arg("--data-dir").arg(folder.path());
            command
        };
        lenet_gpu()
            .assert()
            .code(2)
            .stderr(contains(
                "train.csv are not split into training and test images; add a file of test images",
            ))
            .stderr(contains("hint: --validation-split 0.2"));
        lenet_gpu().args(["--validation-split", "0.2"]).assert().success();
    }
}

#[test]
fn a_table_beside_folders_of_images_is_not_a_data_set() {
    let folder = tempdir().unwrap();
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/photos");
    for (subset, class, name) in [
        ("train", "0", "sans-0.jpg"),
        ("train", "1", "sans-1.jpg"),
        ("test", "0", "sans-0.jpg"),
        ("test", "1", "sans-1.jpg"),
    ] {
        let class = folder.path().join(subset).join(class);
        fs::create_dir_all(&class).unwrap();
        fs::copy(photos.join(name), class.join(name)).unwrap();
    }
    put(folder.path(), "train.csv", "id,label\n0,0\n");
    let set =
        Dataset::open(folder.path(), None, Conversion { fit: Some(Fit::Resize), ..Conversion::default() });
    assert_eq!(set.unwrap().class_names.unwrap(), ["0", "1"]);
}

#[test]
fn tables_beside_figures_are_not_ignored() {
    let folder = folder();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/photos/sans-0.jpg");
    fs::create_dir(folder.path().join("figures")).unwrap();
    fs::copy(photo, folder.path().join("figures/0.jpg")).unwrap();
    let open = |kind| OpenOptions { kind, ..OpenOptions::default() }.open(folder.path());
    let error = open(None).unwrap_err().to_string();
    assert!(
        error.contains("several data sets: its folders of images, ") && error.contains("_train.csv"),
        "{error}"
    );
    assert!(matches!(open(Some(DatasetKind::Folder)), Ok(OpenedDataset::Unsplit(_))));
    assert!(matches!(open(Some(DatasetKind::Mnist)), Ok(OpenedDataset::Split(_))));
    for subset in ["train", "test"] {
        put(folder.path(), &format!("mnist_{subset}.csv"), "file,label\na/0.jpg,a\n");
    }
    assert!(matches!(open(None), Ok(OpenedDataset::Unsplit(_))), "lists of files are no data set");
}

proptest! {
    #[test]
    fn arbitrary_text_never_causes_a_panic(text in prop::collection::vec(
        prop::sample::select(b"0123456789,;\t\r\n\"abc. -".to_vec()), 0..400,
    )) {
        let _ = csv::read(&mut &text[..]);
    }

    #[test]
    fn values_are_read_back(labels in prop::collection::vec(any::<u16>(), 1..4), seed in any::<u8>()) {
        let pixels: Vec<u8> = (0..labels.len() * 64).map(|index| (index as u8).wrapping_mul(37) ^ seed).collect();
        let lines = labels.iter().zip(pixels.chunks(64)).map(|(label, pixels)| {
            format!("{label}{}\n", pixels.iter().map(|pixel| format!(",{pixel}")).collect::<String>())
        });
        match csv::read(&mut lines.collect::<String>().as_bytes()) {
            Ok(images) => prop_assert_eq!((images.labels, images.pixels), (labels, pixels)),
            Err(CsvError::Io(error)) => prop_assert!(false, "{error}"),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
