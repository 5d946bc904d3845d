//! Signals, limits of the operating system, and unusual environments.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::function::function;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use tempfile::tempdir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lenet-gpu");

/// Runs the program in a shell, after a command that changes its environment.
#[cfg(unix)]
fn after(shell_command: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell_command}; exec \"$0\" \"$@\""), PROGRAM]).args(arguments);
    command
}

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

/// A command that starts all threads, but needs no device.
const COUNT: [&str; 6] = ["bench", "--by-count", "--batch-size", "1", "--images", "64"];

pub fn write_model(path: &Path) {
    let network = LeNet5::new(1, 10);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    fs::write(path, weights::to_bytes(&Model { network, parameters, info: ModelInfo::default() })).unwrap();
}

/// One error, with at most a hint, and nothing else.
fn one_error() -> impl Predicate<str> {
    function(|stderr: &str| {
        let lines: Vec<&str> = stderr.lines().collect();
        match lines[..] {
            [error] => error.starts_with("error: "),
            [error, hint] => error.starts_with("error: ") && hint.starts_with("hint: "),
            _ => false,
        }
    })
}

#[cfg(unix)]
mod signals {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command as StdCommand, Stdio};

    use super::*;

    /// Starts a run in a shell that has run `trap`, and sends it a signal after its first epoch. Returns its exit code
    /// and the number of epochs that it has shown.
    fn send(signal: &str, trap: &str, epochs: &str) -> (Option<i32>, usize) {
        let folder = tempdir().unwrap();
        let mut child: Child = StdCommand::new("sh")
            .args(["-c", &format!("{trap} exec \"$0\" \"$@\""), PROGRAM, "train", "--backend", "cpu"])
            .args(["--limit-train", "640", "--limit-test", "64", "--epochs", epochs, "--run-dir"])
            .arg(folder.path().join("run"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = 0;
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            if !line.unwrap().starts_with("epoch ") {
                continue;
            }
            shown += 1;
            if shown == 1 {
                let kill = StdCommand::new("kill").args([signal, &child.id().to_string()]).status();
                assert!(kill.unwrap().success());
            }
        }
        (child.wait().unwrap().code(), shown)
    }

    #[test]
    fn a_run_under_nohup_survives_a_hang_up() {
        assert_eq!(send("-HUP", "trap '' HUP;", "12"), (Some(0), 12));
    }

    #[test]
    fn a_background_job_of_a_script_survives_its_ctrl_c() {
        assert_eq!(send("-INT", "trap '' INT;", "12"), (Some(0), 12));
    }

    #[test]
    fn a_second_signal_ends_a_run_at_once_with_a_word() {
        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        // A step takes long enough for the second signal to arrive within it.
        let mut child: Child = StdCommand::new(PROGRAM)
            .args(["train", "--backend", "cpu", "--limit-train", "4000", "--limit-test", "64"])
            .args(["--batch-size", "4000", "--epochs", "1000", "--run-dir"])
            .arg(&run)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let checkpoint = run.join("checkpoint.safetensors");
        let mut stderr = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            // The files of the first epoch are written by the end of the third.
            if line.starts_with("epoch    3/") {
                for signal in ["-INT", "-TERM"] {
                    let kill = StdCommand::new("kill").args([signal, &child.id().to_string()]).status();
                    assert!(kill.unwrap().success());
                }
            }
            stderr += &format!("{line}\n");
        }
        assert_eq!(child.wait().unwrap().code(), Some(130), "{stderr}");
        let last = stderr.lines().last().unwrap();
        assert!(
            last.starts_with("stopped at once; the last checkpoint is ") && last.contains("--resume"),
            "{stderr}"
        );
        assert!(checkpoint.exists());
        let names =
            fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(
            !names.collect::<Vec<_>>().iter().any(|name| name.ends_with(".tmp")),
            "a temporary file was left"
        );
    }

    #[test]
    fn a_hang_up_interrupts_any_other_run() {
        let (code, shown) = send("-HUP", "", "1e6");
        assert_eq!(code, Some(130));
        assert!(shown < 1000, "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_limit_on_file_sizes_is_an_error_and_leaves_no_file() {
    let folder = tempdir().unwrap();
    let (model, exported) = (folder.path().join("model.safetensors"), folder.path().join("model.onnx"));
    write_model(&model);
    after("ulimit -f 8", &["export", "--model", model.to_str().unwrap(), "-o", exported.to_str().unwrap()])
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(one_error().and(contains("model.onnx")));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "something was left behind");

    let run = folder.path().join("run");
    after("ulimit -f 8", &["train", "--backend", "cpu", "--epochs", "1", "--limit-train", "64", "-q"])
        .args(["--limit-test", "64", "--run-dir"])
        .arg(&run)
        .assert()
        .code(1)
        .stderr(contains("cannot write"));
}

