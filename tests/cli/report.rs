//! The report of a run: what `train` writes at the end, and the `report` command.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use predicates::str::{contains, is_empty};
use roxmltree::{Document, Node, ParsingOptions};
use tempfile::{TempDir, tempdir};

/// A short run on MNIST with validation images, shared by the tests that only read it.
static TRAINED: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let options = ["--validation-split", "0.1", "--lr", "2e-3"];
    train(&run).args(options).assert().success().stderr(contains("the report is in "));
    (folder, run)
});

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// Two epochs on a few images.
fn train(run: &Path) -> Command {
    let mut command = lenet_gpu();
    command.args([
        "train",
        "--backend",
        "cpu",
        "--limit-train",
        "600",
        "--limit-test",
        "300",
        "--epochs",
        "2",
    ]);
    command.arg("--run-dir").arg(run);
    command
}

fn report(run: &Path) -> Command {
    let mut command = lenet_gpu();
    command.args(["report", "--backend", "cpu"]).arg(run);
    command
}

fn page_of(run: &Path) -> String {
    fs::read_to_string(run.join("report.html")).unwrap()
}

fn parse(html: &str) -> Document<'_> {
    Document::parse_with_options(html, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() })
        .unwrap()
}

/// All text below a node.
fn text_of(node: Node) -> String {
    node.descendants().filter_map(|node| if node.is_text() { node.text() } else { None }).collect()
}

/// The text of a section.
fn section(html: &str, id: &str) -> String {
    let document = parse(html);
    let section = document.descendants().find(|node| node.attribute("id") == Some(id));
    text_of(section.unwrap_or_else(|| panic!("there is no section {id}")))
}

/// Asserts that a page is one file below 1 MB that loads nothing and that assistive technology can read.
#[track_caller]
pub fn assert_self_contained(html: &str) {
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    let document = parse(html);
    let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id is there twice: {ids:?}");
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        assert!(!["script", "link", "iframe", "object", "form", "base"].contains(&tag), "<{tag}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on"), "{tag} has {name}");
            match name {
                "href" if value.starts_with('#') => {
                    assert!(ids.contains(&&value[1..]), "nothing has the id of {value}")
                }
                // The pages of a sweep's members.
                "href" if value.starts_with("./members/") => {}
                "href" | "src" => {
                    assert!(value.starts_with("data:image/png;base64,"), "{tag} {name}={value}")
                }
                _ => assert!(!value.contains("//"), "{tag} {name}={value}"),
            }
        }
        let is_hidden = || node.ancestors().any(|node| node.attribute("aria-hidden") == Some("true"));
        if tag == "img" {
            assert!(node.attribute("alt").is_some_and(|text| text.len() > 10));
        } else if tag == "svg" && !is_hidden() {
            let title =
                node.children().find(|child| child.has_tag_name("title")).and_then(|title| title.text());
            let label = node.attribute("aria-label").or(title).unwrap_or_default();
            assert!(
                node.attribute("role") == Some("img") && label.len() >= 4,
                "a figure has no text: {label:?}"
            );
        }
    }
    let policy = document.descendants().find_map(|node| {
        (node.attribute("http-equiv") == Some("Content-Security-Policy")).then(|| node.attribute("content"))
    });
    assert!(policy.flatten().unwrap().contains("default-src 'none'"));
    assert!(!html.contains("url(") && !html.contains("@import"));
}

#[test]
fn a_finished_run_has_a_page_with_everything_that_is_known() {
    let (_folder, run) = &*TRAINED;
    let html = page_of(run);
    assert_self_contained(&html);
    let document = parse(&html);
    let ids: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("section"))
        .filter_map(|node| node.attribute("id"))
        .collect();
    let expected = [
        "curves",
        "results",
        "mistakes",
        "calibration",
        "network",
        "maps",
        "settings",
        "data",
        "machine",
        "repeat",
    ];
    assert_eq!(ids, expected);
    let settings = section(&html, "settings");
    assert!(settings.contains("--validation-split0.1") && settings.contains("--lr2e-3"), "{settings}");
    assert!(
        section(&html, "repeat").contains("lenet-gpu train --backend cpu"),
        "{}",
        section(&html, "repeat")
    );
    let hash = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let hash = hash.trim_end().rsplit('"').nth(1).unwrap();
    assert!(section(&html, "machine").contains(hash));
    assert!(section(&html, "network").contains("conv1") && section(&html, "network").contains("61,706"));
    let picture = image::open(run.join("curves.png")).unwrap();
    assert!(picture.width() > picture.height());
}

#[test]
fn the_command_repeats_the_page_of_training() {
    let (_folder, run) = &*TRAINED;
    let output = report(run).args(["-o", "-"]).assert().success();
    let again = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert_self_contained(&again);
    for id in
        ["curves", "mistakes", "calibration", "network", "maps", "settings", "data", "machine", "repeat"]
    {
        assert_eq!(section(&again, id), section(&page_of(run), id), "{id}");
    }
}

#[test]
fn the_best_weights_can_be_shown_instead_of_the_last() {
    let (_folder, run) = &*TRAINED;
    let folder = tempdir().unwrap();
    let file = folder.path().join("best.html");
    report(run).arg("--best").arg("-o").arg(&file).assert().success().stderr(contains("wrote "));
    let html = fs::read_to_string(file).unwrap();
    assert!(section(&html, "machine").contains("Hash of the weights"));
    assert_self_contained(&html);
}

