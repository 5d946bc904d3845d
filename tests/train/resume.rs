//! Resuming: whatever ended a run, the resumed run is bit-identical to an uninterrupted one. Invalid checkpoints are
//! rejected.
use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Augmentation, Conversion, Dataset};
use lenet_gpu::engine::{Engine, OptimizerState, Setup};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, Residency};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, SelectionSplit, weights};
use lenet_gpu::train::{
    Checkpoint, DataConfig, EngineConfig, EpochProgress, EpochRecord, InitialWeights, Listener, Program,
    RunConfig, RunDirectory, RunError, RunState, Schedule, Shape, Snapshot, TrainingConfig, train,
};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::{TempDir, tempdir};

/// Training images of the small data set: 16 steps per epoch with a batch size of 32.
const IMAGES: usize = 512;
const STEPS_PER_EPOCH: u64 = 16;

/// Writes a small data set as IDX files, which loads faster than the embedded MNIST.
fn write_dataset(folder: &Path) -> PathBuf {
    let set = folder.join("digits");
    fs::create_dir(&set).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for (split, images) in [("train", IMAGES), ("t10k", 64)] {
        let count = (images as u32).to_be_bytes();
        let side = 28u32.to_be_bytes();
        let pixels: Vec<u8> = (0..images * 28 * 28).map(|_| random.random()).collect();
        let labels: Vec<u8> = (0..images).map(|_| random.random_range(0..10)).collect();
        let header = |kind: u8, sizes: &[[u8; 4]]| [&[0, 0, 8, kind][..], &sizes.concat()].concat();
        fs::write(
            set.join(format!("{split}-images-idx3-ubyte")),
            [header(3, &[count, side, side]), pixels].concat(),
        )
        .unwrap();
        fs::write(set.join(format!("{split}-labels-idx1-ubyte")), [header(1, &[count]), labels].concat())
            .unwrap();
    }
    set
}

/// A temporary folder with a small data set.
pub struct Scratch {
    folder: TempDir,
    pub set: PathBuf,
}

impl Scratch {
    pub fn new() -> Self {
        let folder = tempdir().unwrap();
        let set = write_dataset(folder.path());
        Self { folder, set }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of a run of three epochs on the CPU engine, with additional ones.
    pub fn train(&self, run: &Path, more: &[&str]) -> Vec<String> {
        let [set, run] = [&self.set, run].map(|path: &Path| path.to_str().unwrap().to_owned());
        let mut arguments = ["train", "--data-dir", &set, "--run-dir", &run].map(str::to_owned).to_vec();
        for (option, value) in [("--epochs", "3"), ("--batch-size", "32"), ("--backend", "cpu")] {
            if !more.contains(&option) {
                arguments.extend([option, value].map(str::to_owned));
            }
        }
        arguments.extend(more.iter().map(ToString::to_string));
        arguments
    }

    /// Runs to the end without interruption; returns the run directory and its metrics.
    pub fn whole_run(&self, more: &[&str]) -> (PathBuf, Vec<EpochRecord>) {
        let run = self.path("whole");
        lenet_gpu().args(self.train(&run, more)).assert().success();
        let records = metrics(&run);
        (run, records)
    }
}

pub fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

pub fn resume(run: &Path) -> Command {
    let mut command = lenet_gpu();
    command.args(["train", "--resume"]).arg(run);
    command
}

fn spawn(arguments: &[String]) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub fn metrics(run: &Path) -> Vec<EpochRecord> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn checkpoint(run: &Path) -> Checkpoint {
    Checkpoint::load(&RunDirectory::checkpoint_path(run)).unwrap()
}

/// Asserts that both runs have bit-identical results. Measured times are ignored.
#[track_caller]
pub fn assert_same(run: &Path, whole: &Path) {
    let records = |run: &Path| -> Vec<EpochRecord> {
        let timeless = |record| EpochRecord { seconds: 0.0, images_per_second: 0.0, ..record };
        metrics(run).into_iter().map(timeless).collect()
    };
    assert_eq!(records(run), records(whole));
    assert_csv_has_the_metrics(run);
    for model in ["model.safetensors", "best.safetensors"] {
        let [of_run, of_whole] = [run, whole].map(|run| weights::load(&run.join(model)).unwrap());
        assert_eq!(of_run.parameters, of_whole.parameters, "{model}");
    }
    let [of_run, of_whole] = [run, whole].map(checkpoint);
    assert_eq!(of_run.optimizer, of_whole.optimizer);
    assert_eq!(of_run.state.step, of_whole.state.step);
}

/// Asserts that metrics.csv has the same numbers as metrics.jsonl.
#[track_caller]
fn assert_csv_has_the_metrics(run: &Path) {
    let csv = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let json = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut rows = csv.split_terminator("\r\n").map(|row| row.split(',').collect::<Vec<_>>());
    let names = rows.next().unwrap();
    let lines = rows.map(|row| {
        let fields =
            names.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).map(|(&name, cell)| match name {
                "weights_hash" => format!("\"{name}\":\"{cell}\""),
                _ => format!("\"{name}\":{cell}"),
            });
        format!("{{{}}}\n", fields.collect::<Vec<_>>().join(","))
    });
    assert_eq!(lines.collect::<String>(), json);
}

