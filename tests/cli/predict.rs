//! The `predict` command and `Classifier`: photographs, folders, patterns, stdin and unreadable images.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use assert_cmd::Command;
use image::{GrayImage, Luma};
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Conversion, ImageFile, ImageSet, embedded_mnist_test};
use lenet_gpu::engine::{Engine, Setup, Split};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::predict::{Classifier, PredictError, Preparation, Preprocessing, Reading};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// The number of the photographs, all of which must be classified correctly.
const MIN_CORRECT: usize = 30;

pub fn photos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/photos")
}

/// A trained MNIST model, shared by the tests of this program.
pub static TRAINED: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let mut train = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    train.args(["train", "--backend", "cpu", "--preset", "mnist-fast", "--run-dir"]).arg(&run_dir);
    train.assert().success();
    (folder, run_dir.join("model.safetensors"))
});

/// An untrained model in a temporary folder.
fn untrained(network: LeNet5, info: ModelInfo) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    fs::write(&path, weights::to_bytes(&Model { network, parameters, info })).unwrap();
    (folder, path)
}

pub fn predict(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["predict", "--backend", "cpu", "--model"]).arg(model);
    command
}

pub fn lines(command: &mut Command) -> Vec<Value> {
    let output = command.arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The images' file names without their folders.
fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["image"].as_str().unwrap().rsplit(['/', '\\']).next().unwrap()).collect()
}

/// Writes a black image with a white bar whose position depends on `number`.
fn draw(path: &Path, number: u32) {
    let bar = |x: u32, y: u32| x == 4 + number % 20 && (4..24).contains(&y);
    GrayImage::from_fn(28, 28, |x, y| Luma([if bar(x, y) { 255 } else { 0 }])).save(path).unwrap();
}

#[test]
fn photographs_of_digits_are_classified_and_drawn_on_the_sheet() {
    let folder = tempdir().unwrap();
    let sheet = folder.path().join("seen.png");
    // File names end in their digit.
    let correct = |lines: &[Value]| {
        let digit = |name: &str| name.trim_end_matches(".jpg").chars().last().unwrap().to_string();
        names(lines).iter().zip(lines).filter(|(name, line)| line["class"] == digit(name)).count()
    };
    let found = lines(predict(&TRAINED.1).arg(photos()).arg("--contact-sheet").arg(&sheet));
    assert_eq!(found.len(), 30);
    assert!(correct(&found) >= MIN_CORRECT, "{} of 30: {found:?}", correct(&found));

    // The sheet shows all of them: white strokes on black, 32×32 pixels drawn as 6×6 squares.
    let sheet = image::open(&sheet).unwrap().to_luma8();
    let black = sheet.pixels().filter(|pixel| pixel.0[0] == 0).count();
    assert!((15 * 192 * 192..30 * 192 * 192).contains(&black), "{black}");

    // Without the conversion to MNIST's form most are misclassified.
    let unprepared = lines(predict(&TRAINED.1).arg(photos()).args(["--preprocess", "none"]));
    assert!(correct(&unprepared) < MIN_CORRECT / 2, "{} of 30", correct(&unprepared));
}

#[test]
fn mnists_images_are_recognised_as_well_when_prepared_as_photographs() {
    /// The two may differ by this many of 1,000 images.
    const TOLERANCE: usize = 10;
    let model = weights::load(&TRAINED.1).unwrap();
    let auto = Preparation::new(&model, Preprocessing::Auto).unwrap();
    assert_eq!(auto.preprocessing(), Preprocessing::Digit);
    let test = embedded_mnist_test(Conversion::default()).unwrap();
    let correct = |preprocessing: Preprocessing| {
        let preparation = Preparation::new(&model, preprocessing).unwrap();
        let images: Vec<_> = (0..1_000)
            .map(|index| {
                let ImageSet { channels, height, width, .. } = test;
                let pixels = test.image(index).to_vec();
                preparation.apply(ImageFile { channels, height, width, pixels }).unwrap()
            })
            .collect();
        let readings = Classifier::load(&TRAINED.1).unwrap().read_batch(&images).unwrap();
        let labels = test.labels.iter().map(|&label| usize::from(label));
        let best = |reading: &Reading| match reading.predictions() {
            [digit] => Some(digit.best().class),
            _ => None,
        };
        readings.iter().zip(labels).filter(|(reading, label)| best(reading) == Some(*label)).count()
    };
    let [as_stored, as_photographs] = [Preprocessing::Fit, Preprocessing::Digit].map(correct);
    assert!(as_stored > 960, "{as_stored}");
    assert!(as_photographs + TOLERANCE >= as_stored, "{as_photographs} of {as_stored}");
}

