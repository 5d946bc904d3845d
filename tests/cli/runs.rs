//! Lists of runs and pages that compare them.
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::engine::{Loss, Optimizer};
use lenet_gpu::model::{Init, LeNet5};
use lenet_gpu::train::{
    DataConfig, EngineConfig, EpochRecord, InitialWeights, Program, RunConfig, RunDirectory, TrainingConfig,
};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A run that is written without training.
struct Fake<'a> {
    name: &'a str,
    dataset: &'a str,
    seed: u64,
    lr: f32,
    /// The test accuracy of each epoch.
    accuracies: &'a [f64],
    planned: u32,
    has_validation: bool,
}

const FAKE: Fake = Fake {
    name: "run",
    dataset: "MNIST (built in)",
    seed: 1,
    lr: 1e-3,
    accuracies: &[0.5, 0.9, 0.8],
    planned: 3,
    has_validation: false,
};

impl Fake<'_> {
    fn write(&self, folder: &Path) -> PathBuf {
        let Self { name, dataset, seed, lr, accuracies, planned, has_validation } = *self;
        let options: toml::Table =
            toml::from_str(&format!("epochs = {planned}\nlr = \"{lr}\"\nseed = {seed}\nflip = true"))
                .unwrap();
        let config = RunConfig {
            program: Program::this(),
            engine: EngineConfig::cpu("CPU, 2 threads".to_owned()),
            data: DataConfig {
                name: dataset.to_owned(),
                train: 640,
                validation: has_validation.then_some(64),
                test: 64,
                fit: None,
            },
            network: LeNet5::new(1, 10),
            weights: InitialWeights::Init(Init::Pytorch),
            training: TrainingConfig {
                epochs: planned.into(),
                batch_size: 64,
                seed,
                learning_rate: lr,
                ..TrainingConfig::default()
            },
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            options,
        };
        let path = folder.join(name);
        let mut run = RunDirectory::create(&path, &config).unwrap();
        for (epoch, &test_accuracy) in (1..).zip(accuracies) {
            run.append(&EpochRecord {
                epoch,
                step: 10 * epoch,
                lr,
                train_loss: 1.0 / epoch as f64,
                test_loss: 1.0 - test_accuracy,
                test_accuracy,
                validation_loss: has_validation.then_some(0.5),
                validation_accuracy: has_validation.then_some(test_accuracy - 0.01),
                seconds: 2.5 * f64::from(planned),
                images_per_second: 320.0,
                weights_hash: format!("{epoch:016}"),
                ..EpochRecord::default()
            });
        }
        assert!(run.write().is_empty());
        path
    }
}

/// Four runs in `runs`: the newest is interrupted.
pub fn scene() -> TempDir {
    let folder = tempdir().unwrap();
    let runs = folder.path().join("runs");
    Fake { name: "mnist-20261122-100000", ..FAKE }.write(&runs);
    Fake { name: "mnist-20261122-110000", seed: 2, accuracies: &[0.6, 0.7, 0.95], ..FAKE }.write(&runs);
    Fake { name: "fashion-20261121-100000", dataset: "Fashion", lr: 5e-4, ..FAKE }.write(&runs);
    Fake { name: "mnist-20261123-100000", planned: 20, accuracies: &[0.4], ..FAKE }.write(&runs);
    folder
}

fn lenet_gpu(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments).current_dir(folder.path());
    command
}