#[test]
fn an_interrupted_run_prints_how_to_resume_and_resumes_bit_identically() {
    let scratch = Scratch::new();
    let long = ["--epochs", "60"];
    let (whole, _) = scratch.whole_run(&long);
    for signal in ["-INT", "-TERM"] {
        let run = scratch.path(signal);
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
            .args(scratch.train(&run, &long))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_epoch(&run, &mut child);
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let command = format!("lenet-gpu train --resume {}", run.display());
        assert!(stderr.contains("interrupted after step") && stderr.contains(&command), "{stderr}");

        let left = checkpoint(&run).state.step;
        assert!(left < 60 * STEPS_PER_EPOCH, "the run was not interrupted");
        assert!(stderr.contains(&format!("after step {left}")), "{stderr}");
        resume(&run).assert().success();
        assert_same(&run, &whole);
    }
}

/// Waits until a run has completed its first epoch.
fn wait_for_epoch(run: &Path, child: &mut Child) {
    let started = Instant::now();
    while !fs::read_to_string(run.join("metrics.jsonl")).is_ok_and(|text| text.contains('\n')) {
        assert!(started.elapsed() < Duration::from_secs(60), "no epoch was completed");
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Number of times that a run is killed.
const KILLS: usize = 50;

/// Longest time before a run is killed: enough for a few epochs.
const MAX_LIFETIME: Duration = Duration::from_millis(150);

#[test]
fn a_run_killed_fifty_times_at_random_loses_no_saved_state() {
    let scratch = Scratch::new();
    let more = ["--epochs", "100", "--checkpoint-every", "3"];
    let (whole, _) = scratch.whole_run(&more);
    let run = scratch.path("killed");
    let mut random = ChaCha8Rng::seed_from_u64(50);
    let (mut saved_step, mut killed) = (0, 0);
    let mut arguments = scratch.train(&run, &more);
    while killed < KILLS {
        let mut child = spawn(&arguments);
        std::thread::sleep(MAX_LIFETIME.mul_f64(random.random()));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if ended.code() == Some(0) {
            // The run finished before it was killed; start another one.
            assert_same(&run, &whole);
            fs::remove_dir_all(&run).unwrap();
            (saved_step, arguments) = (0, scratch.train(&run, &more));
            continue;
        }
        killed += 1;
        assert_eq!(ended.code(), None, "the run failed instead of being killed");
        let path = RunDirectory::checkpoint_path(&run);
        if path.exists() {
            let step = checkpoint(&run).state.step;
            assert!(step >= saved_step, "the checkpoint went back from step {saved_step} to step {step}");
            saved_step = step;
        } else {
            assert_eq!(saved_step, 0, "the checkpoint was lost");
        }
        for model in ["model.safetensors", "best.safetensors"].map(|name| run.join(name)) {
            assert!(!model.exists() || weights::load(&model).is_ok(), "{}", model.display());
        }
        // A directory without a configuration can be used again.
        if run.join("config.toml").exists() {
            arguments = ["train", "--resume", run.to_str().unwrap()].map(String::from).to_vec();
        }
    }
    resume(&run).assert().success();
    assert_same(&run, &whole);
    assert_no_temporary_files(&run);
}

#[track_caller]
pub fn assert_no_temporary_files(run: &Path) {
    let left: Vec<_> = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn a_finished_run_continues_only_if_it_is_extended() {
    let scratch = Scratch::new();
    let (whole, _) = scratch.whole_run(&["--epochs", "5"]);
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &[])).assert().success();
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let expected = contains("has already done its 48 steps; --epochs extends it");
    resume(&run).assert().success().stdout(contains("test accuracy")).stderr(expected);
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);

    resume(&run).args(["--epochs", "5"]).assert().success();
    assert_same(&run, &whole);
    // The new length is saved.
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("epochs = 5"), "{config}");
    resume(&run).args(["--epochs", "4"]).assert().code(2).stderr(contains("has already done 80 steps"));
}

