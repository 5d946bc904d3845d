//! `lenet-gpu predict` as it is run: photographs, folders, patterns, stdin, and what cannot be read.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use assert_cmd::Command;
use image::{GrayImage, Luma};
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Channels, Conversion, Fit, ImageFile, ImageSet, embedded_mnist_test};
use lenet_gpu::engine::{Engine, Setup, Split};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::predict::{Preparation, log_probabilities};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Of the 30 photographs, how many must be told right: 80 %.
const LEAST_RIGHT: usize = 24;

fn photos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/photos")
}

/// A model that has learnt MNIST, which all tests of this file share.
static TRAINED: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let mut train = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    train.args(["train", "--backend", "cpu", "--preset", "mnist-fast", "--run-dir"]).arg(&run_dir);
    train.assert().success();
    (folder, run_dir.join("model.safetensors"))
});

/// A model that has learnt nothing, in a folder of its own.
fn untrained(network: LeNet5, about: ModelInfo) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    fs::write(&path, weights::to_bytes(&Model { network, parameters, about })).unwrap();
    (folder, path)
}

fn predict(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["predict", "--backend", "cpu", "--model"]).arg(model);
    command
}

fn lines(command: &mut Command) -> Vec<Value> {
    let output = command.arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The images' names without their folders.
fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["image"].as_str().unwrap().rsplit(['/', '\\']).next().unwrap()).collect()
}

/// A black image with a white bar, whose place is drawn from a number.
fn draw(path: &Path, number: u32) {
    let bar = |x: u32, y: u32| x == 4 + number % 20 && (4..24).contains(&y);
    GrayImage::from_fn(28, 28, |x, y| Luma([if bar(x, y) { 255 } else { 0 }])).save(path).unwrap();
}

#[test]
fn photographs_of_the_digits_of_three_fonts_are_told_and_the_sheet_shows_what_was_seen() {
    let folder = tempdir().unwrap();
    let sheet = folder.path().join("seen.png");
    // The digit stands before the ending of a name.
    let right = |lines: &[Value]| {
        let digit = |name: &str| name.trim_end_matches(".jpg").chars().last().unwrap().to_string();
        names(lines).iter().zip(lines).filter(|(name, line)| line["class"] == digit(name)).count()
    };
    let found = lines(predict(&TRAINED.1).arg(photos()).arg("--contact-sheet").arg(&sheet));
    assert_eq!(found.len(), 30);
    assert!(right(&found) >= LEAST_RIGHT, "{} of 30: {found:?}", right(&found));

    // Each of them is on the sheet: bright strokes on black, which fill 32×32 pixels of 6×6 each.
    let sheet = image::open(&sheet).unwrap().to_luma8();
    let black = sheet.pixels().filter(|pixel| pixel.0[0] == 0).count();
    assert!((15 * 192 * 192..30 * 192 * 192).contains(&black), "{black}");

    // Seen as they are they are no digits of MNIST: what is done to them is what makes them so.
    let as_they_are = lines(predict(&TRAINED.1).arg(photos()).args(["--preprocess", "none"]));
    assert!(right(&as_they_are) < LEAST_RIGHT / 2, "{} of 30", right(&as_they_are));
}

