//! Folders of PNG and JPEG files: opening them, and training on them with the program.
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
use predicates::str::{contains, is_empty};
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

mod split_folder {
    use super::*;

    #[test]
    fn a_folder_of_images_is_detected_and_its_classes_sorted_by_name() {
        let folder = pets();
        for kind in [None, Some(DatasetKind::Folder)] {
            let data = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
            assert_eq!((data.classes, data.class_names), (2, Some(vec!["cat".into(), "dog".into()])));
            assert_eq!(
                (&data.train.labels[..], &data.test.labels[..]),
                (&[0, 1, 0, 1, 0, 1][..], &[0, 1][..])
            );
            assert_eq!(centres(&data.train), [10, 100, 11, 101, 12, 102], "not sorted by file name");
            assert_eq!(centres(&data.test), [19, 109]);
        }
    }

    #[test]
    fn test_images_can_be_opened_without_training_images() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("train")).unwrap();
        assert_eq!(open_test(folder.path(), None, Conversion::default()).unwrap().labels, [0, 1]);
        assert!(error_message(folder.path(), None).contains("train is missing"));
    }

    #[test]
    fn images_of_28_are_centred_in_32_like_mnist() {
        let folder = digits(200);
        let data = open(folder.path()).unwrap();
        assert_eq!(
            (data.fit, data.train.channels, data.train.height, data.train.width),
            (Fit::Pad, 1, 32, 32)
        );
        let mnist = embedded_mnist_test(Conversion::default()).unwrap();
        // Classes are sorted by name, images of a class by their index in MNIST.
        let three = data.class_names.unwrap().iter().position(|name| name == "three").unwrap();
        let ours = data.train.labels.iter().position(|&label| usize::from(label) == three).unwrap();
        let theirs = (0..200).step_by(2).find(|&index| mnist.labels[index] == 3).unwrap();
        for (index, &pixel) in data.train.image(ours).iter().enumerate() {
            let (row, column) = (index / 32, index % 32);
            let inside = (2..30).contains(&row) && (2..30).contains(&column);
            let expected = if inside { mnist.image(theirs)[(row - 2) * 28 + column - 2] } else { 0 };
            assert_eq!(pixel, expected, "row {row}, column {column}");
        }
    }

    #[test]
    fn all_images_are_resized_if_one_is_not_28_by_28() {
        let folder = pets();
        write_image(&folder.path().join("test/dog/wide.PNG"), &[7; 50 * 20], 50, 20);
        let data = open(folder.path()).unwrap();
        assert_eq!(data.fit, Fit::Resize);
        // The corner of a padded image would be black.
        assert_eq!((data.train.image(0)[0], data.test.image(2)[0]), (10, 7));
    }

    #[test]
    fn padding_applies_to_each_image_and_rejects_large_ones() {
        let folder = pets();
        write_grey(&folder.path().join("test/dog/small.png"), 7, 4);
        let padded = Conversion { fit: Some(Fit::Pad), channels: None };
        let data = Dataset::open(folder.path(), None, padded).unwrap();
        assert_eq!(data.test.image(2).iter().filter(|&&pixel| pixel == 7).count(), 16);
        write_grey(&folder.path().join("test/dog/large.png"), 7, 33);
        let error = Dataset::open(folder.path(), None, padded).unwrap_err().to_string();
        assert!(error.contains("large.png is 33 pixels high") && error.contains("resize"), "{error}");
    }

    #[test]
    fn all_images_are_in_colour_if_one_is_unless_grey_is_requested() {
        let folder = pets();
        let red = [200, 0, 0].repeat(28 * 28);
        write_image(&folder.path().join("train/cat/red.png"), &red, 28, 28);
        let data = open(folder.path()).unwrap();
        assert_eq!((data.train.channels, data.test.channels), (3, 3));
        let centre = 16 * 32 + 16;
        let colour = |index: usize| [0, 1, 2].map(|channel| data.train.image(index)[channel * 1024 + centre]);
        assert_eq!((colour(0), colour(6)), ([10, 10, 10], [200, 0, 0]));

        let grey = Conversion { fit: None, channels: Some(Channels::Grey) };
        let data = Dataset::open(folder.path(), None, grey).unwrap();
        assert_eq!((data.train.channels, centres(&data.train)[6]), (1, 60), "not the luma of red");
    }

    #[test]
    fn photographs_are_read_and_resized() {
        let folder = pets();
        for class in ["cat", "dog"] {
            write_image(&folder.path().join(format!("test/{class}/photo.JPG")), &[90; 3 * 70 * 40], 70, 40);
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.test.len(), data.test.channels, data.fit), (4, 3, Fit::Resize));
        assert!(data.test.image(2).iter().all(|pixel| pixel.abs_diff(90) <= 3), "{:?}", data.test.image(2));
    }

    #[test]
    fn a_limited_set_contains_every_class() {
        let folder = digits(400);
        let data = open(folder.path()).unwrap().limited(NonZeroUsize::new(60), None);
        let mut labels = data.train.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels, Vec::from_iter(0..10));
    }
}