/// What a command prints.
#[track_caller]
fn stdout(folder: &TempDir, arguments: &[&str]) -> String {
    let output = lenet_gpu(folder, arguments).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// The first words of the lines after the heading, up to the line about all runs.
fn names(listed: &str) -> Vec<&str> {
    let lines = listed.lines().skip(1).take_while(|line| !line.starts_with("all: "));
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn runs_are_listed_the_newest_first() {
    let listed = stdout(&scene(), &["runs"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("name ") && lines[0].contains("best %  last %"), "{listed}");
    for word in ["mnist-20261123-100000", "2026-11-23 10:00", "MNIST", "1/20", "40.00", "50 s", "interrupted"]
    {
        assert!(lines[1].contains(word), "{word} is not in: {}", lines[1]);
    }
    let all = [
        "mnist-20261123-100000",
        "mnist-20261122-110000",
        "mnist-20261122-100000",
        "fashion-20261121-100000",
    ];
    assert_eq!(names(&listed), all);
    assert!(lines[2].ends_with("finished     lr=0.001 seed=2"), "{}", lines[2]);
    assert_eq!(lines[5], "all: flip");
}

#[test]
fn runs_are_sorted_by_a_key() {
    let scene = scene();
    let first = |arguments: &[&str]| {
        let listed = stdout(&scene, &[&["runs"], arguments].concat());
        names(&listed)[0].to_owned()
    };
    for (arguments, expected) in [
        (&["--sort", "accuracy"][..], "mnist-20261122-110000"),
        (&["--sort", "-accuracy"], "mnist-20261123-100000"),
        (&["--sort", "-accuracy", "--reverse"], "mnist-20261122-110000"),
        (&["--sort", "name"], "fashion-20261121-100000"),
        (&["--sort", "date", "--reverse"], "fashion-20261121-100000"),
        (&["--sort=-time"], "mnist-20261123-100000"),
        (&["--sort", "loss"], "mnist-20261122-110000"),
        (&["--sort", "epochs", "--limit", "1", "--reverse"], "mnist-20261123-100000"),
    ] {
        assert_eq!(first(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn runs_are_filtered_by_columns_and_options() {
    let scene = scene();
    for (filters, expected) in [
        (&["dataset=mnist"][..], 3),
        (&["dataset!=mnist"], 1),
        (&["accuracy>=90"], 3),
        (&["accuracy>90 %"], 1),
        (&["accuracy>=90", "dataset=mnist"], 2),
        (&["lr=1e-3"], 3),
        (&["learning-rate<1e-3"], 1),
        (&["seed=2"], 1),
        (&["flip=true"], 4),
        (&["shift=0"], 4),
        (&["batch-size=64"], 4),
        (&["state=interrupted"], 1),
        (&["date=2026-11-22"], 2),
        (&["name~fashion"], 1),
        (&["last<50"], 1),
        (&["device~cpu"], 4),
    ] {
        let mut arguments = vec!["runs", "--json"];
        arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
        assert_eq!(stdout(&scene, &arguments).lines().count(), expected, "{filters:?}");
    }
    assert!(stdout(&scene, &["runs", "--filter", "seed=2"]).ends_with("1 of 4 runs\n"));
    assert_eq!(stdout(&scene, &["runs", "--filter", "seed=99"]), "0 of 4 runs\n");
}

#[test]
fn json_and_csv_have_every_run_in_full() {
    let scene = scene();
    let json = stdout(&scene, &["runs", "--json", "--sort", "accuracy"]);
    let runs: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.len(), 4);
    assert_eq!(runs[0]["name"], "mnist-20261122-110000");
    assert_eq!(runs[0]["started"], "2026-11-22T11:00:00Z");
    assert_eq!(runs[0]["best"]["test_accuracy"], 0.95);
    assert_eq!(runs[0]["last"]["lr"], 0.001);
    assert_eq!(runs[0]["options"]["seed"], 2);
    assert_eq!(runs[0]["command"], "lenet-gpu train --backend cpu --epochs 3 --flip --lr 0.001 --seed 2");

    let csv = stdout(&scene, &["runs", "--csv", "--sort", "accuracy"]);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| lines[0].iter().position(|column| *column == name).unwrap();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1][column("best_epoch") + 1], "3", "a quoted cell with a comma comes before");
    assert_eq!(lines[1].last(), Some(&"2"));
    assert_eq!(lines[0].last(), Some(&"option.seed"));
}

#[test]
fn damaged_runs_are_listed_last_with_their_problem() {
    let scene = scene();
    let damaged = scene.path().join("runs/broken");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("config.toml"), "[data\n").unwrap();
    let listed = stdout(&scene, &["runs"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 7, "{listed}");
    assert!(
        lines[6].starts_with("broken  damaged: ") && lines[6].contains("config.toml: is not a run's"),
        "{listed}"
    );
    let json = stdout(&scene, &["runs", "--json", "--filter", "state=damaged"]);
    let run: Value = serde_json::from_str(&json).unwrap();
    assert!(run["reason"].as_str().unwrap().contains("config.toml"), "{json}");
}

#[test]
fn a_hostile_run_cannot_control_the_terminal() {
    let folder = tempdir().unwrap();
    Fake { dataset: "\u{1b}[2Jset\n\u{202e}", ..FAKE }.write(folder.path());
    let listed = stdout(&folder, &["runs", "."]);
    assert!(listed.contains(r"\u{1b}[2Jset\n\u{202e}"), "{listed}");
    assert_eq!(listed.lines().count(), 2);
}

#[test]
fn without_runs_one_line_says_how_to_make_one() {
    let folder = tempdir().unwrap();
    let expected = "no runs in runs; `lenet-gpu train` makes one\n";
    lenet_gpu(&folder, &["runs"]).assert().success().stdout(expected).stderr(is_empty());
    fs::create_dir(folder.path().join("runs")).unwrap();
    lenet_gpu(&folder, &["runs"]).assert().success().stdout(expected);
    lenet_gpu(&folder, &["runs", "--json"]).assert().success().stdout("");
}

#[test]
fn wrong_arguments_of_runs_are_explained() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, expected) in [
        (&["nowhere"][..], "there is no folder nowhere"),
        (&["file"], "file is a file"),
        (&["--sort", "beauty"], "--sort beauty: must be date, name"),
        (&["--filter", "acuracy>98"], "did you mean accuracy?"),
        (&["--filter", "lr"], "must be NAME, then ="),
        (&["--csv", "--json"], "--csv cannot be used with --json"),
    ] {
        lenet_gpu(&folder, &[&["runs"], arguments].concat())
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains(expected));
    }
}

/// The page that a command writes.
#[track_caller]
fn page(folder: &TempDir, arguments: &[&str], path: &str) -> String {
    lenet_gpu(folder, &[&["report"], arguments].concat()).assert().success().stderr(contains(path));
    let html = fs::read_to_string(folder.path().join(path)).unwrap();
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(&html, options).unwrap();
    assert!(!document.descendants().any(|node| node.has_tag_name("script")));
    html
}

/// The cells of a table's rows.
fn cells<'a>(html: &'a str, section: &str) -> Vec<&'a str> {
    let start = html.find(&format!("<section id=\"{section}\"")).unwrap();
    let end = start + html[start..].find("</section>").unwrap();
    html[start..end].split("<tr>").skip(1).collect()
}