#[test]
fn mnists_own_images_are_told_as_well_when_they_are_taken_for_photographs() {
    /// By how many of 1,000 the two may differ.
    const FEW: usize = 10;
    let model = weights::load(&TRAINED.1).unwrap();
    assert!(Preparation::of(&model, Channels::Grey).is_of_digits());
    let test = embedded_mnist_test(Conversion::default()).unwrap();
    let images = 0..1_000;
    let right = |preparation: Preparation| {
        let seen = images.clone().flat_map(|place| {
            let ImageSet { channels, height, width, .. } = test;
            let pixels = test.image(place).to_vec();
            preparation.apply(ImageFile { channels, height, width, pixels }).unwrap()
        });
        let mut engine = CpuEngine::new(&Setup::new(model.network, 1));
        engine.set_parameters(&model.parameters).unwrap();
        let logs = log_probabilities(&mut engine, 1, seen.collect()).unwrap();
        let largest = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let labels = test.labels.iter().map(|&label| usize::from(label));
        logs.chunks_exact(10).map(largest).zip(labels).filter(|(found, label)| found == label).count()
    };
    let [as_they_are, as_photographs] =
        [Preparation::as_it_is(Channels::Grey, Some(Fit::Pad)), Preparation::digit(Channels::Grey)]
            .map(right);
    assert!(as_they_are > 960, "{as_they_are}");
    assert!(as_photographs + FEW >= as_they_are, "{as_photographs} of {as_they_are}");
}

#[test]
fn what_is_predicted_of_an_image_is_what_evaluation_finds_for_it() {
    let (_folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let images = tempdir().unwrap();
    (0..3).for_each(|number| draw(&images.path().join(format!("{number}.png")), 5 * number));
    let found = lines(predict(&model).args(["--preprocess", "none", "--top", "10"]).arg(images.path()));

    let Model { network, parameters, .. } = weights::load(&model).unwrap();
    let mut engine = CpuEngine::new(&Setup::new(network, 1));
    engine.set_parameters(&parameters).unwrap();
    for (line, number) in found.iter().zip(0..3) {
        let pixels = ImageFile::read(&images.path().join(format!("{number}.png"))).unwrap().pixels;
        let label = line["label"].as_u64().unwrap() as u16;
        let split = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![label] };
        engine.load(Split::Test, Arc::new(split)).unwrap();
        let outcome = engine.evaluate(Split::Test).unwrap()[0];
        assert_eq!(outcome.predicted, u32::from(label));
        assert_eq!(line["probability"].as_f64().unwrap(), f64::from(-outcome.loss).exp());
        let top = line["top"].as_array().unwrap();
        assert_eq!(top.len(), 10);
        assert_eq!((&top[0]["label"], &top[0]["class"]), (&line["label"], &line["class"]));
        assert!(top.is_sorted_by(|a, b| a["probability"].as_f64() >= b["probability"].as_f64()));
    }
}

#[test]
fn files_folders_and_patterns_are_taken_in_their_order() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let images = tempdir().unwrap();
    for (number, name) in ["b.png", "a.PNG", "c.jpg", "no image.txt", "x1.png", "x2.png"].iter().enumerate() {
        let drawn = images.path().join("drawn.png");
        draw(&drawn, number as u32);
        fs::rename(drawn, images.path().join(name)).unwrap();
    }
    fs::create_dir(images.path().join("folder.png")).unwrap();
    let pattern = images.path().join("x?.png");
    let found = lines(predict(&model).arg(images.path().join("c.jpg")).arg(images.path()).arg(pattern));
    assert_eq!(names(&found), ["c.jpg", "a.PNG", "b.png", "c.jpg", "x1.png", "x2.png", "x1.png", "x2.png"]);
}

#[test]
fn one_image_may_come_by_stdin() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let photo = fs::read(photos().join("sans-3.jpg")).unwrap();
    let assert = predict(&model).args(["--preprocess", "mnist", "-"]).write_stdin(photo).assert().success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("-  ") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_line_has_the_image_and_its_likeliest_classes_by_their_names() {
    let class_names = Some(["cat", "dog", "ice cream"].map(str::to_owned).to_vec());
    let (_folder, model) = untrained(LeNet5::new(3, 3), ModelInfo { class_names, ..ModelInfo::default() });
    let photo = photos().join("sans-3.jpg");
    let found = lines(predict(&model).args(["--top", "2"]).arg(&photo));
    let told = &found[0]["top"];
    let [first, second] = [&told[0], &told[1]].map(|one| {
        let probability = 100.0 * one["probability"].as_f64().unwrap();
        format!("{} {probability:.2} %", one["class"].as_str().unwrap())
    });
    assert!(["cat", "dog", "ice cream"].contains(&found[0]["class"].as_str().unwrap()));
    predict(&model)
        .args(["--top", "2"])
        .arg(&photo)
        .assert()
        .success()
        .stdout(format!("{}  {first}  {second}\n", photo.display()))
        .stderr(contains("seen as they are"));
    let quiet = |command: &mut Command| command.arg("--quiet").assert().success().stderr(is_empty());
    quiet(predict(&model).arg(&photo));
}

