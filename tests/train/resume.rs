//! Runs that are left and taken up again: they come to the same bits, whatever ended them, and what is no checkpoint
//! is told of.
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
    Checkpoint, DataConfig, EngineConfig, EpochProgress, EpochRecord, Listener, Program, RunConfig,
    RunDirectory, RunError, RunState, Schedule, Shape, Snapshot, TrainingConfig, Weights, train,
};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::{TempDir, tempdir};

/// Images of a small set, in batches of 32: 16 steps an epoch.
const IMAGES: usize = 512;
const STEPS_AN_EPOCH: u64 = 16;

/// A set of IDX files whose start takes a moment: MNIST's first images would be unpacked from all of them.
fn small_set(folder: &Path) -> PathBuf {
    let set = folder.join("digits");
    fs::create_dir(&set).unwrap();
    let mut draw = ChaCha8Rng::seed_from_u64(5);
    for (part, images) in [("train", IMAGES), ("t10k", 64)] {
        let count = (images as u32).to_be_bytes();
        let side = 28u32.to_be_bytes();
        let pixels: Vec<u8> = (0..images * 28 * 28).map(|_| draw.random()).collect();
        let labels: Vec<u8> = (0..images).map(|_| draw.random_range(0..10)).collect();
        let header = |kind: u8, sizes: &[[u8; 4]]| [&[0, 0, 8, kind][..], &sizes.concat()].concat();
        fs::write(
            set.join(format!("{part}-images-idx3-ubyte")),
            [header(3, &[count, side, side]), pixels].concat(),
        )
        .unwrap();
        fs::write(set.join(format!("{part}-labels-idx1-ubyte")), [header(1, &[count]), labels].concat())
            .unwrap();
    }
    set
}

/// A folder with a small set in it.
struct Place {
    folder: TempDir,
    set: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let set = small_set(folder.path());
        Self { folder, set }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of a run of three epochs on the CPU.
    fn train(&self, run: &Path, more: &[&str]) -> Vec<String> {
        let [set, run] = [&self.set, run].map(|path: &Path| path.to_str().unwrap().to_owned());
        let few = ["train", "--epochs", "3", "--batch-size", "32", "--data-dir"];
        let mut arguments: Vec<String> = few.iter().map(ToString::to_string).collect();
        arguments.extend([set, "--run-dir".to_owned(), run]);
        if !more.contains(&"--backend") {
            arguments.extend(["--backend".to_owned(), "cpu".to_owned()]);
        }
        arguments.extend(more.iter().map(ToString::to_string));
        arguments
    }

    /// A run that nothing ends before its time; its weights.
    fn whole_run(&self, more: &[&str]) -> (PathBuf, Vec<EpochRecord>) {
        let run = self.path("whole");
        lenet_gpu().args(self.train(&run, more)).assert().success();
        let records = metrics(&run);
        (run, records)
    }
}

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