#[test]
fn a_classifier_reads_files_and_names_those_it_cannot_read() {
    let class_names = Some(["cat", "dog", "ice cream"].map(str::to_owned).to_vec());
    let (folder, model) = untrained(LeNet5::new(1, 3), ModelInfo { class_names, ..ModelInfo::default() });
    let mut classifier = Classifier::load(&model).unwrap();
    let prediction = classifier.classify_file(photos().join("sans-3.jpg")).unwrap();
    let top = prediction.top(5);
    assert_eq!((top.len(), top[0]), (3, prediction.best()));
    let sum: f64 = top.iter().map(|ranked| ranked.probability).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    assert_eq!(classifier.class_name(2), "ice cream");

    let error = classifier.classify_file(folder.path().join("gone.png")).unwrap_err();
    assert!(matches!(error, PredictError::Image { .. }) && error.to_string().contains("gone.png"), "{error}");
    let error = Classifier::load(folder.path().join("gone.safetensors")).unwrap_err();
    assert!(matches!(error, PredictError::Load(_)), "{error}");
}

#[test]
fn predictions_agree_with_the_engines_evaluation() {
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
        let images = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![label] };
        engine.load(Split::Test, Arc::new(images)).unwrap();
        let outcome = engine.evaluate(Split::Test).unwrap()[0];
        assert_eq!(outcome.predicted, u32::from(label));
        assert_eq!(line["probability"].as_f64().unwrap(), libm::exp(f64::from(-outcome.loss)));
        let top = line["top"].as_array().unwrap();
        assert_eq!(top.len(), 10);
        assert_eq!((&top[0]["label"], &top[0]["class"]), (&line["label"], &line["class"]));
        assert!(top.is_sorted_by(|a, b| a["probability"].as_f64() >= b["probability"].as_f64()));
    }
}

#[test]
fn files_folders_and_patterns_keep_their_order() {
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
fn brackets_in_names_of_folders_and_files_are_taken_as_they_are() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let images = tempdir().unwrap();
    for (number, name) in
        ["d[2]/a.png", "d[2]/b.png", "d2/c.png", "e/a[1].png", "e/a1.png", "e/._a1.png"].iter().enumerate()
    {
        let path = images.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        draw(&path.with_extension("drawn.png"), number as u32);
        fs::rename(path.with_extension("drawn.png"), path).unwrap();
    }
    fs::create_dir(images.path().join("e/only-folders")).unwrap();
    for (pattern, expected) in [
        ("d[2]/*.png", &["a.png", "b.png"][..]),
        ("d[2]/[b-z].png", &["b.png"]),
        ("d[0-9]/*.png", &["c.png"]),
        ("e/a[1].png", &["a[1].png"]),
        ("e/a[0-9].png", &["a1.png"]),
        ("*/a[1]*", &["a1.png"]),
        ("d*[2]/?.png", &["c.png"]),
        ("[d]*[2]/b.png", &[]),
        ("**/*1*.png", &["a1.png", "a[1].png"]),
    ] {
        let found = lines(predict(&model).arg(images.path().join(pattern)));
        assert_eq!(names(&found), expected, "{pattern}");
        let relative = lines(predict(&model).current_dir(images.path()).arg(pattern));
        assert_eq!(names(&relative), expected, "{pattern}");
    }
    for (pattern, says) in [("e/only*", "only folders match "), ("e/z[1]*", "no file matches ")] {
        predict(&model).arg(images.path().join(pattern)).assert().code(2).stderr(contains(says));
    }
}

#[test]
fn other_entries_of_a_folder_are_counted() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let images = tempdir().unwrap();
    draw(&images.path().join("a.png"), 1);
    for name in ["._a.png", ".hidden.png", ".DS_Store"] {
        fs::write(images.path().join(name), "no image").unwrap();
    }
    let assert = predict(&model).arg(images.path()).assert().success();
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(!stderr.contains("warning"), "{stderr}");
    for name in ["notes.txt", "b.svg"] {
        fs::write(images.path().join(name), "no image").unwrap();
    }
    fs::create_dir(images.path().join("more")).unwrap();
    let says = contains("warning: ignored 3 entries in ").and(contains("starting with b.svg"));
    predict(&model).arg(images.path()).assert().success().stderr(says);
}

#[cfg(unix)]
#[test]
fn an_image_can_be_read_from_a_pipe() {
    let (folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let (image, pipe) = (folder.path().join("a.png"), folder.path().join("pipe"));
    draw(&image, 1);
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, fs::read(image).unwrap()).unwrap()
    });
    let found = lines(predict(&model).arg(&pipe));
    writer.join().unwrap();
    assert_eq!(names(&found), ["pipe"]);
}