#[test]
fn images_that_cannot_be_read_are_named_and_the_others_are_predicted() {
    let (_folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let images = tempdir().unwrap();
    let path = |name: &str| images.path().join(name);
    draw(&path("a.png"), 0);
    fs::write(path("b.png"), "").unwrap();
    fs::write(path("c.png"), "a text").unwrap();
    draw(&path("d.png"), 0);
    let whole = fs::read(path("d.png")).unwrap();
    fs::write(path("d.png"), &whole[..whole.len() / 2]).unwrap();
    GrayImage::from_pixel(40, 30, Luma([200])).save(path("e.png")).unwrap();
    draw(&path("f.png"), 9);
    let says = |name: &str, what: &str| contains(format!("{name} {what}"));
    let assert = predict(&model).arg("--json").arg(images.path()).arg(path("gone.png")).assert().code(2);
    let assert = assert
        .stderr(says("b.png", "is empty"))
        .stderr(says("c.png", "is neither PNG nor JPEG"))
        .stderr(says("d.png", "is damaged"))
        .stderr(says("e.png", "shows no digit").and(contains("--preprocess none")))
        .stderr(says("gone.png", "cannot be read"))
        .stderr(contains("5 of 7 images could not be predicted"));
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stdout).lines().count(), 2);
}

#[test]
fn more_images_than_are_seen_at_once_are_told_in_their_order_and_the_sheet_has_the_first() {
    const IMAGES: usize = 1_100;
    let (folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let images = tempdir().unwrap();
    (0..IMAGES).for_each(|number| draw(&images.path().join(format!("{number:04}.png")), number as u32));
    let sheet = folder.path().join("seen.png");
    let mut command = predict(&model);
    command.args(["--preprocess", "none", "--contact-sheet"]).arg(&sheet).arg(images.path());
    command.assert().success().stderr(contains("the first 500"));
    let found = lines(&mut command);
    let expected: Vec<_> = (0..IMAGES).map(|number| format!("{number:04}.png")).collect();
    assert_eq!(names(&found), expected);
    // Every twentieth is the same image, whichever batch it is in.
    assert!((20..IMAGES).all(|place| found[place]["top"] == found[place - 20]["top"]));
    assert!(image::open(&sheet).unwrap().height() > 50 * 192);
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_predicted() {
    let (folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let empty = tempdir().unwrap();
    let photo = photos().join("sans-3.jpg");
    let refused = |command: &mut Command, says: &str| {
        command.assert().code(2).stdout(is_empty()).stderr(contains(says));
    };
    refused(&mut predict(&model), "IMAGE");
    refused(predict(&model).arg(empty.path()), "no PNG or JPEG file lies in the folder");
    refused(predict(&model).arg(empty.path().join("*.png")), "no file matches");
    refused(predict(&model).arg("a[.png"), "is no pattern");
    refused(predict(&model).args(["-", "-"]), "name it once");
    refused(predict(&model).arg(&photo).args(["--top", "0"]), "--top");
    let folder_png = empty.path().join("sheet.png");
    fs::create_dir(&folder_png).unwrap();
    refused(predict(&model).arg(&photo).arg("--contact-sheet").arg(folder_png), "it is a folder");
    refused(predict(&model).arg(&photo).args(["--contact-sheet", "seen.gif"]), "must end in .png");
    refused(predict(&folder.path().join("gone")).arg(&photo), "gone");
}
