//! Your own images: folders of PNG and JPEG files, as they are opened, and as the program trains on them.
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::data::{
    Channels, Conversion, DataError, Dataset, DatasetKind, Fit, ImageSet, OpenOptions, Opened, Undivided,
    embedded_mnist_test, open_test,
};
use lenet_gpu::model::weights;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use tempfile::{TempDir, tempdir};

/// Writes an image whose kind its name tells: grey pixels, H×W, or three channels of them, H×W×C.
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

/// A folder of two classes, each of three grey images to train on and one to test with.
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

/// MNIST's first test images as PNG files, in folders named by words, those of odd places to test with.
fn digits(count: usize) -> TempDir {
    const NAMES: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let folder = tempdir().unwrap();
    let mnist = embedded_mnist_test(Conversion::default()).unwrap();
    for place in 0..count {
        let (part, class) = (["train", "test"][place % 2], NAMES[usize::from(mnist.labels[place])]);
        let path = folder.path().join(format!("{part}/{class}/{place:05}.png"));
        write_image(&path, mnist.image(place), 28, 28);
    }
    folder
}

fn open(folder: &Path) -> Result<Dataset, DataError> {
    Dataset::open(folder, None, Conversion::default())
}

/// The message of the error that a folder ends in, which is one line.
#[track_caller]
fn refusal(folder: &Path, kind: Option<DatasetKind>) -> String {
    let message = Dataset::open(folder, kind, Conversion::default()).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn undivided(folder: &Path) -> Undivided {
    match OpenOptions::default().open(folder).unwrap() {
        Opened::Undivided(images) => images,
        Opened::Divided(data) => panic!("{data:?}"),
    }
}

/// The pixel in the middle of each image's first channel.
fn middles(split: &ImageSet) -> Vec<u8> {
    (0..split.len()).map(|place| split.image(place)[16 * 32 + 16]).collect()
}

mod a_folder_with_a_train_and_a_test_part {
    use super::*;

    #[test]
    fn is_recognised_and_its_classes_are_the_sorted_names_of_its_folders() {
        let folder = pets();
        for kind in [None, Some(DatasetKind::Folder)] {
            let data = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
            assert_eq!((data.classes, data.class_names), (2, Some(vec!["cat".into(), "dog".into()])));
            assert_eq!(
                (&data.train.labels[..], &data.test.labels[..]),
                (&[0, 1, 0, 1, 0, 1][..], &[0, 1][..])
            );
            assert_eq!(middles(&data.train), [10, 100, 11, 101, 12, 102], "by the names of the files");
            assert_eq!(middles(&data.test), [19, 109]);
        }
    }

    #[test]
    fn may_lack_what_to_train_on_where_only_the_test_is_asked_for() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("train")).unwrap();
        assert_eq!(open_test(folder.path(), None, Conversion::default()).unwrap().labels, [0, 1]);
        assert!(refusal(folder.path(), None).contains("train is not there to train on"));
    }

    #[test]
    fn has_images_of_28_in_the_middle_of_32_as_engines_see_mnist() {
        let folder = digits(200);
        let data = open(folder.path()).unwrap();
        assert_eq!(
            (data.fit, data.train.channels, data.train.height, data.train.width),
            (Fit::Pad, 1, 32, 32)
        );
        let mnist = embedded_mnist_test(Conversion::default()).unwrap();
        // By the names of the classes, "three" comes after "seven"; a class's first is its first in MNIST.
        let three = data.class_names.unwrap().iter().position(|name| name == "three").unwrap();
        let ours = data.train.labels.iter().position(|&label| usize::from(label) == three).unwrap();
        let theirs = (0..200).step_by(2).find(|&place| mnist.labels[place] == 3).unwrap();
        for (place, &pixel) in data.train.image(ours).iter().enumerate() {
            let (row, column) = (place / 32, place % 32);
            let inside = (2..30).contains(&row) && (2..30).contains(&column);
            let expected = if inside { mnist.image(theirs)[(row - 2) * 28 + column - 2] } else { 0 };
            assert_eq!(pixel, expected, "row {row}, column {column}");
        }
    }

    #[test]
    fn has_all_images_resized_where_one_is_not_of_28() {
        let folder = pets();
        write_image(&folder.path().join("test/dog/wide.PNG"), &[7; 50 * 20], 50, 20);
        let data = open(folder.path()).unwrap();
        assert_eq!(data.fit, Fit::Resize);
        // Padded, it would be black there.
        assert_eq!((data.train.image(0)[0], data.test.image(2)[0]), (10, 7));
    }

    #[test]
    fn has_each_image_padded_by_itself_where_that_is_asked_for() {
        let folder = pets();
        write_grey(&folder.path().join("test/dog/small.png"), 7, 4);
        let padded = Conversion { fit: Some(Fit::Pad), channels: None };
        let data = Dataset::open(folder.path(), None, padded).unwrap();
        assert_eq!(data.test.image(2).iter().filter(|&&pixel| pixel == 7).count(), 16);
        write_grey(&folder.path().join("test/dog/large.png"), 7, 33);
        let error = Dataset::open(folder.path(), None, padded).unwrap_err().to_string();
        assert!(error.contains("large.png is 33 high") && error.contains("--fit resize"), "{error}");
    }

    #[test]
    fn is_in_colour_where_one_image_is_unless_grey_is_asked_for() {
        let folder = pets();
        let red = [200, 0, 0].repeat(28 * 28);
        write_image(&folder.path().join("train/cat/red.png"), &red, 28, 28);
        let data = open(folder.path()).unwrap();
        assert_eq!((data.train.channels, data.test.channels), (3, 3));
        let middle = 16 * 32 + 16;
        let seen = |place: usize| [0, 1, 2].map(|channel| data.train.image(place)[channel * 1024 + middle]);
        assert_eq!((seen(0), seen(6)), ([10, 10, 10], [200, 0, 0]));

        let grey = Conversion { fit: None, channels: Some(Channels::Grey) };
        let data = Dataset::open(folder.path(), None, grey).unwrap();
        assert_eq!((data.train.channels, middles(&data.train)[6]), (1, 60), "red's luma");
    }

    #[test]
    fn may_hold_photographs() {
        let folder = pets();
        for class in ["cat", "dog"] {
            write_image(&folder.path().join(format!("test/{class}/photo.JPG")), &[90; 3 * 70 * 40], 70, 40);
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.test.len(), data.test.channels, data.fit), (4, 3, Fit::Resize));
        assert!(data.test.image(2).iter().all(|pixel| pixel.abs_diff(90) <= 3), "{:?}", data.test.image(2));
    }

    #[test]
    fn keeps_every_class_when_it_is_limited() {
        let folder = digits(400);
        let data = open(folder.path()).unwrap().limited(NonZeroUsize::new(60), None);
        let mut labels = data.train.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels, Vec::from_iter(0..10));
    }
}

