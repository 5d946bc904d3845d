//! The `evaluate` command: scores, confusion matrix, calibration, mistakes and pictures.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// The tolerance of sums of fractions in another order.
const TOLERANCE: f64 = 1e-9;

/// A briefly trained MNIST model, shared by the tests of this file.
static TRAINED: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let mut train = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    train.args(["train", "--backend", "cpu", "--limit-train", "4000", "--epochs", "1", "--run-dir"]);
    train.arg(&run_dir).assert().success();
    (folder, run_dir.join("model.safetensors"))
});

fn evaluate(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["evaluate", "--backend", "cpu", "--model"]).arg(model);
    command
}

fn json(command: &mut Command) -> Value {
    let assert = command.arg("--json").assert().success();
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

fn text(command: &mut Command) -> String {
    let assert = command.assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn json_scores_agree_with_the_confusion_matrix() {
    let found = json(evaluate(&TRAINED.1).args(["--mistakes-count", "7"]));
    let accuracy = found["accuracy"].as_f64().unwrap();
    let confusion: Vec<Vec<f64>> = found["confusion"].as_array().unwrap().iter().map(numbers).collect();
    let correct: f64 = (0..10).map(|class| confusion[class][class]).sum();
    assert_eq!(correct / 10_000.0, accuracy);

    for (class, scores) in found["classes"].as_array().unwrap().iter().enumerate() {
        let support: f64 = confusion[class].iter().sum();
        let predicted: f64 = confusion.iter().map(|row| row[class]).sum();
        assert_eq!(
            (scores["label"].as_u64(), scores["class"].as_str().unwrap()),
            (Some(class as u64), &*class.to_string())
        );
        let close = |name: &str, expected: f64| (scores[name].as_f64().unwrap() - expected).abs() < TOLERANCE;
        let found = confusion[class][class];
        assert_eq!(scores["support"].as_f64(), Some(support));
        assert!(close("recall", found / support) && close("precision", found / predicted), "{scores}");
        assert!(close("f1", 2.0 * found / (support + predicted)), "{scores}");
    }

    let top2 = found["top2_accuracy"].as_f64().unwrap();
    assert!(accuracy < top2 && top2 <= 1.0, "{top2}");
    let bins = found["calibration"].as_array().unwrap();
    let of_bins = |what: fn(f64, f64, f64) -> f64| -> f64 {
        let full = bins.iter().filter(|bin| bin["images"] != 0);
        let field = |bin: &Value, name: &str| bin[name].as_f64().unwrap();
        full.map(|bin| what(field(bin, "images"), field(bin, "accuracy"), field(bin, "confidence"))).sum()
    };
    assert_eq!((bins.len(), of_bins(|images, _, _| images)), (15, 10_000.0));
    let error = of_bins(|images, accuracy, confidence| images / 10_000.0 * (accuracy - confidence).abs());
    assert!((found["calibration_error"].as_f64().unwrap() - error).abs() < TOLERANCE);

    let mistakes = found["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), 7);
    assert!(mistakes.is_sorted_by(|a, b| a["loss"].as_f64() >= b["loss"].as_f64()));
    assert!(mistakes.iter().all(|mistake| mistake["label"] != mistake["predicted"]));
}

#[test]
fn text_lists_loss_and_accuracy_then_classes_then_the_matrix() {
    let text = text(&mut evaluate(&TRAINED.1));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("test loss ") && lines[0].ends_with("of 10000 images)"), "{text}");
    assert!(lines[1].starts_with("balanced accuracy ") && lines[1].contains("mean F1"), "{text}");
    assert!(lines[2].contains("top-2 accuracy") && lines[2].contains("ECE, 15 bins"), "{text}");
    assert!(!text.contains("always predicting"), "{text}");
    let matrix = lines.iter().position(|line| line.starts_with("class \\ predicted")).unwrap();
    let scores = lines.iter().position(|line| line.contains("precision")).unwrap();
    assert_eq!((matrix - scores, lines.len() - matrix), (12, 11), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn with_many_classes_the_worst_classes_and_pairs_are_listed() {
    let folder = tempdir().unwrap();
    let network = LeNet5::new(1, 40);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    let class_names = Some((0..40).map(|class| class.to_string()).collect());
    let info = ModelInfo { class_names, ..ModelInfo::default() };
    let model = folder.path().join("model.safetensors");
    fs::write(&model, weights::to_bytes(&Model { network, parameters, info })).unwrap();
    let text = text(evaluate(&model).args(["--dataset", "mnist"]));
    assert!(text.contains("worst 10 classes") && text.contains("confused most often"), "{text}");
    assert!(text.contains(" predicted as ") && !text.contains("class \\ predicted"), "{text}");
}

#[test]
fn pictures_show_the_confusion_matrix_and_the_worst_mistakes() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut command = evaluate(&TRAINED.1);
    command.arg("--confusion-matrix").arg(path("confusion.svg")).arg("--mistakes").arg(path("mistakes.png"));
    let found = json(&mut command);
    let svg = fs::read_to_string(path("confusion.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
    for row in found["confusion"].as_array().unwrap() {
        let shown = |count: f64| count == 0.0 || texts.contains(&count.to_string().as_str());
        assert!(numbers(row).into_iter().all(shown), "{row}");
    }
    assert_eq!(found["mistakes"].as_array().unwrap().len(), 50);
    let sheet = image::open(path("mistakes.png")).unwrap().to_luma8();
    // 50 images in 7 columns and 8 rows, each of 192×192 pixels.
    assert!(sheet.width() > 7 * 192 && sheet.height() > 8 * 192);

    evaluate(&TRAINED.1).arg("--confusion-matrix").arg(path("confusion.PNG")).assert().success();
    assert!(image::open(path("confusion.PNG")).unwrap().width() > 400);
}

#[test]
fn an_unwritable_picture_is_rejected_before_any_work() {
    let rejected = |arguments: [&str; 2], says: &str| {
        let mut command = evaluate(&TRAINED.1);
        command.args(arguments).assert().code(2).stdout(is_empty()).stderr(contains(says));
    };
    rejected(["--confusion-matrix", "matrix.pdf"], "must end in .png or .svg");
    rejected(["--confusion-matrix", "nowhere/matrix.png"], "cannot write nowhere/matrix.png");
    rejected(["--mistakes", "nowhere/mistakes.png"], "cannot write");
    rejected(["--mistakes-count", "501"], "--mistakes-count");
}

#[test]
fn the_pictures_that_were_written_are_named() {
    let folder = tempdir().unwrap();
    let picture = folder.path().join("confusion.svg");
    let mut command = evaluate(&TRAINED.1);
    command.arg("--confusion-matrix").arg(&picture);
    command.assert().success().stderr(contains(format!("wrote {}", picture.display())));
    command.arg("--quiet").assert().success().stderr(is_empty());
}
