//! The whole program, on the CPU engine and with few images.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use lenet_gpu::model::{LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

/// Tolerance for sums of the same seconds, added in another order.
const ADDING_SECONDS: f64 = 1e-9;

/// A short run: 256 training images, 64 test images, 8 steps per epoch.
fn quick_train(run_dir: &Path) -> Command {
    let mut command = lenet_gpu();
    command
        .args([
            "train",
            "--config",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/quick.toml"),
            "--run-dir",
        ])
        .arg(run_dir);
    command
}

/// The lines of a run's metrics.
fn metrics(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A temporary folder and a run directory in it, which does not exist yet.
fn new_run_dir() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let run_dir = folder.path().join("run");
    (folder, run_dir)
}

/// Whether stderr is one error line, followed by at most one hint.
fn is_one_error(stderr: &str) -> bool {
    let mut lines = stderr.lines();
    lines.next().is_some_and(|line| line.starts_with("error: "))
        && lines.next().is_none_or(|line| line.starts_with("hint: "))
        && lines.next().is_none()
}

/// An environment in which neither Vulkan nor GL finds a driver.
#[cfg(target_os = "linux")]
fn without_drivers(command: &mut Command) -> &mut Command {
    command
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent")
}

#[test]
fn a_run_writes_its_config_metrics_and_model() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--epochs", "1.75", "--lr", "2e-3", "--seed", "5", "--init", "kaiming"])
        .assert()
        .success()
        .stdout(contains("test accuracy").and(contains("model.safetensors")))
        .stderr(contains("training on CPU").and(contains("epoch 1/2")).and(contains("epoch 2/2")));

    let lines = metrics(&run_dir);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["epoch"], &lines[0]["step"]), (&1.into(), &8.into()));
    assert_eq!((&lines[1]["epoch"], &lines[1]["step"]), (&2.into(), &14.into()));

    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["engine"]["backend"].as_str(), Some("cpu"));
    assert_eq!(config["data"]["train"].as_integer(), Some(256));
    assert_eq!(config["training"]["epochs"].as_float(), Some(1.75));
    assert_eq!(config["training"]["seed"].as_integer(), Some(5));
    assert_eq!(config["weights"]["init"].as_str(), Some("kaiming"));
    assert_eq!(config["program"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    assert!(run_dir.join("model.safetensors").is_file());
}

#[test]
fn json_prints_one_object_per_epoch_and_nothing_else() {
    let (_folder, run_dir) = new_run_dir();
    let assert = quick_train(&run_dir).args(["--epochs", "2", "--json"]).assert().success();
    let stdout = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let printed: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed, metrics(&run_dir));
    let mut keys: Vec<_> = printed[0].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "epoch",
            "images_per_second",
            "lr",
            "seconds",
            "step",
            "test_accuracy",
            "test_loss",
            "train_accuracy",
            "train_loss",
            "weights_hash"
        ]
    );
}

#[test]
fn quiet_prints_only_the_result() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).arg("-q").assert().success().stdout(contains("test accuracy")).stderr(is_empty());
}

#[test]
fn equal_seeds_give_equal_weights_and_other_seeds_do_not() {
    let hash = |seed: &str| {
        let (_folder, run_dir) = new_run_dir();
        quick_train(&run_dir).args(["--seed", seed]).assert().success();
        metrics(&run_dir)[0]["weights_hash"].as_str().unwrap().to_owned()
    };
    let first = hash("1");
    assert_eq!(first.len(), 16);
    assert_eq!(hash("1"), first);
    assert_ne!(hash("2"), first);
}

#[test]
fn zero_steps_save_the_initial_weights() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--max-steps", "0"])
        .assert()
        .success()
        .stdout(contains("the initial weights are in"));
    assert!(metrics(&run_dir).is_empty());
    let model = run_dir.join("model.safetensors");
    lenet_gpu().args(["evaluate", "--backend", "cpu", "--model"]).arg(model).assert().success();
}