fn resume(run: &Path) -> Command {
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

fn metrics(run: &Path) -> Vec<EpochRecord> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn checkpoint(run: &Path) -> Checkpoint {
    Checkpoint::load(&RunDirectory::checkpoint_path(run)).unwrap()
}

/// Both runs came to the same, to the last bit; only the time that they took may differ.
#[track_caller]
fn assert_same(run: &Path, whole: &Path) {
    let told = |run: &Path| -> Vec<EpochRecord> {
        let timeless = |record| EpochRecord { seconds: 0.0, images_per_second: 0.0, ..record };
        metrics(run).into_iter().map(timeless).collect()
    };
    assert_eq!(told(run), told(whole));
    for model in ["model.safetensors", "best.safetensors"] {
        let [of_run, of_whole] = [run, whole].map(|run| weights::load(&run.join(model)).unwrap());
        assert_eq!(of_run.parameters, of_whole.parameters, "{model}");
    }
    let [of_run, of_whole] = [run, whole].map(checkpoint);
    assert_eq!(of_run.optimizer, of_whole.optimizer);
    assert_eq!(of_run.standing.step, of_whole.standing.step);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_comes_to_the_same_bits() {
    let place = Place::new();
    let long = ["--epochs", "60"];
    let (whole, _) = place.whole_run(&long);
    for signal in ["-INT", "-TERM"] {
        let run = place.path(signal);
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
            .args(place.train(&run, &long))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        await_epoch(&run, &mut child);
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let how = format!("lenet-gpu train --resume {}", run.display());
        assert!(stderr.contains("interrupted after step") && stderr.contains(&how), "{stderr}");

        let left = checkpoint(&run).standing.step;
        assert!(left < 60 * STEPS_AN_EPOCH, "the run was not interrupted");
        assert!(stderr.contains(&format!("after step {left}")), "{stderr}");
        resume(&run).assert().success();
        assert_same(&run, &whole);
    }
}

/// Waits until a run has ended its first epoch.
fn await_epoch(run: &Path, child: &mut Child) {
    let started = Instant::now();
    while !fs::read_to_string(run.join("metrics.jsonl")).is_ok_and(|text| text.contains('\n')) {
        assert!(started.elapsed() < Duration::from_secs(60), "training does not begin");
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How often a run is killed.
const KILLS: usize = 50;

/// The longest that a run is let live before it is killed: past its start, and a few epochs.
const LONGEST_LIFE: Duration = Duration::from_millis(150);

#[test]
fn a_run_that_is_killed_fifty_times_at_any_moment_loses_nothing_that_it_kept() {
    let place = Place::new();
    let more = ["--epochs", "100", "--checkpoint-every", "3"];
    let (whole, _) = place.whole_run(&more);
    let run = place.path("killed");
    let mut draw = ChaCha8Rng::seed_from_u64(50);
    let (mut kept, mut killed) = (0, 0);
    let mut arguments = place.train(&run, &more);
    while killed < KILLS {
        let mut child = spawn(&arguments);
        std::thread::sleep(LONGEST_LIFE.mul_f64(draw.random()));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if ended.code() == Some(0) {
            // It came to its end first: another run is killed from its start.
            assert_same(&run, &whole);
            fs::remove_dir_all(&run).unwrap();
            (kept, arguments) = (0, place.train(&run, &more));
            continue;
        }
        killed += 1;
        assert_eq!(ended.code(), None, "the run failed instead of being killed");
        let path = RunDirectory::checkpoint_path(&run);
        if path.exists() {
            let step = checkpoint(&run).standing.step;
            assert!(step >= kept, "step {step} was kept after step {kept}");
            kept = step;
        } else {
            assert_eq!(kept, 0, "the checkpoint was lost");
        }
        for model in ["model.safetensors", "best.safetensors"].map(|name| run.join(name)) {
            assert!(!model.exists() || weights::load(&model).is_ok(), "{}", model.display());
        }
        if run.join("config.toml").exists() {
            arguments = ["train", "--resume", run.to_str().unwrap()].map(String::from).to_vec();
        } else {
            let _ = fs::remove_dir_all(&run); // ended before it was a run
        }
    }
    resume(&run).assert().success();
    assert_same(&run, &whole);
    let left: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn a_run_that_has_ended_does_not_go_on_unless_it_is_made_longer() {
    let place = Place::new();
    let (whole, _) = place.whole_run(&["--epochs", "5"]);
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &[])).assert().success();
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let told = contains("has finished all of its 48 steps; --epochs extends it");
    resume(&run).assert().success().stdout(contains("test accuracy")).stderr(told);
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);

    resume(&run).args(["--epochs", "5"]).assert().success();
    assert_same(&run, &whole);
    // What it was made to is what it is now.
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("epochs = 5"), "{config}");
    resume(&run).args(["--epochs", "4"]).assert().code(2).stderr(contains("has already done 80 steps"));
}

#[test]
fn a_run_that_ended_within_an_epoch_cannot_be_made_longer() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &["--epochs", "1.5"])).assert().success();
    resume(&run).args(["--epochs", "2"]).assert().code(2).stderr(contains("--init-from"));
}