#[test]
fn a_comparison_has_curves_results_and_differences() {
    let scene = scene();
    fs::write(scene.path().join("runs/mnist-20261122-100000/report.html"), "").unwrap();
    let runs = ["mnist-20261122-100000", "mnist-20261122-110000", "mnist-20261123-100000"];
    let paths = runs.map(|run| format!("runs/{run}"));
    let arguments: Vec<&str> = paths.iter().map(String::as_str).collect();
    let html = page(&scene, &arguments, "runs/comparison.html");
    assert!(html.contains("<h1>3 runs compared</h1>"));
    for title in [
        "Test accuracy against epochs",
        "Test accuracy against training time",
        "Training loss against epochs",
    ] {
        assert!(html.contains(title), "{title}");
    }
    assert!(!html.contains("Validation accuracy against"));
    let results = cells(&html, "results");
    assert!(
        results[1].contains("mnist-20261122-110000") && results[1].contains("badge good\">95.00 %"),
        "{}",
        results[1]
    );
    assert!(results[2].contains("<a href=\"./mnist-20261122-100000/report.html\">"), "{}", results[2]);
    assert!(results[3].contains("interrupted") && results[3].contains("1/20"), "{}", results[3]);
    // The same for the first two, and less for the third.
    assert_eq!(html.matches("badge good\">0.3333<").count(), 2);
    let differences = cells(&html, "differences");
    assert!(differences[0].contains("--seed") && differences[0].contains("--epochs"), "{}", differences[0]);
    assert!(!differences[0].contains("--lr") && !differences[0].contains("Device"), "{}", differences[0]);
    assert!(!html.contains("of different data sets"));
    // Two runs of the same options: 80.00 and 95.00 %.
    let seeds = cells(&html, "seeds");
    assert!(seeds[1].contains("1, 2") && seeds[1].contains("87.50 ± 10.61 %"), "{}", seeds[1]);
    assert!(html.contains("lenet-gpu train --backend cpu --epochs 20 --flip --lr 0.001 --seed 1"));
}