mod one_folder_of_classes {
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
    fn is_divided_class_by_class_and_no_image_is_lost() {
        let folder = images(&[("cat", 50), ("dog", 10)]);
        let data = undivided(folder.path()).divide(0.2, 1).unwrap();
        let of = |split: &ImageSet, class| {
            let middles = middles(split).into_iter().zip(&split.labels);
            let mut of: Vec<_> =
                middles.filter(|&(_, &label)| label == class).map(|(middle, _)| middle).collect();
            of.sort_unstable();
            of
        };
        for (class, count, held) in [(0, 50, 10), (1, 10, 2)] {
            let (train, test) = (of(&data.train, class), of(&data.test, class));
            assert_eq!(test.len(), held);
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(0..count));
        }
    }

    #[test]
    fn is_divided_as_the_seed_has_it() {
        let folder = images(&[("cat", 50), ("dog", 50)]);
        let divided = |seed| undivided(folder.path()).divide(0.5, seed).unwrap().test;
        assert_eq!(divided(1), divided(1));
        assert_ne!(divided(1), divided(2));
    }

    #[test]
    fn may_have_a_class_called_train() {
        let folder = images(&[("bus", 2), ("train", 2)]);
        let data = undivided(folder.path()).as_both_parts().unwrap();
        assert_eq!(data.class_names.unwrap(), ["bus", "train"]);
    }

    #[test]
    fn is_refused_where_a_class_has_nothing_to_divide() {
        let folder = images(&[("cat", 2), ("dog", 1)]);
        let error = undivided(folder.path()).divide(0.5, 0).unwrap_err().to_string();
        assert!(error.contains("dog has one image"), "{error}");
    }
}