#[test]
fn a_run_that_wants_no_report_has_none() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run).args(["--no-report", "--max-steps", "2"]).assert().success();
    assert!(!run.join("report.html").exists() && !run.join("curves.png").exists());
    report(&run).assert().success().stdout(is_empty()).stderr(contains("report.html"));
    assert!(run.join("report.html").exists() && run.join("curves.png").exists());
}

#[test]
fn a_run_without_an_epoch_has_a_page_that_says_so() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run).args(["--max-steps", "0"]).assert().success();
    let html = page_of(&run);
    assert_self_contained(&html);
    assert!(section(&html, "curves").contains("No epoch was completed"));
    assert!(section(&html, "results").contains("Confusion matrix"));
    assert!(!run.join("curves.png").exists());
}

#[test]
fn a_resumed_run_replaces_its_page() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run).assert().success();
    assert!(page_of(&run).contains("2 of 2 epochs"));
    lenet_gpu().args(["train", "--epochs", "3", "--resume"]).arg(&run).assert().success();
    assert!(page_of(&run).contains("3 of 3 epochs"));
    // The initial filters follow from the seed.
    assert!(!section(&page_of(&run), "network").contains("no copy"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_has_a_page() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(["train", "--backend", "cpu", "--limit-train", "640", "--limit-test", "64", "--epochs", "1e6"])
        .arg("--run-dir")
        .arg(&run)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("epoch ")).unwrap();
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let html = page_of(&run);
    assert_self_contained(&html);
    assert!(html.contains(">interrupted</span>") && section(&html, "repeat").contains("train --resume"));
}

/// Colour images of classes with these names, a folder each.
fn colour_images(folder: &Path, classes: &[&str]) {
    for (index, class) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(class)).unwrap();
        for image in 0..6 {
            let mut pixels = image::RgbImage::new(32, 32);
            for (x, y, pixel) in pixels.enumerate_pixels_mut() {
                let value = (x * 5 + y * 3 + image * 17) as u8;
                pixel.0 = [value, value.wrapping_mul(index as u8 + 1), 255 - value];
            }
            pixels.save(folder.join(class).join(format!("{image}.png"))).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn hostile_class_names_are_only_text() {
    let folder = tempdir().unwrap();
    let classes = ["<script>alert(1)<", "a&b\"'", "\u{202e}gnp", "<svg onload=x>"];
    let data = folder.path().join("<b>data");
    colour_images(&data, &classes);
    let run = folder.path().join("<i>run & \"co\"");
    train(&run).arg("--data-dir").arg(&data).args(["--validation-split", "0.34"]).assert().success();
    let html = page_of(&run);
    assert_self_contained(&html);
    let results = section(&html, "results");
    assert!(results.contains("<script>alert(1)<") && results.contains("a&b\"'"), "{results}");
    assert!(results.contains("\\u{202e}gnp"), "{results}");
}

#[test]
fn every_kind_of_run_has_a_page() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    colour_images(&data, &["one", "two", "three"]);
    let common = ["--validation-split", "0.34", "--data-dir", data.to_str().unwrap()];
    for (index, options) in [
        &["--batch-norm", "--loss", "mse", "--batch-size", "4"][..],
        &["--class-weights", "balanced", "--activation", "tanh", "--rotate", "10", "--flip"],
        &["--freeze", "conv", "--optimizer", "sgd", "--momentum", "0.9", "--schedule", "one-cycle"],
    ]
    .into_iter()
    .enumerate()
    {
        let run = folder.path().join(format!("run{index}"));
        train(&run).args(common).args(options).assert().success();
        let html = page_of(&run);
        assert_self_contained(&html);
        assert!(section(&html, "network").contains("Red, green and blue"), "{options:?}");
        report(&run).assert().success();
    }
}

#[test]
fn a_page_without_the_data_says_why_and_the_data_can_be_named() {
    let folder = tempdir().unwrap();
    let (data, moved, run) =
        (folder.path().join("data"), folder.path().join("moved"), folder.path().join("run"));
    colour_images(&data, &["one", "two"]);
    train(&run).arg("--data-dir").arg(&data).args(["--validation-split", "0.34"]).assert().success();
    fs::rename(&data, &moved).unwrap();
    report(&run).assert().success().stderr(contains("warning: the report is without test images"));
    let html = page_of(&run);
    assert_self_contained(&html);
    let results = section(&html, "results");
    assert!(results.contains("does not exist") && results.contains("--data-dir"), "{results}");
    report(&run).arg("--data-dir").arg(&moved).assert().success();
    assert!(section(&page_of(&run), "results").contains("Confusion matrix"));
}

#[test]
fn what_is_no_run_and_what_must_not_be_replaced_is_refused() {
    let (_folder, run) = &*TRAINED;
    let folder = tempdir().unwrap();
    report(folder.path()).assert().code(2).stdout(is_empty()).stderr(contains("does not contain a run"));
    let model = run.join("model.safetensors");
    let before = fs::read(&model).unwrap();
    report(run)
        .arg("-o")
        .arg(&model)
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains("is a file of a run"));
    assert!(fs::read(&model).unwrap() == before);
    lenet_gpu().arg("report").assert().code(2).stderr(contains("missing"));
}