#[test]
fn a_run_starts_from_the_weights_of_an_earlier_run() {
    let (folder, first) = new_run_dir();
    quick_train(&first).assert().success();
    let second = folder.path().join("second");
    quick_train(&second)
        .args(["--max-steps", "0", "--init-from"])
        .arg(first.join("model.safetensors"))
        .assert()
        .success();
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&first), model(&second));
}

#[cfg(target_os = "linux")]
#[test]
fn paths_need_not_be_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let (folder, first) = new_run_dir();
    quick_train(&first).args(["--max-steps", "0"]).assert().success();
    let model = folder.path().join(OsStr::from_bytes(b"model-\xff.safetensors"));
    fs::rename(first.join("model.safetensors"), &model).unwrap();
    let second = folder.path().join(OsStr::from_bytes(b"run-\xff"));
    quick_train(&second).args(["--max-steps", "0", "--init-from"]).arg(&model).assert().success();
    assert!(second.join("model.safetensors").is_file());
}

#[test]
fn evaluate_reproduces_the_test_metrics_of_the_last_epoch() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).args(["--limit-test", "10000"]).assert().success();
    let assert = lenet_gpu()
        .args(["evaluate", "--backend", "cpu", "--json", "--model"])
        .arg(run_dir.join("model.safetensors"))
        .assert()
        .success();
    let found: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let last = metrics(&run_dir).pop().unwrap();
    assert_eq!(found["loss"], last["test_loss"]);
    assert_eq!(found["accuracy"], last["test_accuracy"]);
    assert_eq!(found["weights_hash"], last["weights_hash"]);
    assert_eq!(found["images"], 10_000);
}

#[test]
fn cifar_10_is_trained_on_and_evaluated() {
    let (_folder, run_dir) = new_run_dir();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
    lenet_gpu()
        .args(["train", "--backend", "cpu", "--dataset", "cifar10", "--max-steps", "5", "--data-dir"])
        .arg(&sample)
        .arg("--run-dir")
        .arg(&run_dir)
        .assert()
        .success()
        .stdout(contains("test accuracy"))
        .stderr(
            contains("warning: the official CIFAR-10 files have 10000 images each")
                .and(contains("data_batch_5.bin has 200")),
        );
    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["train"].as_integer(), Some(1_000));
    assert_eq!(config["network"]["channels"].as_integer(), Some(3));

    let model = run_dir.join("model.safetensors");
    let evaluate = |data: &[&str]| {
        let mut command = lenet_gpu();
        command.args(["evaluate", "--backend", "cpu", "--json", "--model"]).arg(&model).args(data);
        command.assert()
    };
    let assert = evaluate(&["--data-dir", sample.to_str().unwrap()]).success();
    let found: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(found["images"], 100);
    assert_eq!(found["accuracy"], metrics(&run_dir)[0]["test_accuracy"]);
    // The folder is recorded in the model.
    let assert = evaluate(&[]).success();
    let again: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(again["loss"], found["loss"]);
    evaluate(&["--dataset", "mnist"]).code(2).stderr(contains("expects images with 3 channels"));
}

#[test]
fn images_are_resized_and_converted_to_three_channels() {
    let (_folder, run_dir) = new_run_dir();
    let converted = ["--fit", "resize", "--channels", "3"];
    quick_train(&run_dir)
        .args(converted)
        .args(["--limit-test", "10000", "--max-steps", "2"])
        .assert()
        .success();
    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["fit"].as_str(), Some("resize"));
    assert_eq!(config["network"]["channels"].as_integer(), Some(3));

    let model = run_dir.join("model.safetensors");
    let evaluate = |options: &[&str]| {
        let mut command = lenet_gpu();
        command.args(["evaluate", "--backend", "cpu", "--json", "--model"]).arg(&model).args(options);
        command.assert()
    };
    let assert = evaluate(&converted).success();
    let found: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(found["loss"], metrics(&run_dir)[0]["test_loss"]);
    let assert = evaluate(&[]).success();
    let again: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(again["loss"], found["loss"], "images are converted as in training");
    evaluate(&["--dataset", "mnist"])
        .code(2)
        .stderr(contains("expects images with 3 channels").and(contains("--channels 3")));
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cifar10-sample");
    evaluate(&["--channels", "1", "--data-dir", sample]).code(2).stderr(contains("the data set has 1"));
}