mod what_is_no_folder_of_images {
    use super::*;

    fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn is_told_with_what_was_looked_for_and_what_lies_there() {
        let folder = tempdir().unwrap();
        put(&folder, "notes.txt", b"nothing");
        fs::create_dir(folder.path().join("cat")).unwrap();
        for kind in [None, Some(DatasetKind::Folder)] {
            let message = refusal(folder.path(), kind);
            for part in ["train/CLASS/* with test/CLASS/*", "there lies cat, notes.txt"] {
                assert!(message.contains(part), "{message}");
            }
        }
        let file = put(&folder, "cat.png", b"");
        assert!(refusal(&file, Some(DatasetKind::Folder)).contains("cat.png is not a folder"));
        let nowhere = folder.path().join("nowhere");
        assert!(refusal(&nowhere, Some(DatasetKind::Folder)).contains("cannot read the folder"));
    }

    #[test]
    fn a_part_that_is_missing_is_named() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("test")).unwrap();
        let message = refusal(folder.path(), None);
        assert!(message.contains("train holds images to train on"), "{message}");
        assert!(message.contains("test is not there to test with"), "{message}");
        assert!(message.contains("--validation-split"), "{message}");
    }

    #[test]
    fn a_class_of_only_one_part_is_named() {
        for (part, other) in [("train", "test"), ("test", "train")] {
            let folder = pets();
            write_grey(&folder.path().join(part).join("emu/1.png"), 1, 28);
            write_grey(&folder.path().join(part).join("fox/1.png"), 1, 28);
            let message = refusal(folder.path(), None);
            assert!(message.contains("the class \"emu\" is in "), "{message}");
            assert!(message.contains(&format!("{other} (and 1 more like it)")), "{message}");
        }
    }

    #[test]
    fn a_class_without_images_is_named() {
        let folder = pets();
        put(&folder, "train/emu/notes.txt", b"none yet");
        assert!(refusal(folder.path(), None).contains("emu holds no .png, .jpg or .jpeg"));
    }

    #[test]
    fn fewer_than_two_classes_and_more_than_a_thousand_are_refused() {
        let folder = pets();
        fs::remove_dir_all(folder.path().join("train/dog")).unwrap();
        assert!(refusal(folder.path(), None).contains("with its images, and holds 1"));
        for class in 0..1_000 {
            put(&folder, &format!("train/{class}/1.png"), b"");
        }
        assert!(refusal(folder.path(), None).contains("with its images, and holds 1001"));
    }

    #[test]
    fn images_that_lie_in_no_class_are_told_of() {
        let folder = tempdir().unwrap();
        for part in ["train", "test"] {
            write_grey(&folder.path().join(part).join("1.png"), 1, 28);
        }
        assert!(refusal(folder.path(), None).contains("with its images, and holds 0"));
    }

    #[test]
    fn an_image_that_cannot_be_read_is_named_with_how_many_are_like_it() {
        let folder = pets();
        let sound = fs::read(folder.path().join("test/cat/9.png")).unwrap();
        put(&folder, "test/cat/half.png", &sound[..sound.len() / 2]);
        let message = refusal(folder.path(), None);
        assert!(message.contains("half.png is damaged, cut off"), "{message}");
        assert!(!message.contains("more like it") && message.contains("--skip-bad-images"), "{message}");
        put(&folder, "train/dog/a.jpeg", b"");
        let message = refusal(folder.path(), None);
        assert!(message.contains("a.jpeg is empty (and 1 more like it)"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_folders_and_never_in_a_circle() {
        use std::os::unix::fs::symlink;

        let (folder, elsewhere) = (pets(), tempdir().unwrap());
        write_grey(&elsewhere.path().join("1.png"), 77, 28);
        for part in ["train", "test"] {
            symlink(elsewhere.path(), folder.path().join(part).join("emu")).unwrap();
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.classes, middles(&data.test)), (3, vec![19, 109, 77]));

        symlink(folder.path(), folder.path().join("train/cat/circle")).unwrap();
        assert!(open(folder.path()).is_ok(), "what lies deeper is left alone");
        symlink("..", folder.path().join("train/up")).unwrap();
        assert!(refusal(folder.path(), None).contains("up holds no .png"));
    }
}

mod the_program {
    use super::*;

    /// By chance it would be 10 %.
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

    fn one_line(says: &str) -> impl Predicate<str> {
        contains(says).and(predicate::function(|text: &str| {
            text.lines().filter(|line| !line.starts_with("hint: ")).count() == 1
        }))
    }

    #[test]
    fn learns_digits_from_their_files_and_keeps_the_names_of_their_classes() {
        let (folder, place) = (digits(2_000), tempdir().unwrap());
        let run = place.path().join("run");
        let arguments = ["--dataset", "folder", "--epochs", "6", "--batch-size", "16"];
        train(folder.path(), &run, &arguments).assert().success().stdout(contains("test accuracy"));
        let accuracy = last_metrics(&run)["test_accuracy"].as_f64().unwrap();
        assert!(accuracy > FAR_ABOVE_CHANCE, "{accuracy}");

        let about = weights::load(&run.join("model.safetensors")).unwrap().about;
        let names = about.class_names.unwrap();
        assert_eq!((names[0].as_str(), names[9].as_str(), names.len()), ("eight", "zero", 10));

        // The same images by another path: in the test folder alone.
        let told = format!("accuracy {:.2} %", 100.0 * accuracy);
        evaluate(folder.path(), &run).assert().success().stdout(contains(told.as_str()));
        evaluate(&folder.path().join("test"), &run)
            .assert()
            .success()
            .stdout(contains(told.as_str()))
            .stderr(contains("has no test folder, so all of its images are taken"));

        fs::rename(folder.path().join("test/seven"), folder.path().join("test/sieben")).unwrap();
        evaluate(folder.path(), &run)
            .assert()
            .code(2)
            .stderr(one_line("class 5 is \"seven\" in the model and \"sieben\" in the data set"));
    }

    #[test]
    fn evaluates_images_as_they_were_fitted_in_training() {
        let (folder, place) = (pets(), tempdir().unwrap());
        let run = place.path().join("run");
        write_grey(&folder.path().join("train/dog/large.png"), 9, 40);
        train(folder.path(), &run, &["--epochs", "1"]).assert().success();
        fs::remove_dir_all(folder.path().join("train")).unwrap();
        // By themselves, those of 28×28 would be padded.
        let assert = evaluate(folder.path(), &run).arg("--json").assert().success();
        let found: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        assert_eq!(found["loss"], last_metrics(&run)["test_loss"]);
    }

    #[test]
    fn divides_one_folder_by_validation_split_and_asks_for_it() {
        let (folder, place) = (digits(200), tempdir().unwrap());
        let run = place.path().join("run");
        let images = folder.path().join("train");
        train(&images, &run, &[]).assert().code(2).stderr(one_line("--validation-split 0.2"));
        train(&images, &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
        let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        let [train, test] = ["train", "test"].map(|part| config["data"][part].as_integer().unwrap());
        assert_eq!(train + test, 100);
        // Each class's share is rounded by itself.
        assert!((25..=35).contains(&test), "{test}");
        assert!(last_metrics(&run).get("validation_loss").is_none());
    }

    #[test]
    fn holds_back_of_the_training_part_where_there_is_a_test_part() {
        let (folder, place) = (digits(200), tempdir().unwrap());
        let run = place.path().join("run");
        train(folder.path(), &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
        let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        let parts = ["train", "validation", "test"].map(|part| config["data"][part].as_integer().unwrap());
        assert_eq!(parts, [70, 30, 100]);
    }

    #[test]
    fn skips_images_that_cannot_be_read_where_it_may_and_counts_them() {
        let (folder, place) = (pets(), tempdir().unwrap());
        let run = place.path().join("run");
        for image in 0..5 {
            fs::write(folder.path().join(format!("train/cat/bad-{image}.png")), "no image").unwrap();
        }
        let says = "bad-0.png is neither PNG nor JPEG (and 4 more like it)";
        train(folder.path(), &run, &[]).assert().code(2).stderr(one_line(says));
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
        train(folder.path(), &place.path().join("other"), &["--skip-bad-images"])
            .assert()
            .code(2)
            .stderr(contains("none of the images in").and(contains("cat can be read")));
    }

    #[test]
    fn says_how_many_other_files_were_ignored_and_nothing_of_the_systems_own() {
        let (folder, place) = (pets(), tempdir().unwrap());
        let quick = ["--epochs", "1", "-q"];
        for name in ["train/.DS_Store", "train/cat/Thumbs.db", "train/cat/._0.png", "test/dog/desktop.ini"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("train/.cache")).unwrap();
        train(folder.path(), &place.path().join("a"), &quick).assert().success().stderr(is_empty());
        for name in ["readme.txt", "train/labels.csv", "test/dog/9.gif"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        train(folder.path(), &place.path().join("b"), &quick)
            .assert()
            .success()
            .stderr(one_line("warning: 3 entries in ").and(contains("readme.txt is the first")));
    }

    #[test]
    fn trains_on_a_thousand_classes() {
        let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
        let run = place.path().join("run");
        for class in 0..1_000 {
            for part in ["train", "test"] {
                let path = folder.path().join(format!("{part}/{class:03}/1.png"));
                write_grey(&path, (class % 256) as u8, 8);
            }
        }
        train(folder.path(), &run, &["--epochs", "1"]).assert().success();
        let model = weights::load(&run.join("model.safetensors")).unwrap();
        assert_eq!((model.network.classes, model.about.class_names.unwrap().len()), (1_000, 1_000));
    }

    #[test]
    fn takes_folders_of_either_layout_for_a_bench() {
        let folder = pets();
        for (data, batch) in [(folder.path().to_owned(), "6"), (folder.path().join("test"), "2")] {
            lenet_gpu(&["bench", "--by-count", "--batch", batch, "--profile-batch", batch, "--data-dir"])
                .arg(data)
                .assert()
                .success()
                .stdout(contains(format!("batch {batch}").as_str()));
        }
    }

    #[test]
    fn knows_that_a_folder_of_images_has_no_home_of_its_own() {
        lenet_gpu(&["train", "--backend", "cpu", "--dataset", "folder"])
            .assert()
            .code(2)
            .stderr(one_line("--data-dir names"));
        lenet_gpu(&["data", "fetch", "folder"]).assert().code(2).stderr(contains("cifar10"));
        lenet_gpu(&["data", "list"]).assert().success().stdout(contains("folder").not());
    }

    #[test]
    fn names_the_classes_of_a_set_that_is_named() {
        let place = tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
        for (name, arguments) in [("named", &["--dataset", "cifar10"][..]), ("recognised", &[])] {
            let run = place.path().join(name);
            train(&sample, &run, &[arguments, &["--max-steps", "1"]].concat()).assert().success();
            let names = weights::load(&run.join("model.safetensors")).unwrap().about.class_names;
            assert_eq!(names.is_some_and(|names| names[6] == "frog"), name == "named");
        }
    }
}