#[test]
fn the_number_of_threads_is_limited() {
    lenet_gpu(&COUNT)
        .env("RAYON_NUM_THREADS", "99999")
        .assert()
        .success()
        .stderr(contains("warning: RAYON_NUM_THREADS=99999 is too large").and(contains("\n").count(1)));
    for default in ["0", ""] {
        lenet_gpu(&COUNT).env("RAYON_NUM_THREADS", default).assert().success().stderr(is_empty());
    }
    lenet_gpu(&COUNT)
        .env("RAYON_NUM_THREADS", "many")
        .assert()
        .code(2)
        .stderr(one_error().and(contains("RAYON_NUM_THREADS=many: must be a whole number")));
}

/// The number has no effect on commands that do not compute.
#[test]
fn a_wrong_number_of_threads_does_not_disturb_other_commands() {
    lenet_gpu(&["presets"]).env("RAYON_NUM_THREADS", "many").assert().success();
}

/// Threads cannot start because their stack is larger than the address space. `ulimit -u` has the same effect.
#[cfg(all(unix, target_pointer_width = "64"))]
#[test]
fn a_thread_that_cannot_start_is_an_error() {
    lenet_gpu(&COUNT)
        .env("RUST_MIN_STACK", (1_u64 << 50).to_string())
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(one_error().and(contains("cannot start")));
}

/// Whatever allocation fails, the program says so and does not abort.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_memory_is_an_error() {
    let mut failed = 0;
    for kilobytes in [60_000, 80_000, 100_000, 120_000, 180_000, 240_000, 300_000, 480_000] {
        let folder = tempdir().unwrap();
        let output = after(&format!("ulimit -v {kilobytes}"), &["train", "--backend", "cpu", "-q"])
            .env("RAYON_NUM_THREADS", "2")
            .args(["--max-steps", "1", "--batch-size", "512", "--run-dir"])
            .arg(folder.path().join("run"))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            Some(0) => {}
            Some(1) => {
                failed += 1;
                assert!(one_error().eval(&stderr), "{kilobytes} KB: {stderr}");
            }
            _ => panic!("{kilobytes} KB: {}: {stderr}", output.status),
        }
    }
    assert!(failed > 0, "no limit was low enough");
}

#[cfg(unix)]
#[test]
fn closed_standard_streams_do_not_disturb_a_command() {
    let folder = tempdir().unwrap();
    let (model, exported) = (folder.path().join("model.safetensors"), folder.path().join("model.onnx"));
    write_model(&model);
    for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        let arguments = ["export", "--model", model.to_str().unwrap(), "-o", exported.to_str().unwrap()];
        after(closed, &arguments).assert().success();
        let bytes = fs::read(&exported).unwrap();
        assert!(bytes.len() > 100_000);
        // The result line is not in the file: the descriptor of a closed stream was not reused for it.
        let line = b"output `logits`";
        assert!(!bytes.windows(line.len()).any(|part| part == line), "{closed}");
        fs::remove_file(&exported).unwrap();
    }
}

#[test]
fn unusual_environments_are_fine() {
    for (name, value) in [
        ("TERM", "dumb"),
        ("TERM", ""),
        ("COLUMNS", "1"),
        ("COLUMNS", "0"),
        ("COLUMNS", "many"),
        ("NO_COLOR", "1"),
        ("LC_ALL", "C"),
        ("TMPDIR", "/nonexistent"),
        ("HOME", ""),
    ] {
        lenet_gpu(&["train", "--help"]).env(name, value).assert().success().stdout(contains("--epochs"));
    }
    let folder = tempdir().unwrap();
    lenet_gpu(&[
        "train",
        "--backend",
        "cpu",
        "--epochs",
        "1",
        "--limit-train",
        "64",
        "--limit-test",
        "64",
        "-q",
    ])
    .current_dir(&folder)
    .env_clear()
    .env("TMPDIR", "/nonexistent")
    .assert()
    .success();
    lenet_gpu(&["data", "list"]).env_clear().assert().success();
}