#[test]
fn images_too_large_to_pad_are_rejected() {
    let (folder, run_dir) = new_run_dir();
    for part in ["train", "t10k"] {
        let images = [vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 40], vec![9; 28 * 40]].concat();
        fs::write(folder.path().join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let labels = [0, 0, 8, 1, 0, 0, 0, 1, 1];
        fs::write(folder.path().join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let train = |options: &[&str]| {
        let mut command = quick_train(&run_dir);
        command.arg("--data-dir").arg(folder.path()).args(options).assert()
    };
    train(&["--fit", "pad"])
        .code(2)
        .stderr(contains("28 pixels high and 40 wide").and(contains("use --fit resize")));
    assert!(!run_dir.exists(), "a run that did not start left a folder");
    train(&["--max-steps", "0"]).success();
}

#[test]
fn truncated_cifar_10_is_rejected_before_a_run_starts() {
    let (folder, run_dir) = new_run_dir();
    fs::write(folder.path().join("data_batch_1.bin"), [0; 3_073]).unwrap();
    fs::write(folder.path().join("test_batch.bin"), [0; 3_072]).unwrap();
    let folder = folder.path().to_str().unwrap();
    quick_train(&run_dir)
        .args(["--data-dir", folder])
        .assert()
        .code(2)
        .stderr(contains("test_batch.bin").and(contains("multiple of the record length 3073")));
    lenet_gpu().args(["train", "--help"]).assert().success().stdout(contains("cifar10"));
    assert!(!run_dir.exists(), "a run that did not start left a folder");
}

#[test]
fn evaluate_reports_a_loss_that_is_not_finite() {
    let (folder, _) = new_run_dir();
    let network = LeNet5::new(1, 10);
    let parameters = vec![1e38; ParameterTable::new(&network).arena_len()];
    let huge = Model { network, parameters, info: ModelInfo::default() };
    let model = folder.path().join("huge.safetensors");
    fs::write(&model, weights::to_bytes(&huge)).unwrap();
    lenet_gpu()
        .args(["evaluate", "--backend", "cpu", "--dataset", "mnist", "--model"])
        .arg(model)
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(contains("image 0").and(contains("weights")));
}

#[test]
fn invalid_values_are_rejected_by_the_name_of_their_option() {
    for (option, value) in [
        ("--epochs", "0"),
        ("--epochs", "-1"),
        ("--epochs", "inf"),
        ("--batch-size", "0"),
        ("--batch-size", "-1"),
        ("--batch-size", "some"),
        ("--lr", "0"),
        ("--lr", "nan"),
        ("--lr", "fast"),
        ("--beta1", "1"),
        ("--beta2", "-0.5"),
        ("--eps", "0"),
        ("--seed", "-1"),
        ("--seed", "9223372036854775808"),
        ("--limit-train", "0"),
        ("--limit-test", "0"),
        ("--max-steps", "-3"),
        ("--max-steps", "9223372036854775808"),
        ("--init", "zeros"),
        ("--optimizer", "lion"),
        ("--momentum", "1"),
        ("--weight-decay", "-0.1"),
        ("--clip-fc", "0"),
        ("--clip-conv", "-1"),
        ("--clip-norm", "nan"),
        ("--clip-tensor-norm", "inf"),
        ("--schedule", "zigzag"),
        ("--warmup", "1"),
        ("--lr-step-epochs", "0"),
        ("--lr-step-factor", "1"),
        ("--activation", "gelu"),
        ("--batch-norm=perhaps", ""),
        ("--loss", "hinge"),
        ("--reduction", "max"),
        ("--label-smoothing", "1"),
        ("--early-stop-train-accuracy", "101"),
        ("--target-accuracy", "0.95"),
        ("--patience", "0"),
        ("--validation-split", "1"),
        ("--shift", "32"),
        ("--rotate", "-5"),
        ("--scale", "1"),
        ("--backend", "cuda"),
        ("--dataset", "imagenet"),
        ("--fit", "crop"),
        ("--channels", "2"),
        ("--adapter", ""),
    ] {
        lenet_gpu()
            .args(["train", option, value])
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains(option.split('=').next().unwrap()).and(predicate::function(is_one_error)));
    }
}

#[test]
fn unknown_options_and_missing_commands_are_wrong_usage() {
    lenet_gpu().assert().code(2);
    lenet_gpu().arg("frobnicate").assert().code(2);
    lenet_gpu().args(["train", "--dropout", "0.5"]).assert().code(2);
    lenet_gpu().args(["evaluate"]).assert().code(2).stderr(contains("missing MODEL"));
}

#[test]
fn help_and_version_go_to_stdout() {
    lenet_gpu().arg("--help").assert().success().stdout(contains("Examples:"));
    for command in ["train", "evaluate", "devices"] {
        lenet_gpu().args([command, "--help"]).assert().success().stdout(contains("Examples:"));
    }
    lenet_gpu()
        .arg("--version")
        .assert()
        .success()
        .stdout(predicates::str::starts_with(concat!("lenet-gpu ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_missing_data_folder_is_named_in_the_error() {
    let (folder, run_dir) = new_run_dir();
    let missing = folder.path().join("no-such-folder");
    quick_train(&run_dir)
        .arg("--data-dir")
        .arg(&missing)
        .assert()
        .code(2)
        .stderr(contains("error: ").and(contains("no-such-folder")));
    assert!(!run_dir.exists(), "a run that did not start left a folder");
}

#[test]
fn a_run_directory_that_cannot_be_created_fails_before_training() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    quick_train(&file.join("run"))
        .assert()
        .code(2)
        .stderr(contains("cannot create the run directory").and(contains("epoch").not()));
}

#[test]
fn a_run_directory_that_holds_a_run_is_rejected_unchanged() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).assert().success();
    let before = metrics(&run_dir);
    quick_train(&run_dir).assert().code(2).stderr(contains("already contains a run"));
    assert_eq!(metrics(&run_dir), before);
}

#[test]
fn a_damaged_model_is_wrong_input() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).args(["--max-steps", "0"]).assert().success();
    let model = run_dir.join("model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    bytes.truncate(1000);
    fs::write(&model, bytes).unwrap();
    for arguments in [["evaluate", "--model"], ["train", "--init-from"]] {
        lenet_gpu()
            .args(arguments)
            .arg(&model)
            .assert()
            .code(2)
            .stderr(contains("error: ").and(contains("model.safetensors")));
    }
    lenet_gpu().args(["evaluate", "--model", "nowhere"]).assert().code(2).stderr(contains("nowhere"));
}

