//! Text from files, folders, archives and the command line cannot control the terminal.
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::bench::{Results, to_markdown};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A name that sets the terminal's title, rings its bell, changes colours in both encodings, reverses the direction of
/// the text, forges an error and returns to the start of the line; then some text that must stay readable.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{7f}\nerror: forged\r\u{2028}é数字👩‍🔬";

/// [`HOSTILE`] as it is shown.
const SHOWN: &str = r"\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{7f}\nerror: forged\r\u{2028}é数字👩‍🔬";

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

/// Checks that nothing in a text acts on a terminal.
#[track_caller]
fn assert_harmless(text: &str) {
    for letter in text.chars().filter(|&letter| letter != '\n') {
        assert!(!letter.is_control() && !"\u{202e}\u{2028}".contains(letter), "{letter:?} is in {text:?}");
    }
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text}");
}

/// Runs a command and returns its exit code, stdout and stderr, after checking both.
#[track_caller]
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_harmless(&stdout);
    assert_harmless(&stderr);
    (output.status.code().unwrap(), stdout, stderr)
}

/// Checks that a command fails with a message in which the hostile name is readable.
#[track_caller]
fn assert_shown_in_error(command: &mut Command, code: i32) {
    let (actual, _, stderr) = run(command);
    assert_eq!(actual, code, "{stderr}");
    assert!(stderr.contains("é数字"), "{stderr}");
}

fn hostile_names() -> Vec<String> {
    ["a", "b"].map(|class| format!("{class}{HOSTILE}")).to_vec()
}

/// A model whose class names are hostile.
fn hostile_model(folder: &TempDir) -> PathBuf {
    let network = LeNet5::new(1, 2);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    let info = ModelInfo {
        class_names: Some(hostile_names()),
        dataset: Some(HOSTILE.to_owned()),
        ..ModelInfo::default()
    };
    let path = folder.path().join("model.safetensors");
    fs::write(&path, weights::to_bytes(&Model { network, parameters, info })).unwrap();
    path
}

fn draw(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::new(28, 28).save(path).unwrap();
}

#[test]
fn class_names_of_a_model_are_escaped() {
    let folder = tempdir().unwrap();
    let model = hostile_model(&folder);
    let image = folder.path().join("image.png");
    draw(&image);
    let predict = || {
        let mut command = lenet_gpu(&["predict", "--backend", "cpu", "--model"]);
        command.arg(&model).arg(&image);
        command
    };
    let (code, stdout, _) = run(&mut predict());
    assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}");
    assert!(stdout.contains(SHOWN), "{stdout}");

    let (_, stdout, _) = run(predict().arg("--json"));
    let object: Value = serde_json::from_str(&stdout).unwrap();
    assert!(hostile_names().contains(&object["class"].as_str().unwrap().to_owned()), "{stdout}");

    for format in ["c-header", "onnx"] {
        let file = folder.path().join("exported");
        let mut export = lenet_gpu(&["export", "--format", format, "--model"]);
        export.arg(&model).arg("-o").arg(&file).assert().success();
        if format == "c-header" {
            assert_harmless(&fs::read_to_string(&file).unwrap());
        }
    }
}

// Windows allows no control characters in file names.
#[cfg(unix)]
mod files {
    use super::*;

    /// An image folder with hostile class names and a test image of each class.
    fn hostile_folder(folder: &TempDir) -> PathBuf {
        let data = folder.path().join(HOSTILE);
        for (index, name) in hostile_names().iter().enumerate() {
            for split in ["train", "test"] {
                draw(&data.join(split).join(name).join(format!("{index}.png")));
            }
        }
        data
    }

    #[test]
    fn class_names_of_an_image_folder_are_escaped() {
        let folder = tempdir().unwrap();
        let (data, model) = (hostile_folder(&folder), hostile_model(&folder));
        let mut train = lenet_gpu(&["train", "--backend", "cpu", "--epochs", "1", "--run-dir"]);
        train.arg(folder.path().join(format!("run {HOSTILE}"))).arg("--data-dir").arg(&data);
        let (code, stdout, stderr) = run(&mut train);
        assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}{stderr}");
        assert!(stdout.contains(SHOWN), "{stdout}");

