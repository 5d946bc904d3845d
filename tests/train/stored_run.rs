//! Runs are read in any state, without changing them, and repeated by the command that they name.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use lenet_gpu::engine::{Loss, Optimizer};
use lenet_gpu::model::{Init, LeNet5};
use lenet_gpu::train::{
    DataConfig, EarlierRun, EngineConfig, EpochRecord, InitialWeights, Program, RunConfig, RunDirectory,
    RunStatus, StopReason, Stopping, StoredRun, TrainingConfig,
};
use tempfile::tempdir;

use crate::crash_points::{SMALL, copy_files};
use crate::resume::{Scratch, lenet_gpu, metrics, resume};

/// A run of three epochs of ten steps.
fn config() -> RunConfig {
    RunConfig {
        program: Program::this(),
        engine: EngineConfig::cpu("CPU, 2 threads".to_owned()),
        data: DataConfig {
            name: "MNIST (built in)".to_owned(),
            train: 640,
            validation: None,
            test: 64,
            fit: None,
        },
        network: LeNet5::new(1, 10),
        weights: InitialWeights::Init(Init::Pytorch),
        training: TrainingConfig { epochs: 3.0, batch_size: 64, ..TrainingConfig::default() },
        loss: Loss::default(),
        optimizer: Optimizer::default(),
        options: toml::toml! {
            epochs = 3
            batch-size = 64
        },
    }
}

fn record(epoch: u64, test_accuracy: f64) -> EpochRecord {
    EpochRecord {
        epoch,
        step: 10 * epoch,
        lr: 1e-3,
        test_accuracy,
        seconds: 2.0,
        images_per_second: 320.0,
        weights_hash: format!("{epoch:016}"),
        ..EpochRecord::default()
    }
}

fn start(path: &Path, config: &RunConfig, accuracies: &[f64]) -> RunDirectory {
    let mut run = RunDirectory::create(path, config).unwrap();
    for (epoch, &accuracy) in (1..).zip(accuracies) {
        run.append(&record(epoch, accuracy));
    }
    assert!(run.write().is_empty());
    run
}

/// All files with their times.
fn snapshot(run: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let modified = entry.metadata().unwrap().modified().unwrap();
        (entry.file_name().into_string().unwrap(), (fs::read(entry.path()).unwrap(), modified))
    };
    entries.map(file).collect()
}

#[test]
fn a_run_is_running_until_its_process_lets_go_of_it() {
    let folder = tempdir().unwrap();
    let status = || StoredRun::open(folder.path()).unwrap().status;
    let run = start(folder.path(), &config(), &[0.5]);
    assert_eq!(status(), RunStatus::Running);
    drop(run);
    assert_eq!(status(), RunStatus::Interrupted);
}

#[test]
fn the_end_of_a_run_follows_from_its_metrics() {
    let folder = tempdir().unwrap();
    let stopping = Stopping { test_accuracy: Some(90.0), ..Stopping::default() };
    let with_target = RunConfig { training: TrainingConfig { stopping, ..config().training }, ..config() };
    let no_steps =
        RunConfig { training: TrainingConfig { max_steps: Some(0), ..config().training }, ..config() };
    for (name, config, accuracies, expected) in [
        ("none", config(), &[][..], RunStatus::Interrupted),
        ("two", config(), &[0.5, 0.95], RunStatus::Interrupted),
        ("three", config(), &[0.5, 0.95, 0.9], RunStatus::Finished),
        ("target", with_target, &[0.5, 0.95], RunStatus::Stopped(StopReason::TestAccuracy(90.0))),
        // Its model is missing.
        ("no steps", no_steps, &[], RunStatus::Interrupted),
    ] {
        let path = folder.path().join(name);
        drop(start(&path, &config, accuracies));
        let run = StoredRun::open(&path).unwrap();
        assert_eq!(run.status, expected, "{name}");
        assert_eq!((run.records.len(), run.planned_epochs() <= 3), (accuracies.len(), true), "{name}");
        assert_eq!(run.config, StoredRun::open(&path).unwrap().config);
    }
    assert!(StoredRun::open(&folder.path().join("none")).unwrap().seconds().is_sign_positive());
    let run = StoredRun::open(&folder.path().join("three")).unwrap();
    assert_eq!(run.best().map(|best| best.epoch), Some(2));
    assert_eq!(run.last().map(|last| last.epoch), Some(3));
    assert_eq!((run.seconds(), run.images_per_second()), (6.0, Some(320.0)));
    assert_eq!(run.weights_hash(), Some("0000000000000003"));
    assert_eq!((run.device(), run.name().as_str()), ("CPU, 2 threads", "three"));
}