mod unsplit_folder {
    use super::*;

    fn images(counts: &[(&str, u8)]) -> TempDir {
        let folder = tempdir().unwrap();
        for &(class, count) in counts {
            (0..count).for_each(|image| {
                write_grey(&folder.path().join(format!("{class}/{image:03}.png")), image, 32);
            });
        }
        folder
    }

    #[test]
    fn each_class_is_split_and_every_image_is_in_one_set() {
        let folder = images(&[("cat", 50), ("dog", 10)]);
        let data = unsplit(folder.path()).split(0.2, 1).unwrap();
        let of_class = |images: &ImageSet, class| {
            let labelled = centres(images).into_iter().zip(&images.labels);
            let mut centres: Vec<_> =
                labelled.filter(|&(_, &label)| label == class).map(|(centre, _)| centre).collect();
            centres.sort_unstable();
            centres
        };
        for (class, count, held) in [(0, 50, 10), (1, 10, 2)] {
            let (train, test) = (of_class(&data.train, class), of_class(&data.test, class));
            assert_eq!(test.len(), held);
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(0..count));
        }
    }

    #[test]
    fn the_seed_selects_the_test_images() {
        let folder = images(&[("cat", 50), ("dog", 50)]);
        let test_images = |seed| unsplit(folder.path()).split(0.5, seed).unwrap().test;
        assert_eq!(test_images(1), test_images(1));
        assert_ne!(test_images(1), test_images(2));
    }

    #[test]
    fn a_class_may_be_called_train() {
        let folder = images(&[("bus", 2), ("train", 2)]);
        let data = unsplit(folder.path()).without_split().unwrap();
        assert_eq!(data.class_names.unwrap(), ["bus", "train"]);
    }

    #[test]
    fn a_class_of_one_image_cannot_be_split() {
        let folder = images(&[("cat", 2), ("dog", 1)]);
        let error = unsplit(folder.path()).split(0.5, 0).unwrap_err().to_string();
        assert!(error.contains("dog contains one readable image"), "{error}");
    }
}

mod invalid_folder {
    use super::*;

    fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_folder_without_images_is_reported_with_expected_and_found_files() {
        let folder = tempdir().unwrap();
        put(&folder, "notes.txt", b"nothing");
        fs::create_dir(folder.path().join("cat")).unwrap();
        for kind in [None, Some(DatasetKind::Folder)] {
            let message = error_message(folder.path(), kind);
            for part in ["train/CLASS/* and test/CLASS/*", "found cat, notes.txt"] {
                assert!(message.contains(part), "{message}");
            }
        }
        let file = put(&folder, "cat.png", b"");
        assert!(error_message(&file, Some(DatasetKind::Folder)).contains("cat.png is not a folder"));
        let nowhere = folder.path().join("nowhere");
        assert!(error_message(&nowhere, Some(DatasetKind::Folder)).contains("cannot read the folder"));
    }

