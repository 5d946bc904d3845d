//! What is installed for shells and `man`.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::str::{contains, is_empty};
use tempfile::tempdir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lenet-gpu");

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

fn output(arguments: &[&str]) -> String {
    let output = lenet_gpu(arguments).assert().success().stderr(is_empty()).get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn every_shell_has_a_completion_script() {
    for (shell, first) in [
        ("bash", "_lenet_gpu_values() {"),
        ("zsh", "#compdef lenet-gpu"),
        ("fish", "# Print an optspec"),
        ("powershell", "\nusing namespace System.Management.Automation"),
        ("elvish", "\nuse builtin;"),
    ] {
        let script = output(&["completions", shell]);
        assert!(script.starts_with(first), "{shell}: {}", &script[..80]);
        for word in ["train", "evaluate", "early-stop-train-accuracy"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    lenet_gpu(&["completions", "tcsh"])
        .assert()
        .code(2)
        .stderr(contains("<SHELL> tcsh: must be bash, zsh, fish, powershell or elvish"));
}

#[test]
fn the_scripts_of_zsh_and_fish_ask_for_runs_and_adapters() {
    let zsh = output(&["completions", "zsh"]);
    assert!(zsh.contains(":RUN_DIR:_lenet_gpu_runs'") && zsh.contains(":INDEX|NAME:_lenet_gpu_adapters'"));
    assert!(zsh.contains("mnist-fast\\:\"") && !zsh.contains("_users") && !zsh.contains("_hosts"));
    let fish = output(&["completions", "fish"]);
    for (command, option, values) in [
        ("train", "resume", "-r -F -a \"(lenet-gpu completions runs 2>/dev/null)\""),
        ("evaluate", "adapter", "-r -f -a \"(lenet-gpu completions adapters 2>/dev/null)\""),
    ] {
        let is_it = |line: &&str| line.contains(command) && line.contains(&format!("-l {option} "));
        let line = fish.lines().find(is_it).unwrap();
        assert!(line.ends_with(values), "{line}");
    }
    let run = "complete -c lenet-gpu -n \"__fish_lenet_gpu_using_subcommand export\" -a \"(lenet-gpu completions runs";
    assert!(fish.contains(run) && !fish.contains("__fish_print_hostnames"));
}

#[test]
fn adapters_are_listed_with_their_indices() {
    for line in output(&["completions", "adapters"]).lines() {
        let (index, name) = line.split_once('\t').unwrap();
        assert!(index.parse::<usize>().is_ok() && name.ends_with(')'), "{line}");
    }
}

/// The words that bash offers after a command line, whose last word is the one to complete.
#[cfg(unix)]
fn completed(folder: &Path, words: &[&str]) -> Vec<String> {
    const DRIVER: &str = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _lenet__gpu "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let script = folder.join("script.bash");
    if !script.exists() {
        fs::write(&script, output(&["completions", "bash"])).unwrap();
    }
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", DRIVER, "bash"]).arg(script).arg(PROGRAM).args(words).current_dir(folder);
    let output = bash.assert().success().stderr(is_empty()).get_output().stdout.clone();
    String::from_utf8(output).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn bash_completes_commands_options_and_values() {
    let folder = tempdir().unwrap();
    for (words, expected) in [
        (&["tr"][..], &["train"][..]),
        (&["train", "--early"], &["--early-stop-train-accuracy"]),
        (&["train", "--preset", "mnist-"], &["mnist-fast", "mnist-best"]),
        (&["train", "--preset", "=", "paper-a"], &["paper-adam"]),
        (&["train", "--schedule", "="], &["constant", "step", "cosine", "linear", "one-cycle"]),
        (&["train", "--backend", "v"], &["vulkan"]),
        (&["data", "fetch", "fash"], &["fashion-mnist"]),
        (&["presets", "cifar"], &["cifar10-best"]),
        (&["completions", "ru"], &[]),
    ] {
        assert_eq!(completed(folder.path(), words), expected, "{words:?}");
    }
}

#[cfg(unix)]
#[test]
fn bash_completes_runs_and_files_without_expanding_their_names() {
    let folder = tempdir().unwrap();
    let hostile = "$(touch made)`touch made`";
    for name in ["slow", "a b", hostile] {
        let run = folder.path().join("runs").join(name);
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("config.toml"), "").unwrap();
    }
    fs::write(folder.path().join("my model.safetensors"), "").unwrap();
    for words in [&["evaluate", "ru"][..], &["train", "--resume", "ru"], &["predict", "--model", "=", "ru"]] {
        let found = completed(folder.path(), words);
        for name in ["slow", "a b", hostile] {
            let run = format!("runs/{name}");
            assert!(found.contains(&run), "{words:?} does not complete {run:?}, but {found:?}");
        }
    }
    assert_eq!(completed(folder.path(), &["export", "my"]), ["my model.safetensors"]);
    assert!(!folder.path().join("made").exists());
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempdir().unwrap();
    let pages = |folder: &Path| {
        lenet_gpu(&["man"])
            .arg(folder)
            .assert()
            .success()
            .stdout(is_empty())
            .stderr(contains("manual pages to"));
        let mut pages: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
            })
            .collect();
        pages.sort();
        pages
    };
    let first = pages(&folder.path().join("a/man1"));
    let find = |name: &str| &first.iter().find(|(known, _)| known == name).expect(name).1;
    let train = find("lenet-gpu-train.1");
    for part in [
        ".TH LENET-GPU-TRAIN 1 ",
        ".SH TRAINING",
        "\\-\\-batch\\-size",
        ".SH EXAMPLES",
        ".SH FILES OF A RUN",
        "\\fBlenet\\-gpu train\\fR [OPTIONS]",
    ] {
        assert!(train.contains(part), "no {part}");
    }
    assert!(
        find("lenet-gpu.1").contains(".SH EXIT STATUS") && find("lenet-gpu-data-fetch.1").contains("fetch")
    );
    assert_eq!(first, pages(&folder.path().join("b")), "the pages are the same each time");
}

#[test]
fn a_file_in_place_of_the_folder_for_pages_is_an_error() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    lenet_gpu(&["man"]).arg(&file).assert().code(2).stderr(contains("cannot create the folder"));
}