#[test]
fn a_run_that_ended_within_an_epoch_cannot_be_extended() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &["--epochs", "1.5"])).assert().success();
    resume(&run).args(["--epochs", "2"]).assert().code(2).stderr(contains("--init-from"));
}

#[test]
fn best_weights_are_saved_with_the_split_they_were_selected_on() {
    let scratch = Scratch::new();
    for (more, split, noted) in [
        (&["--epochs", "8"][..], SelectionSplit::Test, true),
        (&["--epochs", "8", "--validation-split", "0.2"], SelectionSplit::Validation, false),
    ] {
        let run = scratch.path(&split.to_string());
        let output = lenet_gpu().args(scratch.train(&run, more)).assert().success();
        let records = metrics(&run);
        let accuracy = |record: &EpochRecord| record.validation_accuracy.unwrap_or(record.test_accuracy);
        let highest = records.iter().map(accuracy).fold(0.0, f64::max);
        let best = records.iter().find(|record| accuracy(record) == highest).unwrap();
        let selected = weights::load(&run.join("best.safetensors")).unwrap().info.selected.unwrap();
        assert_eq!((selected.split, selected.epoch, selected.accuracy), (split, best.epoch, highest));
        let note = contains(format!("the best epoch was {}", best.epoch)).and(contains("best.safetensors"));
        if best.epoch < 8 {
            output.stderr(
                note.and(contains("(biased upwards: it was selected on them)").count(usize::from(noted))),
            );
        }
    }
}

#[test]
fn changed_options_that_define_the_run_are_rejected_by_name() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &["--max-steps", "20"])).assert().success();
    for (more, expected) in [
        (&["--lr", "0.5"][..], "--lr differs"),
        (&["--batch-size", "16"], "--batch-size differs"),
        (&["--seed", "3"], "--seed differs"),
        (&["--limit-train", "100"], "images"),
        (&["--batch-norm"], "--batch-norm differs"),
        (&["--run-dir", "elsewhere"], "cannot be used with"),
        (&["--preset", "mnist-fast"], "cannot be used with"),
    ] {
        resume(&run).args(more).assert().code(2).stdout(is_empty()).stderr(contains(expected));
    }
    let other = tempdir().unwrap();
    fs::create_dir(other.path().join("more")).unwrap();
    let set = write_dataset(&other.path().join("more"));
    let images = set.join("train-images-idx3-ubyte");
    let mut bytes = fs::read(&images).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&images, bytes).unwrap();
    resume(&run)
        .arg("--data-dir")
        .arg(&set)
        .assert()
        .code(2)
        .stderr(contains("--data-dir must name the original data"));
}

#[test]
fn other_test_images_of_the_same_number_are_rejected() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &[])).assert().success();
    let images = scratch.set.join("t10k-images-idx3-ubyte");
    let mut bytes = fs::read(&images).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&images, bytes).unwrap();
    resume(&run)
        .args(["--epochs", "4"])
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains("the test images of").and(contains("are not those of the original run").count(1)));

    // Checkpoints of earlier versions do not record the test images.
    let path = RunDirectory::checkpoint_path(&run);
    let mut old = checkpoint(&run);
    old.model.info.source = None;
    fs::write(&path, old.to_bytes()).unwrap();
    resume(&run).args(["--epochs", "4"]).assert().success();
    assert!(checkpoint(&run).model.info.source.is_some());
}