#[cfg(unix)]
#[test]
fn a_model_that_is_a_pipe_is_rejected_without_waiting() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("model.safetensors");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for arguments in [["evaluate", "--model"], ["train", "--init-from"]] {
        lenet_gpu()
            .args(arguments)
            .arg(&pipe)
            .timeout(Duration::from_secs(60))
            .assert()
            .code(2)
            .stderr(contains("model.safetensors").and(contains("not a regular file")));
    }
}

/// Runs the program with a stdout whose reader has gone.
pub fn run_with_closed_pipe<T: AsRef<std::ffi::OsStr>>(arguments: &[T]) -> std::process::Output {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

#[test]
fn a_closed_stdout_is_not_an_error() {
    let (folder, run_dir) = new_run_dir();
    let json_run = folder.path().join("json");
    let train = |run_dir: &Path, last: &str| {
        let run_dir = run_dir.to_str().unwrap().to_owned();
        let few = ["--limit-train", "64", "--limit-test", "64", "--epochs", "2", last, "--run-dir"];
        [&["train", "--backend", "cpu"], &few[..], &[&run_dir]]
            .concat()
            .iter()
            .map(|a| a.to_string())
            .collect()
    };
    let commands: [Vec<String>; 3] =
        [train(&run_dir, "-q"), train(&json_run, "--json"), vec!["devices".to_owned()]];
    for arguments in commands {
        let output = run_with_closed_pipe(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("cannot write") && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    assert_eq!(metrics(&json_run).len(), 2, "the run finished");
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_a_hint() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--lr", "1e30", "--epochs", "3"])
        .assert()
        .code(1)
        .stderr(contains("not finite").and(contains("--lr")));
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_the_error_names_the_file() {
    let (_folder, run_dir) = new_run_dir();
    // A limit on file sizes emulates the disk: only the model exceeds it.
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec '{}' train --backend cpu --limit-train 64 --limit-test 64 \
         --run-dir '{}'",
        env!("CARGO_BIN_EXE_lenet-gpu"),
        run_dir.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .assert()
        .code(1)
        .stderr(contains("cannot write").and(contains("model.safetensors")));
    assert!(!run_dir.join("model.safetensors").exists(), "a partial model was left");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_from_the_start_is_a_failure() {
    let (_folder, run_dir) = new_run_dir();
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec '{}' train --backend cpu --limit-train 64 --limit-test 64 \
         --run-dir '{}'",
        env!("CARGO_BIN_EXE_lenet-gpu"),
        run_dir.display()
    );
    Command::new("sh").args(["-c", &script]).assert().code(1).stderr(contains("cannot write"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_its_model_and_exits_with_130() {
    for signal in ["-INT", "-TERM"] {
        let (_folder, run_dir) = new_run_dir();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
            .args(["train", "--backend", "cpu", "--epochs", "1e6", "--limit-test", "64", "--run-dir"])
            .arg(&run_dir)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The metrics file exists when the first epoch starts, which takes seconds.
        let started = Instant::now();
        while !run_dir.join("metrics.jsonl").exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "training does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("interrupted after step"), "{stderr}");
        let model = run_dir.join("model.safetensors");
        lenet_gpu().args(["evaluate", "--backend", "cpu", "--model"]).arg(model).assert().success();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_auto_uses_the_cpu_and_says_so() {
    let (_folder, run_dir) = new_run_dir();
    without_drivers(&mut lenet_gpu())
        .args(["train", "--limit-train", "64", "--limit-test", "64", "--run-dir"])
        .arg(run_dir)
        .assert()
        .success()
        .stderr(contains("CPU").and(contains("no GPU was found")));
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_a_requested_backend_fails_with_a_hint() {
    let (_folder, run_dir) = new_run_dir();
    without_drivers(&mut lenet_gpu())
        .args(["train", "--backend", "vulkan", "--run-dir"])
        .arg(&run_dir)
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(
            contains("error: Vulkan has no adapter")
                .and(contains("Vulkan: no driver could be loaded"))
                .and(contains("Metal: not available on this operating system"))
                .and(contains("hint: install"))
                .and(contains("--backend cpu")),
        );
    assert!(!run_dir.exists(), "a run that did not start left a folder");
}

#[test]
fn a_missing_adapter_is_wrong_input() {
    let (_folder, run_dir) = new_run_dir();
    for (adapter, message) in [("999", "no adapter 999"), ("voodoo 2", "\"voodoo 2\"")] {
        lenet_gpu()
            .args(["train", "--adapter", adapter, "--run-dir"])
            .arg(&run_dir)
            .assert()
            .code(2)
            .stderr(contains(message));
    }
    lenet_gpu().args(["train", "--backend", "cpu", "--adapter", "0"]).assert().code(2);
}

#[test]
fn devices_names_the_device_that_auto_uses() {
    lenet_gpu().arg("devices").assert().success().stdout(contains("default: "));
    let assert = lenet_gpu().args(["devices", "--json"]).assert().success();
    let devices: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert!(devices["auto"]["reason"].is_string());
    assert!(devices["backends"]["vulkan"].is_string());
    for (index, adapter) in devices["adapters"].as_array().unwrap().iter().enumerate() {
        assert_eq!(adapter["index"], index);
        assert!(adapter["limits"]["max_storage_buffer_binding_size"].is_u64());
        for field in ["name", "backend", "type", "driver"] {
            assert!(adapter[field].is_string(), "{field} of {adapter}");
        }
    }
}

#[test]
fn verify_checks_the_kernels_of_the_device() {
    // Without a real GPU, auto fails, and a software adapter must be requested.
    let mut command = lenet_gpu();
    // The parity tests run the whole table.
    command.args(["verify", "--json", "--only", "max_pool"]);
    if command.output().unwrap().status.code() == Some(2) {
        command.args(["--backend", "vulkan"]);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let findings = String::from_utf8(output.stdout).unwrap();
    assert!(findings.lines().count() >= 6, "{findings}");
    for line in findings.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["passed"], true, "{line}");
        assert!(finding["check"].as_str().unwrap().contains("max_pool"));
    }
    let backend = if command.get_args().any(|argument| argument == "vulkan") { "vulkan" } else { "auto" };
    let verify = ["verify", "--backend", backend, "--only", "min_pool"];
    lenet_gpu().args(verify).assert().code(2).stderr(contains("min_pool"));
}

#[test]
fn contradicting_options_are_rejected_in_one_line_before_training() {
    for (options, expected) in [
        (&["--momentum", "0.9"][..], "--optimizer sgd"),
        (&["--optimizer", "sgd", "--beta2", "0.9"], "--optimizer adam"),
        (&["--optimizer", "sgd", "--nesterov"], "--momentum above 0"),
        (&["--optimizer", "gd", "--batch-size", "32"], "hint: use --optimizer sgd"),
        (&["--schedule", "step"], "--lr-step-epochs"),
        (&["--lr-step-epochs", "1"], "--schedule step"),
        (&["--schedule", "step", "--lr-step-epochs", "2"], "never fall"),
        (&["--patience", "1"], "patience must be lower"),
        (&["--schedule", "cosine", "--warmup", "0.01"], "warm-up of 0.01"),
        (&["--limit-train", "1", "--validation-split", "0.5"], "two training images"),
        (&["--preset", "fastest"], "mnist-fast"),
    ] {
        let (_folder, run_dir) = new_run_dir();
        quick_train(&run_dir)
            .args(options)
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains(expected).and(predicate::function(is_one_error)));
        assert!(!run_dir.exists(), "{options:?}");
    }
}

#[test]
fn batch_normalisation_requires_batches_of_more_than_one_image() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--batch-norm", "--batch-size", "1"])
        .assert()
        .code(2)
        .stdout("")
        .stderr(predicate::str::contains("--batch-size"));
    assert!(!run_dir.exists());
    quick_train(&run_dir)
        .args(["--batch-norm", "--limit-train", "65", "--batch-size", "64"])
        .assert()
        .success()
        .stderr(predicate::str::contains("65 images in batches of 64"));
}

#[test]
fn metrics_record_the_scheduled_learning_rate() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).args(["--epochs", "2", "--lr", "0.01", "--schedule", "linear"]).assert().success();
    let rates: Vec<_> = metrics(&run_dir).iter().map(|line| line["lr"].as_f64().unwrap()).collect();
    // The 8th and the 16th step of 16.
    assert!(
        (rates[0] - 0.01 * 9.0 / 16.0).abs() < 1e-8 && (rates[1] - 0.01 / 16.0).abs() < 1e-8,
        "{rates:?}"
    );
}

#[test]
fn a_stopping_rule_ends_a_run_and_is_reported() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--epochs", "50", "--early-stop-train-accuracy", "40"])
        .assert()
        .success()
        .stderr(contains("the training accuracy has reached 40 %"));
    let lines = metrics(&run_dir);
    assert!(lines.len() < 50);
    assert!(lines.last().unwrap()["train_accuracy"].as_f64().unwrap() >= 0.4);
}

#[test]
fn reaching_the_target_accuracy_ends_the_run_and_reports_the_time() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--epochs", "50", "--target-accuracy", "30"])
        .assert()
        .success()
        .stderr(contains("test accuracy of 30 % reached after ").and(contains(" s of training, ")));
    let lines = metrics(&run_dir);
    assert!(lines.len() < 50);
    assert!(lines.last().unwrap()["test_accuracy"].as_f64().unwrap() >= 0.3);
}

#[test]
fn a_target_accuracy_can_be_reached_in_the_last_epoch() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir)
        .args(["--target-accuracy", "1"])
        .assert()
        .success()
        .stderr(contains("test accuracy of 1 % reached after 8 steps: "));
}

#[test]
fn a_missed_target_accuracy_is_reported_with_the_time() {
    for ending in [&["--epochs", "1"][..], &["--epochs", "50", "--early-stop-train-accuracy", "1"]] {
        let (_folder, run_dir) = new_run_dir();
        quick_train(&run_dir)
            .args(["--target-accuracy", "100"])
            .args(ending)
            .assert()
            .success()
            .stderr(contains("test accuracy of 100 % not reached in 8 steps: "));
    }
}

#[test]
fn json_includes_the_target_accuracy_of_each_epoch() {
    let (_folder, run_dir) = new_run_dir();
    let mut command = quick_train(&run_dir);
    let assert = command.args(["--epochs", "50", "--target-accuracy", "50", "--json"]).assert().success();
    let stdout = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, earlier) = lines.split_last().unwrap();
    assert!(earlier.iter().all(|line| line["target"]["reached"] == false));
    assert_eq!((&last["target"]["reached"], &last["target"]["percent"]), (&true.into(), &50.0.into()));

    // `training_seconds` is the sum over all epochs, and part of `wall_seconds`.
    let number = |line: &Value, name: &str| line["target"][name].as_f64().unwrap();
    let training: f64 = lines.iter().map(|line| line["seconds"].as_f64().unwrap()).sum();
    assert!((number(last, "training_seconds") - training).abs() < ADDING_SECONDS);
    assert!(lines.iter().all(|line| number(line, "wall_seconds") > number(line, "training_seconds")));
}