#[test]
fn a_folder_of_runs_is_compared_with_a_note_about_its_data_sets() {
    let scene = scene();
    let damaged = scene.path().join("runs/broken");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("config.toml"), "[data\n").unwrap();
    let html = page(&scene, &["runs"], "runs/comparison.html");
    assert!(
        html.contains("4 runs compared")
            && html.contains("of different data sets (Fashion, MNIST (built in))")
    );
    lenet_gpu(&scene, &["report", "runs"])
        .assert()
        .success()
        .stderr(contains("warning: runs/broken: left out: "));
    // As a shell expands runs/*.
    let all =
        ["runs/broken", "runs/comparison.html", "runs/mnist-20261122-100000", "runs/mnist-20261122-110000"];
    assert!(page(&scene, &all, "runs/comparison.html").contains("2 runs compared"));
    // Runs in different folders.
    let other = Fake { name: "other/run", ..FAKE }.write(scene.path());
    let arguments = ["runs/mnist-20261122-100000", other.to_str().unwrap()];
    assert!(page(&scene, &arguments, "comparison.html").contains("2 runs compared"));
}

#[test]
fn a_comparison_of_more_runs_than_colours_has_grey_ones() {
    let folder = tempdir().unwrap();
    let last = "0.9";
    for index in 0..12_u32 {
        let accuracies = [0.5, 0.6 + f64::from(index) / 100.0];
        let name = format!("<b>&\"{index}\"");
        Fake {
            name: &name,
            accuracies: &accuracies,
            planned: 2,
            seed: index.into(),
            has_validation: true,
            ..FAKE
        }
        .write(&folder.path().join(last));
    }
    let html = page(&folder, &[last, "-o", "page.html"], "page.html");
    assert!(html.contains("The 7 best runs by accuracy have colours in the curves; the other 5 are grey."));
    assert!(html.contains("5 others") && html.contains("Validation accuracy against epochs"));
    assert!(html.contains("&lt;b&gt;&amp;&quot;11&quot;") && !html.contains("<b>"));
}

#[test]
fn wrong_arguments_of_a_comparison_are_explained() {
    let scene = scene();
    let run = "runs/mnist-20261122-100000";
    for (arguments, expected) in [
        (&[run, run][..], "there is only one run to compare"),
        (&[run, "nowhere"], "nowhere does not contain a run"),
        (&[run, "runs", "--best"], "--best: only for the report of one run"),
        (&["runs", "-o", "runs/mnist-20261122-100000/config.toml"], "is a file of a run"),
    ] {
        lenet_gpu(&scene, &[&["report"], arguments].concat())
            .assert()
            .code(2)
            .stderr(contains(expected).and(contains("\n").count(1).or(contains("hint: "))));
    }
}