#[test]
fn reading_a_run_changes_nothing_and_needs_few_of_its_files() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &SMALL)).assert().success();
    let before = snapshot(&run);
    let opened = StoredRun::open(&run).unwrap();
    assert_eq!((opened.status, opened.records), (RunStatus::Finished, metrics(&run)));
    assert!(opened.has_checkpoint);
    assert_eq!(snapshot(&run), before);
    for name in ["model.safetensors", "best.safetensors", "checkpoint.safetensors", "metrics.csv", ".lock"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    let opened = StoredRun::open(&run).unwrap();
    assert_eq!((opened.status, opened.has_checkpoint), (RunStatus::Finished, false));
    assert!(!run.join(".lock").exists());
}

#[test]
fn an_incomplete_last_line_is_not_an_epoch() {
    let folder = tempdir().unwrap();
    drop(start(folder.path(), &config(), &[0.5, 0.95, 0.9]));
    let path = folder.path().join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let run = StoredRun::open(folder.path()).unwrap();
    assert_eq!((run.records.len(), run.status), (2, RunStatus::Interrupted));
}

#[test]
fn a_damaged_run_is_one_line_that_names_the_file() {
    let folder = tempdir().unwrap();
    let good = folder.path().join("good");
    drop(start(&good, &config(), &[0.5, 0.95, 0.9]));
    let config = fs::read_to_string(good.join("config.toml")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        config.replacen(from, to, 1)
    };
    let lines = fs::read_to_string(good.join("metrics.jsonl")).unwrap();
    for (file, content, expected) in [
        ("config.toml", "= 3\n= 4".to_owned(), "config.toml: is not a run's configuration: "),
        ("config.toml", String::new(), "missing field"),
        ("config.toml", changed("batch-size = 64", "batch-size = 0"), "training: batch_size is 0"),
        ("config.toml", changed("train = 640", "train = 0"), "data.train is 0; expected at least 1"),
        ("config.toml", changed("classes = 10", "classes = 4000000000"), "network.classes is 4000000000"),
        ("config.toml", changed("epochs = 3.0", "epochs = nan"), "training: epochs is NaN"),
        ("config.toml", changed("[data]", "[data]\n\"\\u001b[2J\" = 1"), "unknown field"),
        ("metrics.jsonl", lines.replacen('{', "[", 1), "metrics.jsonl: line 1 is not an epoch's metrics"),
        (
            "metrics.jsonl",
            lines.replace("\"epoch\":2", "\"epoch\":7"),
            "line 2 has epoch 7 instead of epoch 2",
        ),
    ] {
        let run = folder.path().join("damaged");
        copy_files(&good, &run);
        fs::write(run.join(file), content).unwrap();
        let message = StoredRun::open(&run).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains(file), "{expected:?} is not in: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let message = StoredRun::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("does not contain a run: it has no config.toml"), "{message}");
}

#[cfg(unix)]
#[test]
fn links_pipes_and_folders_among_the_files_of_a_run_are_not_read() {
    let folder = tempdir().unwrap();
    let good = folder.path().join("good");
    drop(start(&good, &config(), &[0.5]));
    for name in ["config.toml", "metrics.jsonl", ".lock"] {
        for kind in ["a symbolic link", "a pipe", "a folder"] {
            let run = folder.path().join(format!("{name} {kind}"));
            copy_files(&good, &run);
            let path = run.join(name);
            fs::remove_file(&path).unwrap();
            match kind {
                "a symbolic link" => std::os::unix::fs::symlink(good.join(name), &path).unwrap(),
                "a pipe" => {
                    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success())
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let error = StoredRun::open(&run).unwrap_err();
            let causes =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let message = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            assert!(message.contains(name) && message.contains(&format!("it is {kind}")), "{message}");
        }
    }
}

#[test]
fn a_folder_lists_its_runs_and_those_below_with_damaged_ones_beside() {
    let folder = tempdir().unwrap();
    for name in ["b", "a", "sweep/lr/c", "too/deep/for/this"] {
        drop(start(&folder.path().join(name), &config(), &[0.5]));
    }
    let damaged = folder.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("config.toml"), "oops").unwrap();
    // Neither is a run.
    fs::write(folder.path().join("comparison.html"), "").unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    let found = StoredRun::all_in(folder.path()).unwrap();
    let shown = found.iter().map(|(path, run)| {
        let name = path.strip_prefix(folder.path()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, run.is_ok())
    });
    let expected = [("a", true), ("b", true), ("damaged", false), ("sweep/lr/c", true)];
    assert_eq!(shown.collect::<Vec<_>>(), expected.map(|(name, is_ok)| (name.to_owned(), is_ok)));
    // A run itself is listed too.
    assert_eq!(StoredRun::all_in(&folder.path().join("a")).unwrap().len(), 1);
}

#[test]
fn readers_do_not_keep_a_process_from_resuming() {
    let folder = tempdir().unwrap();
    drop(start(folder.path(), &config(), &[]));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    StoredRun::open(folder.path()).unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let failed = (0..50).find_map(|_| EarlierRun::open(folder.path()).err());
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

#[test]
fn the_start_is_in_the_name_or_else_that_of_the_oldest_file() {
    let folder = tempdir().unwrap();
    let started = |name: &str| {
        let path = folder.path().join(name);
        if !path.exists() {
            drop(start(&path, &config(), &[0.5]));
        }
        StoredRun::open(&path).unwrap().started
    };
    // date -u -d '2026-11-22 17:45:30' +%s
    let named = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_369_530);
    assert_eq!(started("mnist-20261122-174530"), named);
    assert_eq!(started("mnist-20261122-174530-2"), named);
    started("slow");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let lock = fs::File::options().write(true).open(folder.path().join("slow/.lock")).unwrap();
    lock.set_modified(old).unwrap();
    assert_eq!(started("slow"), old);
}

#[test]
fn the_command_of_a_run_repeats_it_bit_for_bit() {
    let scratch = Scratch::new();
    // A name that a shell would change.
    let set = scratch.path("it's a $set");
    fs::rename(&scratch.set, &set).unwrap();
    let run = scratch.path("run");
    let mut train = lenet_gpu();
    train.args([
        "train",
        "--backend",
        "cpu",
        "--epochs",
        "1.5",
        "--lr",
        "2e-3",
        "--seed",
        "7",
        "--batch-size=all",
    ]);
    train.args([
        "--flip",
        "--no-shuffle=false",
        "--class-weights",
        "balanced",
        "--optimizer",
        "sgd",
        "--momentum=0.5",
    ]);
    train.args(["--limit-train", "96", "--limit-test", "32", "-q", "--data-dir"]).arg(&set);
    train.arg("--run-dir").arg(&run).assert().success();

    let original = StoredRun::open(&run).unwrap();
    let command = original.reproduce_command();
    assert!(
        command.starts_with("lenet-gpu train ")
            && command.contains(" --flip ")
            && command.contains(" --lr 2e-3")
    );
    assert!(command.contains(r"'\''s a $set'") && !command.contains("--run-dir"), "{command}");
    let folder = scratch.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    let path =
        std::env::join_paths([program.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .current_dir(&folder)
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let repeated = StoredRun::all_in(&folder.join("runs")).unwrap().pop().unwrap().1.unwrap();
    assert_eq!(repeated.weights_hash(), original.weights_hash());
    assert_eq!(repeated.non_default_options(), original.non_default_options());
    assert_eq!(repeated.reproduce_command(), command);
}

#[test]
fn the_command_names_the_backend_that_was_chosen() {
    let mut config = config();
    assert_eq!(config.reproduce_command(), "lenet-gpu train --backend cpu --batch-size 64 --epochs 3");
    config.options = toml::toml! { adapter = "-1 RTX" };
    assert_eq!(config.reproduce_command(), "lenet-gpu train --adapter='-1 RTX'");
}

#[test]
fn a_failure_is_recorded_until_the_run_is_resumed() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &["--lr", "1e30", "--quiet"])).assert().code(1);
    let RunStatus::Failed(message) = StoredRun::open(&run).unwrap().status else {
        panic!("it has not failed")
    };
    assert!(message.contains("not finite"), "{message}");
    assert_eq!(fs::read_to_string(run.join("failure.txt")).unwrap(), format!("{message}\n"));

    let path = scratch.path("directory");
    let mut directory = start(&path, &config(), &[]);
    directory.set_failure("the GPU failed");
    assert!(directory.finish().failures.is_empty());
    drop(directory);
    assert_eq!(StoredRun::open(&path).unwrap().status, RunStatus::Failed("the GPU failed".to_owned()));
    drop(EarlierRun::open(&path).unwrap().resume(&config()).unwrap());
    assert_eq!(StoredRun::open(&path).unwrap().status, RunStatus::Interrupted);
}

#[test]
fn metrics_csv_is_restored_when_a_run_is_resumed() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &SMALL)).assert().success();
    let path = run.join("metrics.csv");
    let intact = fs::read_to_string(&path).unwrap();
    assert!(intact.starts_with("epoch,step,lr,train_loss,") && intact.ends_with("\r\n"), "{intact}");
    assert_eq!(intact.lines().count(), 4);
    let cut = intact[..intact.len() - 30].to_owned();
    for damage in [None, Some(cut), Some(format!("{intact}5,5\r\n"))] {
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        resume(&run).assert().success();
        assert_eq!(fs::read_to_string(&path).unwrap(), intact);
    }
}