#[test]
fn other_validation_images_are_recorded_apart() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &["--validation-split", "0.25"])).assert().success();
    let validation = checkpoint(&run).model.info.source.unwrap().validation.unwrap();
    assert_eq!(validation.images, IMAGES / 4);
    resume(&run).args(["--epochs", "4"]).assert().success();

    let mut other = checkpoint(&run);
    other.model.info.source.as_mut().unwrap().validation.as_mut().unwrap().fingerprint = "0".repeat(16);
    fs::write(RunDirectory::checkpoint_path(&run), other.to_bytes()).unwrap();
    resume(&run)
        .args(["--epochs", "5"])
        .assert()
        .code(2)
        .stderr(contains("the validation images of").and(contains("are not those of the original run")));
}

#[test]
fn renamed_classes_are_rejected() {
    let folder = tempdir().unwrap();
    let (data, run) = (folder.path().join("pets"), folder.path().join("run"));
    for (class, grey) in [("cat", 50), ("dog", 200)] {
        for subset in ["train", "test"] {
            let class = data.join(subset).join(class);
            fs::create_dir_all(&class).unwrap();
            image::GrayImage::from_pixel(28, 28, image::Luma([grey])).save(class.join("1.png")).unwrap();
        }
    }
    let mut train = lenet_gpu();
    train.args(["train", "--backend", "cpu", "--epochs", "1", "--data-dir"]).arg(&data);
    train.arg("--run-dir").arg(&run).assert().success();
    for subset in ["train", "test"] {
        fs::rename(data.join(subset).join("dog"), data.join(subset).join("dragon")).unwrap();
    }
    resume(&run)
        .args(["--epochs", "2"])
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(contains("class 1 is \"dragon\", but \"dog\" in the original run"));
}

#[test]
fn a_folder_without_a_run_and_a_run_in_progress_are_rejected() {
    let scratch = Scratch::new();
    resume(&scratch.path("nowhere"))
        .assert()
        .code(2)
        .stderr(contains("is not a run: cannot read its config.toml"));
    let empty = scratch.path("empty");
    fs::create_dir(&empty).unwrap();
    resume(&empty).assert().code(2).stderr(contains("config.toml"));

    let run = scratch.path("run");
    let mut child = spawn(&scratch.train(&run, &["--epochs", "1e6"]));
    wait_for_epoch(&run, &mut child);
    resume(&run).assert().code(2).stderr(contains("in progress in another process"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_damaged_checkpoint_is_rejected_with_the_reason_and_left_unchanged() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &[])).assert().success();
    let path = RunDirectory::checkpoint_path(&run);
    let intact = fs::read(&path).unwrap();

    let edited = |edit: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = Checkpoint::from_bytes(&intact).unwrap();
        edit(&mut checkpoint);
        checkpoint.to_bytes()
    };
    let mut newer = intact.clone();
    let version = br#"\"version\":2,"#;
    let offset = newer.windows(version.len()).position(|bytes| bytes == version).unwrap();
    newer[offset + version.len() - 2] = b'9';
    let cases = [
        (intact[..intact.len() / 2].to_vec(), "corrupt"),
        (vec![0xff; 64], "corrupt"),
        (Vec::new(), "corrupt"),
        (newer, "version 9"),
        (fs::read(run.join("model.safetensors")).unwrap(), "not the state of a run"),
        (edited(&|checkpoint| checkpoint.model.parameters[7] = f32::NAN), "conv1.weight has the value NaN"),
        (
            edited(&|checkpoint| checkpoint.optimizer.first_moment[0] = f32::INFINITY),
            "optimizer.first_moment.conv1.weight has the value inf",
        ),
        (edited(&|checkpoint| checkpoint.optimizer.second_moment[3] = -1.0), "cannot be negative"),
        (edited(&|checkpoint| checkpoint.state.step = 1_000_000), "inconsistent"),
        (edited(&|checkpoint| checkpoint.state.epochs = u64::MAX), "inconsistent"),
        (edited(&|checkpoint| checkpoint.config.training.batch_size = 0), "inconsistent"),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, &bytes).unwrap();
        let output = resume(&run).assert().code(2).stdout(is_empty()).stderr(contains(expected));
        let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(stderr.contains("checkpoint.safetensors"), "{stderr}");
        assert_eq!(stderr.lines().filter(|line| !line.starts_with("hint: ")).count(), 1, "{stderr}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_checkpoint_can_be_used_as_a_model() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &[])).assert().success();
    let evaluate = |name: &str| {
        let output = lenet_gpu()
            .args(["evaluate", "--backend", "cpu", "--json", "--data-dir"])
            .arg(&scratch.set)
            .arg("--model")
            .arg(run.join(name))
            .assert()
            .success();
        output.get_output().stdout.clone()
    };
    assert_eq!(evaluate("checkpoint.safetensors"), evaluate("model.safetensors"));
}

