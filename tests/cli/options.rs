//! What all commands' options have in common, and the spelling of options in files.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

/// Every command that does something.
const COMMANDS: [&[&str]; 13] = [
    &["train"],
    &["evaluate"],
    &["predict"],
    &["serve"],
    &["export"],
    &["data", "fetch"],
    &["data", "list"],
    &["presets"],
    &["paper"],
    &["devices"],
    &["verify"],
    &["tune"],
    &["bench"],
];

fn help(command: &[&str]) -> String {
    let output = lenet_gpu(command).arg("--help").assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// The line of an option in a help text, such as `-o, --output <FILE>`.
fn option<'a>(help: &'a str, name: &str) -> Option<&'a str> {
    let names =
        |line: &&str| line.starts_with('-') && line.split([' ', ',', '=', '[', '.']).any(|word| word == name);
    help.lines().map(str::trim).find(names)
}

#[test]
fn every_command_can_be_quiet_and_verbose() {
    for command in COMMANDS {
        let help = help(command);
        assert!(option(&help, "--quiet").is_some_and(|line| line.starts_with("-q,")), "{command:?}");
        assert!(option(&help, "--verbose").is_some_and(|line| line.starts_with("-v,")), "{command:?}");
    }
    lenet_gpu(&["presets", "-q"]).assert().success().stdout(contains("mnist-fast"));
    lenet_gpu(&["-q", "data", "list", "-q"]).assert().success();
}

#[test]
fn json_takes_no_value_in_any_command() {
    for command in COMMANDS {
        if let Some(line) = option(&help(command), "--json") {
            assert!(!line.contains(['<', '[']), "{command:?}: {line}");
        }
    }
}

#[test]
fn the_batch_size_and_the_output_have_one_name() {
    for command in COMMANDS {
        let help = help(command);
        let name = command.join(" ");
        let of = |names: &[&str]| names.contains(&name.as_str());
        assert_eq!(option(&help, "--batch-size").is_some(), of(&["train", "tune", "bench"]), "{name}");
        assert_eq!(
            option(&help, "--output").is_some_and(|line| line.starts_with("-o,")),
            of(&["export", "paper", "tune", "bench"]),
            "{name}"
        );
        for former in ["--batch", "--out", "--profile-batch", "--plan", "--probes"] {
            assert!(option(&help, former).is_none(), "{name} {former}");
        }
    }
}