/// The standard error of a command without `XDG_RUNTIME_DIR`, as in containers.
fn stderr_in_container(arguments: &[&str]) -> (Option<i32>, String) {
    let output = lenet_gpu(arguments).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn drivers_are_silent_in_a_container() {
    assert_eq!(stderr_in_container(&["devices"]), (Some(0), String::new()));
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let short =
        ["train", "--limit-train", "64", "--limit-test", "64", "-q", "--run-dir", run.to_str().unwrap()];
    assert_eq!(stderr_in_container(&short), (Some(0), String::new()));
}

/// A device that is opened says something: a software adapter is slow.
#[test]
fn wrong_input_is_reported_without_a_device() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (model, missing, empty) = (path("model.safetensors"), path("missing"), path("empty"));
    write_model(Path::new(&model));
    fs::create_dir(&empty).unwrap();
    for arguments in [
        &["train", "--backend", "vulkan", "--data-dir", &missing][..],
        &["train", "--backend", "vulkan", "--data-dir", &empty],
        &["train", "--backend", "vulkan", "--dataset", "mnist", "--data-dir", &empty],
        &["evaluate", "--backend", "vulkan", "--model", &missing],
        &["evaluate", "--backend", "vulkan", "--model", &model, "--data-dir", &missing],
        &["predict", "--backend", "vulkan", "--model", &model, &empty],
        &["predict", "--backend", "vulkan", "--model", &missing, &empty],
        &["predict", "--backend", "vulkan", "--model", &model, &missing],
        &["verify", "--backend", "vulkan", "--only", "min_pool"],
    ] {
        let (code, stderr) = stderr_in_container(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(one_error().eval(&stderr), "{arguments:?}: {stderr}");
    }
}

/// Root may write almost anywhere, but not into Linux' own folders.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_system_refuses_is_a_failure_of_the_machine() {
    let folder = tempdir().unwrap();
    let quick =
        ["train", "--backend", "cpu", "--limit-train", "64", "--limit-test", "64", "--epochs", "1", "-q"];
    let train = |more: &[&str]| {
        let mut command = lenet_gpu(&quick);
        command.args(more).current_dir(&folder).assert().stderr(one_error())
    };
    train(&["--run-dir", "/sys/lenet-gpu"]).code(1).stderr(contains("cannot create the run directory"));
    fs::write(folder.path().join("file"), "").unwrap();
    train(&["--run-dir", "file/run"]).code(2);
    // This file can be opened, but its first page cannot be read.
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        std::os::unix::fs::symlink("/proc/self/mem", data.join(name)).unwrap();
    }
    train(&["--data-dir", "data", "--run-dir", "run"]).code(1).stderr(contains("cannot read"));
    train(&["--data-dir", "missing", "--run-dir", "run"]).code(2);
    let model = folder.path().join("model.safetensors");
    write_model(&model);
    let export = |to: &str| {
        lenet_gpu(&["export", "--model", model.to_str().unwrap(), "--format", "onnx", "-o", to]).assert()
    };
    export("/sys/lenet.onnx").code(1).stderr(one_error());
    export("/dev/full").code(1).stderr(one_error());
    export("/nonexistent/lenet.onnx").code(2).stderr(one_error());
}

#[test]
fn a_download_without_a_network_says_how_to_do_without() {
    let cache = tempdir().unwrap();
    let mut fetch = lenet_gpu(&["data", "fetch", "fashion-mnist", "-q"]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "http_proxy", "https_proxy"] {
        fetch.env(name, "http://127.0.0.1:1");
    }
    fetch.env_remove("NO_PROXY").env_remove("no_proxy").env("LENET_GPU_CACHE", cache.path());
    let place = cache.path().join("fashion-mnist");
    fetch.assert().code(1).stdout(is_empty()).stderr(
        one_error()
            .and(contains("error: cannot download train-images-idx3-ubyte.gz: "))
            .and(contains("t10k-labels-idx1-ubyte.gz from http"))
            .and(contains(format!("put them in {}", place.display())))
            .and(contains("--data-dir")),
    );
}

#[test]
fn the_built_in_data_set_needs_no_download() {
    let cache = tempdir().unwrap();
    lenet_gpu(&["data", "fetch", "mnist"])
        .env("LENET_GPU_CACHE", cache.path())
        .assert()
        .success()
        .stdout(contains("mnist is built in").and(contains("--to")))
        .stderr(is_empty());
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}