#[test]
fn a_run_resumed_on_another_engine_prints_a_notice() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &[])).assert().success();
    resume(&run)
        .args(["--epochs", "4", "--backend", "vulkan"])
        .assert()
        .success()
        .stderr(contains("continues on").and(contains("differ in the last bits")));
    assert_eq!(metrics(&run).len(), 4);
}

#[test]
fn a_resumed_gpu_run_keeps_its_kernels_and_is_bit_identical() {
    let scratch = Scratch::new();
    let fused = ["--backend", "vulkan", "--kernels", "fused", "--limit-train", "128", "--epochs"];
    let epochs = |epochs| [&fused[..], &[epochs]].concat();
    let (whole, _) = scratch.whole_run(&epochs("2"));
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &epochs("1"))).assert().success();
    // --kernels is not given again.
    resume(&run).args(["--epochs", "2"]).assert().success().stderr(contains("last bits").not());
    assert_same(&run, &whole);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_no_run_and_is_reported_at_its_end() {
    let scratch = Scratch::new();
    let (whole, _) = scratch.whole_run(&["--epochs", "4"]);
    let run = scratch.path("run");
    let arguments = scratch.train(&run, &["--epochs", "4"]).join("' '");
    // A file size limit simulates a full disk: the model is smaller than the limit, the checkpoint larger.
    let script =
        format!("trap '' XFSZ; ulimit -f 1000; exec '{}' '{arguments}'", env!("CARGO_BIN_EXE_lenet-gpu"));
    let output = Command::new("sh").args(["-c", &script]).assert().code(1);
    output.stderr(
        contains("it will be tried again")
            .and(contains("error: the run ended after step 64, but its files are not all saved"))
            .and(contains("checkpoint.safetensors"))
            .and(contains("the best epoch was").not()),
    );
    assert_eq!(metrics(&run).len(), 4);
    assert!(!RunDirectory::checkpoint_path(&run).exists(), "a partial checkpoint was left");
    weights::load(&run.join("model.safetensors")).unwrap();
    assert_no_temporary_files(&run);
    resume(&run).assert().success();
    assert_same(&run, &whole);
}

#[test]
fn non_finite_numbers_end_the_run_and_keep_the_last_good_checkpoint() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    lenet_gpu()
        .args(scratch.train(&run, &["--lr", "1e30", "--checkpoint-every", "1"]))
        .assert()
        .code(1)
        .stderr(
            contains("not finite")
                .and(contains("the last checkpoint is of step"))
                .and(contains("--init-from")),
        );
    assert!(checkpoint(&run).state.step >= 1);
}

/// Records the state of a run after one of its steps.
struct Recorder {
    at: u64,
    recorded: Option<(RunState, Vec<f32>, OptimizerState)>,
}

impl Recorder {
    fn record(&mut self, snapshot: &Snapshot) {
        if snapshot.state.step == self.at && self.recorded.is_none() {
            let Snapshot { state, parameters, optimizer } = *snapshot;
            self.recorded = Some((state.clone(), parameters.to_vec(), optimizer.clone()));
        }
    }
}

impl Listener for Recorder {
    fn progress(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.record(snapshot);
        Ok(ControlFlow::Continue(()))
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.record(snapshot);
    }
}

/// Images of the short runs: 6 steps per epoch, the last one with fewer images.
const FEW: usize = 199;