#[test]
fn the_help_on_data_is_about_the_command() {
    let words = |command: &str| help(&[command]).split_whitespace().collect::<Vec<_>>().join(" ");
    for (command, defaults) in [
        ("train", &["[default: MNIST, built in]", "[default: pad for 28×28 images, resize for others]"][..]),
        (
            "evaluate",
            &["[default: the data that the model was trained on]", "[default: as in the model's training]"],
        ),
        ("bench", &["[default: synthetic images]"]),
    ] {
        let words = words(command);
        let missing: Vec<_> = defaults.iter().filter(|text| !words.contains(**text)).collect();
        assert!(missing.is_empty(), "{command}: {missing:?}");
        assert!(words.contains("--data-dir <PATH>") && !words.contains("for evaluate"), "{command}");
        assert!(!words.contains("values: true, false"), "{command}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_system_does_not_read_is_no_wrong_input() {
    // Reading its first byte is an input/output error.
    for option in ["--config", "--class-weights"] {
        lenet_gpu(&["train", "--backend", "cpu", option, "/proc/self/mem"])
            .args(["--limit-train", "20", "--limit-test", "2"])
            .assert()
            .code(1)
            .stderr(contains("/proc/self/mem").and(contains("cannot read")).and(contains("hint: ")));
    }
}

#[test]
fn a_similar_preset_is_suggested() {
    lenet_gpu(&["train", "--preset", "mnist-fats"])
        .assert()
        .code(2)
        .stderr(contains("unknown preset \"mnist-fats\"").and(contains("did you mean mnist-fast?")));
}

#[test]
fn other_names_of_options_are_accepted() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    lenet_gpu(&["train", "-q", "--backend", "cpu", "--limit-train", "64", "--limit-test", "8"])
        .args(["--batch", "16", "--learning-rate", "0.01", "--max-steps", "1", "-o"])
        .arg(&run)
        .assert()
        .success();
    let options = config(&run)["options"].clone();
    assert_eq!((options["batch-size"].as_integer(), options["lr"].as_float()), (Some(16), Some(0.01)));
}

#[test]
fn an_option_with_two_values_is_refused_in_one_line() {
    for (arguments, message) in [
        (&["serve", "--port", "1", "--port", "2"][..], "--port is given twice, as 1 and as 2"),
        (&["train", "--epochs", "3", "--epochs", "5"], "--epochs is given twice, as 3 and as 5"),
        (&["train", "--dataset", "mnist", "--dataset=cifar10"], "as mnist and as cifar10"),
        (&["train", "--flip", "--flip=false"], "--flip is given twice, as true and as false"),
        (&["export", "m", "-o", "x.onnx", "--output", "y.onnx"], "as x.onnx and as y.onnx"),
        (&["bench", "--backend", "vulkan", "--backend", "cpu"], "combine them: --backend vulkan,cpu"),
    ] {
        lenet_gpu(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(message).and(predicate::function(|text: &str| text.lines().count() == 1)));
    }
}

fn config(run: &Path) -> toml::Table {
    fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap()
}

#[test]
fn a_typed_option_replaces_that_of_a_file_which_replaces_that_of_a_preset() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    // The preset has epochs, lr and a batch size; the file has epochs and a batch size.
    lenet_gpu(&["train", "-q", "--preset", "mnist-fast", "--config", "tests/cli/quick.toml"])
        .args(["--epochs", "2", "--epochs", "2", "--max-steps", "0", "--run-dir"])
        .arg(&run)
        .assert()
        .success();
    let config = config(&run);
    assert_eq!(config["training"]["epochs"].as_float(), Some(2.0));
    assert_eq!(config["training"]["batch-size"].as_integer(), Some(32));
    assert_eq!(config["options"]["lr"].as_float(), Some(0.007));
}

/// The names in a table and its tables.
fn names(table: &toml::Table) -> Vec<String> {
    let inner = table.values().filter_map(toml::Value::as_table).flat_map(names);
    table.keys().cloned().chain(inner).collect()
}

#[test]
fn a_runs_config_spells_all_names_with_hyphens_and_may_be_edited_with_underscores() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    lenet_gpu(&["train", "-q", "--config", "tests/cli/quick.toml", "--run-dir"])
        .arg(path("run"))
        .args(["--max-steps", "2", "--clip-tensor-norm", "3", "--batch-norm", "--label-smoothing", "0.1"])
        .assert()
        .success();
    let names = names(&config(&path("run")));
    assert!(names.iter().any(|name| name == "learning-rate"), "{names:?}");
    assert!(names.iter().all(|name| !name.contains('_')), "{names:?}");

    let text = fs::read_to_string(path("run/config.toml")).unwrap();
    let edited: String = text
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((name, value)) => format!("{} = {value}\n", name.replace('-', "_")),
            None => format!("{}\n", line.replace('-', "_")),
        })
        .collect();
    fs::write(path("edited.toml"), edited).unwrap();
    let again = ["train", "-q", "--config"];
    lenet_gpu(&again).arg(path("edited.toml")).arg("--run-dir").arg(path("again")).assert().success();
    let model = |run: &str| fs::read(path(run).join("model.safetensors")).unwrap();
    assert_eq!(model("again"), model("run"));
    // A run's own configuration may be edited as well.
    fs::copy(path("edited.toml"), path("again/config.toml")).unwrap();
    lenet_gpu(&["train", "-q", "--resume"]).arg(path("again")).assert().success();
}

#[test]
fn an_unknown_option_in_a_file_gets_a_similar_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, "[options]\nbatch_sizes = 3\n").unwrap();
    lenet_gpu(&["train", "--config", path.to_str().unwrap()])
        .assert()
        .code(2)
        .stderr(contains("unknown option \"batch_sizes\"").and(contains("did you mean \"batch-size\"?")));
}