#[test]
fn the_best_epochs_weights_are_kept_and_say_what_they_were_chosen_on() {
    let place = Place::new();
    for (more, part, told) in [
        (&["--epochs", "8"][..], SelectionSplit::Test, true),
        (&["--epochs", "8", "--validation-split", "0.2"], SelectionSplit::Validation, false),
    ] {
        let run = place.path(&part.to_string());
        let output = lenet_gpu().args(place.train(&run, more)).assert().success();
        let records = metrics(&run);
        let accuracy = |record: &EpochRecord| record.validation_accuracy.unwrap_or(record.test_accuracy);
        let highest = records.iter().map(accuracy).fold(0.0, f64::max);
        let best = records.iter().find(|record| accuracy(record) == highest).unwrap();
        let selected = weights::load(&run.join("best.safetensors")).unwrap().about.selected.unwrap();
        assert_eq!((selected.part, selected.epoch, selected.accuracy), (part, best.epoch, highest));
        let note = contains(format!("the best epoch was {}", best.epoch)).and(contains("best.safetensors"));
        if best.epoch < 8 {
            output.stderr(note.and(contains("(selected on test)").count(usize::from(told))));
        }
    }
}

#[test]
fn what_makes_another_run_of_it_is_refused_by_name() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &["--max-steps", "20"])).assert().success();
    for (more, told) in [
        (&["--lr", "0.5"][..], "--lr differs"),
        (&["--batch-size", "16"], "--batch-size differs"),
        (&["--seed", "3"], "--seed differs"),
        (&["--limit-train", "100"], "images"),
        (&["--batch-norm"], "--batch-norm differs"),
        (&["--run-dir", "elsewhere"], "cannot be used with"),
        (&["--preset", "mnist-fast"], "cannot be used with"),
    ] {
        resume(&run).args(more).assert().code(2).stdout(is_empty()).stderr(contains(told));
    }
    let other = tempdir().unwrap();
    fs::create_dir(other.path().join("more")).unwrap();
    let set = small_set(&other.path().join("more"));
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
fn a_folder_without_a_run_and_a_run_in_progress_are_refused() {
    let place = Place::new();
    resume(&place.path("nowhere"))
        .assert()
        .code(2)
        .stderr(contains("cannot read the config.toml of the run"));
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    resume(&empty).assert().code(2).stderr(contains("config.toml"));

    let run = place.path("run");
    let mut child = spawn(&place.train(&run, &["--epochs", "1e6"]));
    await_epoch(&run, &mut child);
    resume(&run).assert().code(2).stderr(contains("in progress in another process"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_damaged_checkpoint_is_refused_with_the_reason_and_left_as_it_is() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &[])).assert().success();
    let path = RunDirectory::checkpoint_path(&run);
    let sound = fs::read(&path).unwrap();

    let edited = |edit: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = Checkpoint::from_bytes(&sound).unwrap();
        edit(&mut checkpoint);
        checkpoint.to_bytes()
    };
    let mut newer = sound.clone();
    let version = br#"{\"version\":1,"#;
    let place = newer.windows(version.len()).position(|bytes| bytes == version).unwrap();
    newer[place + version.len() - 2] = b'9';
    let cases = [
        (sound[..sound.len() / 2].to_vec(), "damaged"),
        (vec![0xff; 64], "damaged"),
        (Vec::new(), "damaged"),
        (newer, "version 9"),
        (fs::read(run.join("model.safetensors")).unwrap(), "--init-from"),
        (edited(&|checkpoint| checkpoint.model.parameters[7] = f32::NAN), "conv1.weight has the value NaN"),
        (
            edited(&|checkpoint| checkpoint.optimizer.first_moment[0] = f32::INFINITY),
            "optimizer.first_moment.conv1.weight has the value inf",
        ),
        (edited(&|checkpoint| checkpoint.optimizer.second_moment[3] = -1.0), "not below 0"),
        (edited(&|checkpoint| checkpoint.standing.step = 1_000_000), "contradicts itself"),
        (edited(&|checkpoint| checkpoint.standing.epochs = u64::MAX), "contradicts itself"),
        (edited(&|checkpoint| checkpoint.config.training.batch_size = 0), "contradicts itself"),
    ];
    for (bytes, told) in cases {
        fs::write(&path, &bytes).unwrap();
        let output = resume(&run).assert().code(2).stdout(is_empty()).stderr(contains(told));
        let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(stderr.contains("checkpoint.safetensors"), "{stderr}");
        assert_eq!(stderr.lines().filter(|line| !line.starts_with("hint: ")).count(), 1, "{stderr}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_checkpoint_is_a_model_too() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &[])).assert().success();
    let of = |name: &str| {
        let output = lenet_gpu()
            .args(["evaluate", "--backend", "cpu", "--json", "--data-dir"])
            .arg(&place.set)
            .arg("--model")
            .arg(run.join(name))
            .assert()
            .success();
        output.get_output().stdout.clone()
    };
    assert_eq!(of("checkpoint.safetensors"), of("model.safetensors"));
}

#[test]
fn a_run_goes_on_on_another_engine_with_a_word() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &[])).assert().success();
    resume(&run)
        .args(["--epochs", "4", "--backend", "vulkan"])
        .assert()
        .success()
        .stderr(contains("continues on").and(contains("differ in the last bits")));
    assert_eq!(metrics(&run).len(), 4);
}