/// Number of random steps to resume from.
const RANDOM_STEPS: usize = 10;

/// Trains to the end, then resumes at random steps, each time on a new engine and from nothing but a checkpoint's bytes.
fn assert_resumes_bit_identically(engine: &dyn Fn(&Setup) -> Box<dyn Engine>) {
    let data = Dataset::embedded_mnist(Conversion::default())
        .unwrap()
        .limited(NonZeroUsize::new(FEW), NonZeroUsize::new(64))
        .hold_out(0.1, 3);
    let network = LeNet5::new(1, 10);
    let augmentation = Augmentation { shift: 2, ..Augmentation::default() };
    let setup = Setup { augmented: true, ..Setup::new(network, 32) };
    let (epochs, batch_size) = (2.5, setup.batch_size);
    let schedule = Schedule { shape: Shape::Cosine, ..Schedule::CONSTANT };
    let training = TrainingConfig { epochs, batch_size, schedule, augmentation, ..TrainingConfig::default() };
    let total = training.total_steps(data.train.len());

    let run = |training: &TrainingConfig, state: RunState, engine: &mut dyn Engine, at: u64| {
        let mut recorder = Recorder { at, recorded: None };
        let summary = train(engine, &data, training, state, &mut recorder).unwrap();
        let record = summary.last.unwrap();
        let end = (engine.parameters().unwrap(), engine.optimizer_state().unwrap());
        (
            recorder.recorded,
            (record.train_loss, record.validation_loss, record.test_loss, record.weights_hash),
            end,
        )
    };
    let parameters = Init::default().arena(&ParameterTable::new(&network), 1);
    let new_engine = || {
        let mut engine = engine(&setup);
        engine.set_parameters(&parameters).unwrap();
        engine
    };
    let (_, metrics, end) = run(&training, RunState::default(), &mut *new_engine(), 0);

    let mut random = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..RANDOM_STEPS {
        let step = random.random_range(1..total);
        let with_checkpoint = TrainingConfig { checkpoint_every: NonZeroU64::new(step), ..training.clone() };
        let (recorded, _, end_with_checkpoint) =
            run(&with_checkpoint, RunState::default(), &mut *new_engine(), step);
        assert_eq!(end_with_checkpoint, end, "saving checkpoints must not affect results");

        let (state, parameters, optimizer) = recorded.unwrap();
        let model = Model { network, parameters, info: ModelInfo::default() };
        let config = config(&setup, &training, &data);
        let bytes = Checkpoint { model, optimizer, state, config, images: String::new() }.to_bytes();
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        let mut engine = engine(&setup);
        engine.set_parameters(&read.model.parameters).unwrap();
        engine.set_optimizer_state(&read.optimizer).unwrap();
        let (_, metrics_again, end_again) = run(&training, read.state, &mut *engine, 0);
        assert_eq!(end_again, end, "from step {step}");
        assert_eq!(metrics_again, metrics, "from step {step}");
    }
}

fn config(setup: &Setup, training: &TrainingConfig, data: &Dataset) -> RunConfig {
    RunConfig {
        program: Program::this(),
        engine: EngineConfig::cpu("a test".to_owned()),
        data: DataConfig {
            name: data.name.clone(),
            train: data.train.len(),
            validation: data.validation.as_ref().map(|images| images.len()),
            test: data.test.len(),
            fit: None,
        },
        network: setup.network,
        weights: InitialWeights::Init(Init::default()),
        training: training.clone(),
        loss: setup.loss,
        optimizer: setup.optimizer,
        options: toml::Table::new(),
    }
}

#[test]
fn cpu_runs_resume_bit_identically_from_random_steps() {
    assert_resumes_bit_identically(&|setup| Box::new(CpuEngine::new(setup)));
}

#[test]
fn gpu_runs_resume_bit_identically_from_random_steps() {
    let context = crate::common::context();
    assert_resumes_bit_identically(&|setup| {
        let kernels = KernelConfig::of(&context.description);
        let options = GpuOptions { setup: *setup, residency: Residency::Auto, kernels };
        Box::new(GpuEngine::new(context.clone(), options).unwrap())
    });
}
