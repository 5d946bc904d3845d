//! Views of images in `evaluate` and `predict`.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A briefly trained model of colour images, a model of digits, and pictures of 32×32: `plain` has six of each
/// of two classes, `others` has others, and `moved` has all views of four of them. Shared by the tests of this file.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    for (class, hue) in [("bird", 40u8), ("cow", 200)] {
        for number in 0..6u8 {
            let picture = image::RgbImage::from_fn(32, 32, |x, y| {
                let (x, y) = (x as u8, y as u8);
                let spot = if x.abs_diff(6 + 4 * number) < 6 && y.abs_diff(14) < 5 { 90 } else { 0 };
                image::Rgb([hue.wrapping_add(spot), 7 * x + number, spot + 3 * y])
            });
            save(&picture, &folder.path().join(format!("plain/{class}/{number}.png")));
            let other = image::imageops::rotate180(&picture);
            save(&other, &folder.path().join(format!("others/{class}/{number}.png")));
        }
    }
    for (class, number) in [("bird", 0), ("bird", 1), ("cow", 0), ("cow", 1)] {
        let original = image::open(folder.path().join(format!("plain/{class}/{number}.png"))).unwrap();
        for (view, picture) in views(&original.into_rgb8()).iter().enumerate() {
            save(picture, &folder.path().join(format!("moved/{class}/{number}/{view:02}.png")));
        }
    }
    let train = |arguments: &[&str]| {
        let mut train = command(&["train"]);
        train.args(arguments).current_dir(&folder).assert().success();
    };
    train(&["--data-dir", "plain", "--validation-split", "0.25", "--epochs", "3", "--run-dir", "animals"]);
    train(&["--limit-train", "64", "--limit-test", "9", "--epochs", "1", "--run-dir", "digits"]);
    folder
});

fn save(picture: &image::RgbImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// The 18 views of `flip,shift=1`, made with other means: by drawing the picture onto a black one.
fn views(picture: &image::RgbImage) -> Vec<image::RgbImage> {
    let mirrored = image::imageops::flip_horizontal(picture);
    let shifts = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
    let draw = |picture: &image::RgbImage, down, right| {
        let mut black = image::RgbImage::new(32, 32);
        image::imageops::replace(&mut black, picture, right, down);
        black
    };
    let all = [picture, &mirrored]
        .map(|picture| shifts.clone().map(move |(down, right)| draw(picture, down, right)));
    all.into_iter().flatten().collect()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments).args(["--backend", "cpu"]);
    command
}

fn in_folder(arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.current_dir(FOLDER.path());
    command
}

/// The JSON objects that a command prints, one a line.
fn json(arguments: &[&str]) -> Vec<Value> {
    let output = in_folder(arguments).arg("--json").assert().success().get_output().stdout.clone();
    output.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The probability of each class.
fn probabilities(prediction: &Value) -> [f64; 2] {
    let mut found = [0.0; 2];
    for ranked in prediction["top"].as_array().unwrap() {
        found[ranked["label"].as_u64().unwrap() as usize] = ranked["probability"].as_f64().unwrap();
    }
    found
}

#[test]
fn predictions_are_the_mean_of_those_of_moved_files() {
    for file in ["bird/0", "bird/1", "cow/0", "cow/1"] {
        let picture = format!("plain/{file}.png");
        let found = json(&["predict", "--model", "animals", "--tta", "shift=1,flip", &picture]).remove(0);
        assert_eq!(found["tta"], "flip,shift=1");
        let moved = json(&["predict", "--model", "animals", &format!("moved/{file}")]);
        assert_eq!((moved.len(), &moved[0]["tta"]), (18, &Value::from("none")));
        for class in 0..2 {
            let mean = moved.iter().map(|prediction| probabilities(prediction)[class]).sum::<f64>() / 18.0;
            let found = probabilities(&found)[class];
            assert!((found - mean).abs() < 1e-6, "{file}: {found} instead of {mean}");
        }
    }
}

#[test]
fn evaluations_are_of_the_mean_probabilities_of_all_views() {
    let evaluate = |views: &[&str]| {
        let arguments = [&["evaluate", "animals", "--data-dir", "others"], views].concat();
        json(&arguments).remove(0)
    };
    let found = evaluate(&["--tta", "flip"]);
    assert_eq!((&found["tta"], &found["views"]), (&Value::from("flip"), &Value::from(2)));
    let predictions = json(&["predict", "--model", "animals", "--tta", "flip", "others/bird", "others/cow"]);
    assert_eq!((predictions.len(), &found["images"]), (12, &Value::from(12)));
    let loss_of = |prediction: &Value| {
        let class = usize::from(prediction["image"].as_str().unwrap().contains("cow"));
        -probabilities(prediction)[class].ln()
    };
    let loss = predictions.iter().map(loss_of).sum::<f64>() / 12.0;
    assert!((found["loss"].as_f64().unwrap() - loss).abs() < 1e-6, "{found} {loss}");
    let (plain, none) = (evaluate(&[]), evaluate(&["--tta", "none"]));
    assert_eq!(plain, none);
    assert_eq!((&plain["tta"], &plain["views"]), (&Value::from("none"), &Value::from(1)));
    assert_ne!(plain["loss"], found["loss"]);
}

#[test]
fn an_ensemble_with_views_is_the_mean_over_both() {
    fs::copy(FOLDER.path().join("animals/model.safetensors"), FOLDER.path().join("twin.safetensors"))
        .unwrap();
    let predict = |models: &[&str]| {
        let models: Vec<_> = models.iter().flat_map(|model| ["--model", model]).collect();
        let arguments = [&["predict"], &models[..], &["--tta", "flip", "plain/cow/1.png"]].concat();
        json(&arguments).remove(0)
    };
    let (alone, both) = (predict(&["animals"]), predict(&["animals", "twin.safetensors"]));
    // Each model's own answer is averaged over the views, too.
    assert_eq!(both["models"][0]["probability"], alone["probability"]);
    let difference = probabilities(&both)[1] - probabilities(&alone)[1];
    assert!(difference.abs() < 1e-6, "{both} {alone}");
}

#[test]
fn messages_say_how_many_views_there_are() {
    let note = contains("evaluating on 18 views of each of ").and(contains("warning: --tta flip").not());
    in_folder(&["evaluate", "animals", "--tta", "flip,shift=1"]).assert().success().stderr(note);
    let note = contains("classifying with 9 views on ");
    in_folder(&["predict", "--model", "animals", "plain/cow/0.png", "--tta", "shift=1"])
        .assert()
        .success()
        .stderr(note);
}

#[test]
fn mirrored_digits_are_warned_of_in_one_line() {
    let evaluate = |views| {
        let mut evaluate = in_folder(&["evaluate", "digits", "-q", "--tta", views]);
        evaluate.assert().success()
    };
    evaluate("flip").stderr(contains("--tta flip mirrors digits").and(contains("\n").count(1)));
    evaluate("shift=1").stderr(is_empty());
}

#[test]
fn other_values_are_an_error_that_lists_the_choices() {
    for (arguments, says) in [
        (
            &["evaluate", "animals", "--tta"][..],
            "--tta requires a value: none, flip, shift=1 or flip,shift=1",
        ),
        (&["evaluate", "--tta", "animals"], "--tta animals: must be none, flip, shift=N, or both"),
        (&["predict", "--model", "animals", "x.png", "--tta", "shift=9"], "from 1 to 4"),
    ] {
        // The option comes last.
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.args(arguments).assert().code(2).stderr(contains(says));
    }
}