        let evaluate = |arguments: &[&str]| {
            let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "--model"]);
            command.arg(&model).arg("--data-dir").arg(&data).args(arguments);
            run(&mut command)
        };
        let (code, stdout, _) = evaluate(&[]);
        assert_eq!(code, 0);
        let table = stdout.lines().filter(|line| line.contains(SHOWN)).count();
        assert_eq!(table, 4, "two rows in each table: {stdout}");

        let (_, stdout, _) = evaluate(&["--json"]);
        let object: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(object["classes"][1]["class"].as_str(), Some(&*hostile_names()[1]));

        let svg = folder.path().join("confusion.svg");
        evaluate(&["--confusion-matrix", svg.to_str().unwrap()]);
        assert!(roxmltree::Document::parse(&fs::read_to_string(svg).unwrap()).is_ok());

        fs::rename(data.join("test/").join(&hostile_names()[0]), data.join("test/c")).unwrap();
        assert_eq!(evaluate(&[]).0, 2, "the class names differ");
    }

    #[test]
    fn paths_on_the_command_line_are_escaped() {
        let folder = tempdir().unwrap();
        let model = hostile_model(&folder);
        let hostile = |extension: &str| folder.path().join(format!("{HOSTILE}{extension}"));
        fs::write(hostile(".safetensors"), "no model").unwrap();
        fs::write(hostile(".toml"), format!("[options]\n{} = 3\n", toml_key())).unwrap();
        fs::write(hostile(".png"), "no image").unwrap();
        fs::write(hostile(".json"), "{}").unwrap();
        for (arguments, path) in [
            (&["evaluate", "--model"][..], hostile(".safetensors")),
            (&["evaluate", "--model"], hostile(".missing")),
            (&["train", "--config"], hostile(".toml")),
            (&["train", "--resume"], hostile("")),
            (&["train", "--data-dir"], hostile("")),
            (&["bench", "--compare"], hostile(".json")),
            (&["bench", "--output"], hostile("/new.json")),
            (&["export", "-o", "/nonexistent/x.onnx", "--model"], hostile(".missing")),
            (&["predict", "--backend", "cpu", "--model", model.to_str().unwrap()], hostile(".png")),
        ] {
            assert_shown_in_error(lenet_gpu(arguments).arg(path), 2);
        }
        draw(&hostile("/fine.png"));
        let mut predict = lenet_gpu(&["predict", "--backend", "cpu", "--model", model.to_str().unwrap()]);
        let (code, stdout, _) = run(predict.arg(hostile("")));
        assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}");
    }

    /// [`HOSTILE`] as a key in TOML.
    fn toml_key() -> String {
        toml::Value::String(HOSTILE.to_owned()).to_string().replace("'''", "\"")
    }

    #[test]
    fn a_quote_in_a_runs_name_cannot_end_the_suggested_command() {
        let folder = tempdir().unwrap();
        let run_dir = folder.path().join("a'; echo forged; '");
        let mut train =
            lenet_gpu(&["train", "--backend", "cpu", "--limit-train", "64", "--limit-test", "64"]);
        train.args(["--epochs", "1", "--run-dir"]).arg(&run_dir);
        assert_eq!(run(train.arg("-q")).0, 0);
        // The same folder again: the hint, if any, quotes the name.
        let (code, _, stderr) = run(&mut train);
        assert_eq!(code, 2, "{stderr}");
        assert!(!stderr.contains("--resume '") || stderr.contains(r"a'\''; echo"), "{stderr}");
    }
}

#[test]
fn rejected_arguments_are_escaped() {
    for arguments in [
        &[HOSTILE][..],
        &["train", HOSTILE],
        &["train", "--epochs", HOSTILE],
        &["train", "--dataset", HOSTILE],
        &["train", "--preset", HOSTILE],
        &["bench", "--batch-size", HOSTILE],
        &["presets", HOSTILE],
        &["data", "fetch", HOSTILE],
        &["data", "fetch", "cifar10", "--from", HOSTILE],
        &["train", "--backend", "vulkan", "--adapter", HOSTILE],
    ] {
        let (code, _, stderr) = run(&mut lenet_gpu(arguments));
        assert!(code == 2 || arguments.contains(&"--adapter"), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = run(&mut lenet_gpu(&["train", &format!("--{HOSTILE}")]));
    assert!(code == 2 && stderr.contains(r"unknown option --\u{1b}]0;title\u{7}"), "{stderr}");
}

#[test]
fn tensor_names_of_a_model_are_escaped() {
    let folder = tempdir().unwrap();
    let bytes = fs::read(hostile_model(&folder)).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    // Without the metadata there is no digest, which the additional tensor would not match.
    header.as_object_mut().unwrap().remove("__metadata__");
    let end = data.len();
    header[HOSTILE] = json!({ "dtype": "F32", "shape": [1], "data_offsets": [end, end + 4] });
    let header = header.to_string();
    let path = folder.path().join("changed.safetensors");
    let length = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&length[..], header.as_bytes(), data, &[0; 4]].concat()).unwrap();
    assert_shown_in_error(lenet_gpu(&["evaluate", "--model"]).arg(&path), 2);
}

#[test]
fn names_in_an_archive_are_escaped() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    for kind in [tar::EntryType::Symlink, tar::EntryType::Regular] {
        let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(packed);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        // Tar stores at most 100 bytes of a name here.
        let name: String = format!("../{HOSTILE}").chars().take(60).collect();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, &[][..]).unwrap();
        fs::write(&path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        assert_shown_in_error(lenet_gpu(&["train", "--data-dir"]).arg(&path), 2);
    }
}

#[test]
fn texts_of_a_benchmark_are_escaped() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/results/2026-11-26-amd-epyc-2-cores/lavapipe/bench.json");
    let mut value: Value = serde_json::from_str(&fs::read_to_string(committed).unwrap()).unwrap();
    make_hostile(&mut value);
    let results: Results = serde_json::from_value(value).unwrap();
    let other = Results { date: format!("{HOSTILE}, later"), ..results.clone() };
    let markdown = to_markdown(&results, Some(&other));
    assert_harmless(&markdown);
    assert!(markdown.contains("é数字"));
    let json = results.to_json();
    assert_harmless(&json);
    assert_eq!(serde_json::from_str::<Results>(&json).unwrap(), results);
}

/// Appends the hostile text to each string, but for the names of variants.
fn make_hostile(value: &mut Value) {
    match value {
        Value::String(text) if !["train", "infer"].contains(&text.as_str()) => text.push_str(HOSTILE),
        Value::Array(values) => values.iter_mut().for_each(make_hostile),
        Value::Object(values) => values.values_mut().for_each(make_hostile),
        _ => {}
    }
}

#[test]
fn the_folder_of_the_cache_is_escaped_in_json() {
    let mut list = lenet_gpu(&["data", "list", "--json"]);
    let (code, stdout, _) = run(list.env("LENET_GPU_CACHE", format!("/nonexistent/{HOSTILE}")));
    let sets: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    assert!(sets[0]["folder"].as_str().unwrap().contains(HOSTILE), "{stdout}");
}