    #[test]
    fn a_missing_subset_is_named() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("test")).unwrap();
        let message = error_message(folder.path(), None);
        assert!(message.contains("train contains training images"), "{message}");
        assert!(message.contains("test is missing"), "{message}");
    }

    #[test]
    fn a_class_in_only_one_subset_is_named() {
        for (subset, other) in [("train", "test"), ("test", "train")] {
            let folder = pets();
            write_grey(&folder.path().join(subset).join("emu/1.png"), 1, 28);
            write_grey(&folder.path().join(subset).join("fox/1.png"), 1, 28);
            let message = error_message(folder.path(), None);
            assert!(message.contains("the class \"emu\" is in "), "{message}");
            assert!(message.contains(&format!("{other} (and 1 more)")), "{message}");
        }
    }

    #[test]
    fn a_class_without_images_is_named() {
        let folder = pets();
        put(&folder, "train/emu/notes.txt", b"none yet");
        assert!(error_message(folder.path(), None).contains("emu contains no .png, .jpg or .jpeg"));
    }

    #[test]
    fn fewer_than_two_and_more_than_a_thousand_classes_are_rejected() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("train/dog")).unwrap();
        assert!(
            error_message(folder.path(), None).contains("each with the images of one class; it contains 1")
        );
        for class in 0..1_000 {
            put(&folder, &format!("train/{class}/1.png"), b"");
        }
        assert!(
            error_message(folder.path(), None)
                .contains("each with the images of one class; it contains 1001")
        );
    }

    #[test]
    fn images_outside_class_folders_are_reported() {
        let folder = tempdir().unwrap();
        for subset in ["train", "test"] {
            write_grey(&folder.path().join(subset).join("1.png"), 1, 28);
        }
        assert!(
            error_message(folder.path(), None).contains("each with the images of one class; it contains 0")
        );
    }

    #[test]
    fn the_first_unreadable_image_is_named_and_the_others_counted() {
        let folder = pets();
        let valid = fs::read(folder.path().join("test/cat/9.png")).unwrap();
        put(&folder, "test/cat/half.png", &valid[..valid.len() / 2]);
        let message = error_message(folder.path(), None);
        assert!(message.contains("half.png is damaged or truncated"), "{message}");
        assert!(!message.contains("more)") && message.contains("replace or remove"), "{message}");
        put(&folder, "train/dog/a.jpeg", b"");
        let message = error_message(folder.path(), None);
        assert!(message.contains("a.jpeg is empty (and 1 more)"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn links_to_class_folders_are_followed_but_not_deeper_ones() {
        use std::os::unix::fs::symlink;

        let (folder, elsewhere) = (pets(), tempdir().unwrap());
        write_grey(&elsewhere.path().join("1.png"), 77, 28);
        for subset in ["train", "test"] {
            symlink(elsewhere.path(), folder.path().join(subset).join("emu")).unwrap();
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.classes, centres(&data.test)), (3, vec![19, 109, 77]));

        symlink(folder.path(), folder.path().join("train/cat/circle")).unwrap();
        assert!(open(folder.path()).is_ok(), "deeper folders must be ignored");
        symlink("..", folder.path().join("train/up")).unwrap();
        assert!(error_message(folder.path(), None).contains("up contains no .png"));
    }
}

mod program {
    use super::*;

    /// Chance level is 10 %.
    const FAR_ABOVE_CHANCE: f64 = 0.6;

    fn lenet_gpu(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.args(arguments);
        command
    }

    fn train(data: &Path, run: &Path, arguments: &[&str]) -> Command {
        let mut command = lenet_gpu(&["train", "--backend", "cpu", "--data-dir"]);
        command.arg(data).arg("--run-dir").arg(run).args(arguments);
        command
    }

    fn evaluate(data: &Path, run: &Path) -> Command {
        let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "--data-dir"]);
        command.arg(data).arg("--model").arg(run.join("model.safetensors"));
        command
    }

    fn last_metrics(run: &Path) -> serde_json::Value {
        let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    fn one_line(expected: &str) -> impl Predicate<str> {
        contains(expected).and(predicate::function(|text: &str| {
            text.lines().filter(|line| !line.starts_with("hint: ")).count() == 1
        }))
    }

    #[test]
    fn training_on_image_files_learns_and_stores_the_class_names() {
        let (folder, output) = (digits(2_000), tempdir().unwrap());
        let run = output.path().join("run");
        let arguments = ["--dataset", "folder", "--epochs", "6", "--batch-size", "16"];
        train(folder.path(), &run, &arguments).assert().success().stdout(contains("test accuracy"));
        let accuracy = last_metrics(&run)["test_accuracy"].as_f64().unwrap();
        assert!(accuracy > FAR_ABOVE_CHANCE, "{accuracy}");

        let info = weights::load(&run.join("model.safetensors")).unwrap().info;
        let names = info.class_names.unwrap();
        assert_eq!((names[0].as_str(), names[9].as_str(), names.len()), ("eight", "zero", 10));

        // The same images as an unsplit folder.
        let accuracy = format!("accuracy {:.2} %", 100.0 * accuracy);
        evaluate(folder.path(), &run).assert().success().stdout(contains(accuracy.as_str()));
        evaluate(&folder.path().join("test"), &run)
            .assert()
            .success()
            .stdout(contains(accuracy.as_str()))
            .stderr(contains("has no test folder, so all of its images are used"));

        fs::rename(folder.path().join("test/seven"), folder.path().join("test/sieben")).unwrap();
        evaluate(folder.path(), &run)
            .assert()
            .code(2)
            .stderr(one_line("class 5 is \"seven\" in the model and \"sieben\" in the data set"));
    }

    #[test]
    fn evaluation_fits_images_as_training_did() {
        let (folder, output) = (pets(), tempdir().unwrap());
        let run = output.path().join("run");
        write_grey(&folder.path().join("train/dog/large.png"), 9, 40);
        train(folder.path(), &run, &["--epochs", "1"]).assert().success();
        fs::remove_dir_all(folder.path().join("train")).unwrap();
        // On their own, images of 28×28 would be padded.
        let assert = evaluate(folder.path(), &run).arg("--json").assert().success();
        let found: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        assert_eq!(found["loss"], last_metrics(&run)["test_loss"]);
    }

    #[test]
    fn an_unsplit_folder_requires_a_validation_split() {
        let (folder, output) = (digits(200), tempdir().unwrap());
        let run = output.path().join("run");
        let images = folder.path().join("train");
        train(&images, &run, &[])
            .assert()
            .code(2)
            .stderr(contains("not split into training and test images"));
        train(&images, &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
        let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        let [train, test] = ["train", "test"].map(|subset| config["data"][subset].as_integer().unwrap());
        assert_eq!(train + test, 100);
        // The share is rounded for each class.
        assert!((25..=35).contains(&test), "{test}");
        assert!(last_metrics(&run).get("validation_loss").is_none());
    }

    #[test]
    fn validation_images_are_taken_from_the_training_images_of_a_split_folder() {
        let (folder, output) = (digits(200), tempdir().unwrap());
        let run = output.path().join("run");
        train(folder.path(), &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
        let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        let counts =
            ["train", "validation", "test"].map(|subset| config["data"][subset].as_integer().unwrap());
        assert_eq!(counts, [70, 30, 100]);
    }

    #[test]
    fn unreadable_images_are_skipped_with_a_warning_if_allowed() {
        let (folder, output) = (pets(), tempdir().unwrap());
        let run = output.path().join("run");
        for image in 0..5 {
            fs::write(folder.path().join(format!("train/cat/bad-{image}.png")), "no image").unwrap();
        }
        let expected = "bad-0.png is neither PNG nor JPEG (and 4 more)";
        train(folder.path(), &run, &[]).assert().code(2).stderr(contains(expected));
        train(folder.path(), &run, &["--skip-bad-images", "--epochs", "1"])
            .assert()
            .success()
            .stderr(contains("warning: skipped 5 of 13 images: ").and(contains("bad-2.png is neither")));
        let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        assert_eq!(config["data"]["train"].as_integer(), Some(6));
        assert_eq!(config["options"]["skip-bad-images"].as_bool(), Some(true));

        for image in 0..3 {
            fs::write(folder.path().join(format!("train/cat/{image}.png")), "no image").unwrap();
        }
        train(folder.path(), &output.path().join("other"), &["--skip-bad-images"])
            .assert()
            .code(2)
            .stderr(contains("none of the images in").and(contains("cat can be read")));
    }

    #[test]
    fn ignored_files_are_counted_except_hidden_and_system_files() {
        let (folder, output) = (pets(), tempdir().unwrap());
        let quick = ["--epochs", "1", "-q"];
        for name in ["train/.DS_Store", "train/cat/Thumbs.db", "train/cat/._0.png", "test/dog/desktop.ini"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("train/.cache")).unwrap();
        train(folder.path(), &output.path().join("a"), &quick).assert().success().stderr(is_empty());
        for name in ["readme.txt", "train/labels.csv", "test/dog/9.gif"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        train(folder.path(), &output.path().join("b"), &quick)
            .assert()
            .success()
            .stderr(one_line("warning: ignored 3 entries in ").and(contains("readme.txt")));
    }

    #[test]
    fn a_thousand_classes_can_be_trained() {
        let (folder, output) = (tempdir().unwrap(), tempdir().unwrap());
        let run = output.path().join("run");
        for class in 0..1_000 {
            for subset in ["train", "test"] {
                let path = folder.path().join(format!("{subset}/{class:03}/1.png"));
                write_grey(&path, (class % 256) as u8, 8);
            }
        }
        train(folder.path(), &run, &["--epochs", "1"]).assert().success();
        let model = weights::load(&run.join("model.safetensors")).unwrap();
        assert_eq!((model.network.classes, model.info.class_names.unwrap().len()), (1_000, 1_000));
    }

    #[test]
    fn bench_accepts_split_and_unsplit_folders() {
        let folder = pets();
        for (data, batch) in [(folder.path().to_owned(), "6"), (folder.path().join("test"), "2")] {
            lenet_gpu(&[
                "bench",
                "--by-count",
                "--batch-size",
                batch,
                "--profile-batch-size",
                batch,
                "--data-dir",
            ])
            .arg(data)
            .assert()
            .success()
            .stdout(contains(format!("batch size {batch}").as_str()));
        }
    }

    #[test]
    fn image_folders_cannot_be_downloaded() {
        lenet_gpu(&["train", "--backend", "cpu", "--dataset", "folder"])
            .assert()
            .code(2)
            .stderr(one_line("requires --data-dir"));
        lenet_gpu(&["data", "fetch", "folder"]).assert().code(2).stderr(contains("cifar10"));
        lenet_gpu(&["data", "list"]).assert().success().stdout(contains("folder").not());
    }

    #[test]
    fn class_names_are_stored_if_the_kind_is_requested() {
        let output = tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
        for (name, arguments) in [("requested", &["--dataset", "cifar10"][..]), ("detected", &[])] {
            let run = output.path().join(name);
            train(&sample, &run, &[arguments, &["--max-steps", "1"]].concat()).assert().success();
            let names = weights::load(&run.join("model.safetensors")).unwrap().info.class_names;
            assert_eq!(names.is_some_and(|names| names[6] == "frog"), name == "requested");
        }
    }
}