#[test]
fn validation_images_are_evaluated_and_not_trained_on() {
    let (_folder, run_dir) = new_run_dir();
    quick_train(&run_dir).args(["--validation-split", "0.25"]).assert().success();
    let line = &metrics(&run_dir)[0];
    assert_eq!(line["step"].as_u64(), Some(6));
    assert!(line["validation_loss"].as_f64().unwrap() > 0.0);
    let config: toml::Table = fs::read_to_string(run_dir.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["train"].as_integer(), Some(192));
    assert_eq!(config["data"]["validation"].as_integer(), Some(64));
}

#[test]
fn a_runs_config_repeats_the_run_and_typed_options_take_precedence() {
    let (folder, first) = new_run_dir();
    quick_train(&first).args(["--preset", "mnist-fast", "--seed", "4"]).assert().success();
    let again = |name: &str, options: &[&str]| {
        let run_dir = folder.path().join(name);
        lenet_gpu()
            .args(["train", "--config"])
            .arg(first.join("config.toml"))
            .arg("--run-dir")
            .arg(&run_dir)
            .args(options)
            .assert()
            .success();
        metrics(&run_dir).last().unwrap()["weights_hash"].clone()
    };
    let hash = metrics(&first).last().unwrap()["weights_hash"].clone();
    assert_eq!(again("second", &[]), hash);
    assert_ne!(again("third", &["--seed", "5"]), hash);
}

#[test]
fn presets_are_listed_and_shown_as_config_files() {
    let output = lenet_gpu().arg("presets").assert().success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    for name in ["mnist-fast", "mnist-best", "cifar10-best"] {
        assert!(text.contains(name), "{text}");
        let shown = lenet_gpu().args(["presets", name]).assert().success().get_output().stdout.clone();
        let table: toml::Table = String::from_utf8(shown).unwrap().parse().unwrap();
        assert!(table["options"]["epochs"].is_integer() || table["options"]["epochs"].is_float());
    }
    lenet_gpu().args(["presets", "slow"]).assert().code(2).stderr(contains("mnist-best"));
}