#[test]
fn stdin_is_named_in_messages() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let assert = predict(&model).arg("-").write_stdin("a text").assert().code(2);
    assert.stderr(contains("warning: stdin is not a PNG"));
}

#[test]
fn one_image_can_be_read_from_stdin() {
    let (_folder, model) = untrained(LeNet5::new(1, 4), ModelInfo::default());
    let photo = fs::read(photos().join("sans-3.jpg")).unwrap();
    let assert = predict(&model).args(["--preprocess", "mnist", "-"]).write_stdin(photo).assert().success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("stdin  ") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_line_has_the_image_and_its_most_probable_classes() {
    let class_names = Some(["cat", "dog", "ice cream"].map(str::to_owned).to_vec());
    let (_folder, model) = untrained(LeNet5::new(3, 3), ModelInfo { class_names, ..ModelInfo::default() });
    let photo = photos().join("sans-3.jpg");
    let found = lines(predict(&model).args(["--top", "2"]).arg(&photo));
    let top = &found[0]["top"];
    let [first, second] = [&top[0], &top[1]].map(|one| {
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
        .stderr(contains("preprocessing: none"));
    let quiet = |command: &mut Command| command.arg("--quiet").assert().success().stderr(is_empty());
    quiet(predict(&model).arg(&photo));
}

#[test]
fn unreadable_images_are_named_and_the_others_are_classified() {
    let (_folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let images = tempdir().unwrap();
    let path = |name: &str| images.path().join(name);
    draw(&path("a.png"), 0);
    fs::write(path("b.png"), "").unwrap();
    fs::write(path("c.png"), "a text").unwrap();
    draw(&path("d.png"), 0);
    let whole = fs::read(path("d.png")).unwrap();
    fs::write(path("d.png"), &whole[..whole.len() / 2]).unwrap();
    GrayImage::from_pixel(30, 30, Luma([200])).save(path("e.png")).unwrap();
    draw(&path("f.png"), 9);
    GrayImage::from_pixel(40, 30, Luma([200])).save(path("g.png")).unwrap();
    let says = |name: &str, what: &str| contains(format!("{name} {what}"));
    let assert = predict(&model).arg("--json").arg(images.path()).arg(path("gone.png")).assert().code(2);
    let assert = assert
        .stderr(says("b.png", "is empty"))
        .stderr(says("c.png", "is not a PNG, JPEG, WebP, BMP, GIF or TIFF file"))
        .stderr(says("d.png", "is damaged"))
        .stderr(says("e.png", "shows no digit").and(contains("--preprocess none")))
        .stderr(says("g.png", "shows no digit").and(contains("crop the photograph")))
        .stderr(says("gone.png", "cannot be read"))
        .stderr(contains("6 of 8 images could not be classified"));
    let stdout = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let found: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(names(&found), ["a.png", "e.png", "f.png", "g.png"]);
    assert_eq!((&found[1]["digits"], &found[1]["sure"]), (&Value::Array(Vec::new()), &Value::Bool(false)));
}

#[test]
fn images_of_several_batches_keep_their_order() {
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
    // Images repeat every 20, also across batches.
    assert!((20..IMAGES).all(|index| found[index]["top"] == found[index - 20]["top"]));
    assert!(image::open(&sheet).unwrap().height() > 50 * 192);
}

#[test]
fn invalid_arguments_are_rejected_before_any_work() {
    let (folder, model) = untrained(LeNet5::new(1, 10), ModelInfo::default());
    let empty = tempdir().unwrap();
    let photo = photos().join("sans-3.jpg");
    let rejected = |command: &mut Command, says: &str| {
        command.assert().code(2).stdout(is_empty()).stderr(contains(says));
    };
    rejected(&mut predict(&model), "IMAGE");
    rejected(predict(&model).arg(empty.path()), "no PNG, JPEG, WebP, BMP, GIF or TIFF files in the folder");
    rejected(predict(&model).arg(empty.path().join("*.png")), "no file matches");
    rejected(predict(&model).arg("a[.png"), "invalid file pattern");
    rejected(predict(&model).args(["-", "-"]), "give it only once");
    rejected(predict(&model).arg(&photo).args(["--top", "0"]), "--top");
    let folder_png = empty.path().join("sheet.png");
    fs::create_dir(&folder_png).unwrap();
    rejected(predict(&model).arg(&photo).arg("--contact-sheet").arg(folder_png), "it is a folder");
    rejected(predict(&model).arg(&photo).args(["--contact-sheet", "seen.gif"]), "must end in .png");
    rejected(predict(&folder.path().join("gone")).arg(&photo), "gone");
}