#[test]
fn a_gpus_run_goes_on_to_the_same_bits_with_the_kernels_that_it_had() {
    let place = Place::new();
    let fused = ["--backend", "vulkan", "--kernels", "fused", "--limit-train", "128", "--epochs", "2"];
    let (whole, _) = place.whole_run(&fused);
    let run = place.path("run");
    lenet_gpu().args(place.train(&run, &[&fused[..], &["--epochs", "1"]].concat())).assert().success();
    // --kernels is not said again.
    resume(&run).args(["--epochs", "2"]).assert().success().stderr(contains("last bits").not());
    assert_same(&run, &whole);
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_for_a_while_stops_no_run_and_leaves_no_broken_file() {
    let place = Place::new();
    let run = place.path("run");
    let arguments = place.train(&run, &["--epochs", "4"]).join("' '");
    // A limit on the size of files stands for the disk: the model is smaller, the checkpoint larger.
    let script =
        format!("trap '' XFSZ; ulimit -f 1000; exec '{}' '{arguments}'", env!("CARGO_BIN_EXE_lenet-gpu"));
    let output = Command::new("sh").args(["-c", &script]).assert().success();
    output.stderr(contains("checkpoint.safetensors").and(contains("the run continues")));
    assert_eq!(metrics(&run).len(), 4);
    assert!(!RunDirectory::checkpoint_path(&run).exists(), "half a checkpoint was left");
    weights::load(&run.join("model.safetensors")).unwrap();
    let left: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn numbers_that_go_wrong_end_the_run_and_leave_the_last_good_checkpoint() {
    let place = Place::new();
    let run = place.path("run");
    lenet_gpu()
        .args(place.train(&run, &["--lr", "1e30", "--checkpoint-every", "1"]))
        .assert()
        .code(1)
        .stderr(
            contains("not finite")
                .and(contains("the last checkpoint is of step"))
                .and(contains("--init-from")),
        );
    assert!(checkpoint(&run).standing.step >= 1);
}

/// A listener that takes down how a run stood after one step of it.
struct Taker {
    at: u64,
    taken: Option<(RunState, Vec<f32>, OptimizerState)>,
}

impl Taker {
    fn look(&mut self, snapshot: &Snapshot) {
        if snapshot.standing.step == self.at && self.taken.is_none() {
            let Snapshot { standing, parameters, optimizer } = *snapshot;
            self.taken = Some((standing.clone(), parameters.to_vec(), optimizer.clone()));
        }
    }
}

impl Listener for Taker {
    fn so_far(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.look(snapshot);
        Ok(ControlFlow::Continue(()))
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.look(snapshot);
    }
}

/// Images of a run that is made over and over: 6 steps an epoch, the last one of fewer images.
const FEW: usize = 199;

/// Steps that runs are left after.
const RANDOM_STEPS: usize = 10;

/// Trains to the end, and from random steps on, each with a new engine that knows nothing but a checkpoint's bytes.
fn goes_on_bit_by_bit(engine: &dyn Fn(&Setup) -> Box<dyn Engine>) {
    let data = Dataset::embedded_mnist(Conversion::default())
        .unwrap()
        .limited(NonZeroUsize::new(FEW), NonZeroUsize::new(64))
        .hold_out(0.1, 3);
    let network = LeNet5::new(1, 10);
    let augmentation = Augmentation { shift: 2, ..Augmentation::default() };
    let setup = Setup { augmented: true, ..Setup::new(network, 32) };
    let (epochs, batch_size) = (2.5, setup.batch_size);
    let schedule = Schedule { shape: Shape::Cosine, ..Schedule::CONSTANT };
    let plan = TrainingConfig { epochs, batch_size, schedule, augmentation, ..TrainingConfig::default() };
    let total = plan.total_steps(data.train.len());

    let run = |plan: &TrainingConfig, standing: RunState, engine: &mut dyn Engine, at: u64| {
        let mut taker = Taker { at, taken: None };
        let report = train(engine, &data, plan, standing, &mut taker).unwrap();
        let record = report.last.unwrap();
        let end = (engine.parameters().unwrap(), engine.optimizer_state().unwrap());
        (taker.taken, (record.train_loss, record.validation_loss, record.test_loss, record.weights_hash), end)
    };
    let parameters = Init::default().arena(&ParameterTable::new(&network), 1);
    let begun = || {
        let mut engine = engine(&setup);
        engine.set_parameters(&parameters).unwrap();
        engine
    };
    let (_, told, end) = run(&plan, RunState::default(), &mut *begun(), 0);

    let mut draw = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..RANDOM_STEPS {
        let step = draw.random_range(1..total);
        let kept = TrainingConfig { checkpoint_every: NonZeroU64::new(step), ..plan.clone() };
        let (taken, _, end_of_kept) = run(&kept, RunState::default(), &mut *begun(), step);
        assert_eq!(end_of_kept, end, "that a run is kept changes no bit of it");

        let (standing, parameters, optimizer) = taken.unwrap();
        let model = Model { network, parameters, about: ModelInfo::default() };
        let config = config(&setup, &plan, &data);
        let bytes = Checkpoint { model, optimizer, standing, config, images: String::new() }.to_bytes();
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        let mut engine = engine(&setup);
        engine.set_parameters(&read.model.parameters).unwrap();
        engine.set_optimizer_state(&read.optimizer).unwrap();
        let (_, told_again, end_again) = run(&plan, read.standing, &mut *engine, 0);
        assert_eq!(end_again, end, "from step {step}");
        assert_eq!(told_again, told, "from step {step}");
    }
}

fn config(setup: &Setup, plan: &TrainingConfig, data: &Dataset) -> RunConfig {
    RunConfig {
        program: Program::this(),
        engine: EngineConfig::cpu("a test".to_owned()),
        data: DataConfig {
            name: data.name.clone(),
            train: data.train.len(),
            validation: data.validation.as_ref().map(|part| part.len()),
            test: data.test.len(),
            fit: None,
        },
        network: setup.network,
        weights: Weights::Init(Init::default()),
        training: plan.clone(),
        loss: setup.loss,
        optimizer: setup.optimizer,
        options: toml::Table::new(),
    }
}

#[test]
fn the_cpu_goes_on_from_random_steps_to_the_same_bits() {
    goes_on_bit_by_bit(&|setup| Box::new(CpuEngine::new(setup)));
}

#[test]
fn a_gpu_goes_on_from_random_steps_to_the_same_bits() {
    let context = crate::common::context();
    goes_on_bit_by_bit(&|setup| {
        let plan = KernelConfig::of(&context.description);
        let options = GpuOptions { setup: *setup, residency: Residency::Auto, plan };
        Box::new(GpuEngine::new(context.clone(), options).unwrap())
    });
}
