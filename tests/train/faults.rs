//! What goes wrong in the middle of a run ends in one clear line, and nothing that was kept is lost.
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lenet_gpu::data::{Conversion, Dataset};
use lenet_gpu::engine::{Engine, EngineError, OptimizerState, Setup};
use lenet_gpu::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use lenet_gpu::train::{
    EpochProgress, EpochRecord, Listener, RunError, RunState, RunSummary, Snapshot, TrainError,
    TrainingConfig, train,
};
use tempfile::tempdir;

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// A run at an epoch's end.
type Kept = (RunState, Vec<f32>, OptimizerState);

/// Keeps each epoch's end, and does something to the device when the second epoch has begun.
struct Saboteur<'a> {
    context: &'a Context,
    strike: Option<fn(&Context)>,
    kept: Vec<Kept>,
}

impl Listener for Saboteur<'_> {
    fn so_far(&mut self, so_far: &EpochProgress) -> ControlFlow<()> {
        if so_far.epoch == 2
            && let Some(strike) = self.strike.take()
        {
            strike(self.context);
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        let Snapshot { standing, parameters, optimizer } = *snapshot;
        self.kept.push((standing.clone(), parameters.to_vec(), optimizer.clone()));
        Ok(ControlFlow::Continue(()))
    }
}

fn data() -> Dataset {
    let few = NonZeroUsize::new(128);
    Dataset::embedded_mnist(Conversion::default()).unwrap().limited(few, few)
}

fn plan() -> TrainingConfig {
    TrainingConfig { epochs: 3.0, batch_size: 32, ..TrainingConfig::default() }
}

fn engine(context: &Context) -> GpuEngine {
    let plan = KernelConfig::of(&context.description);
    let options = GpuOptions { setup: Setup::new(NETWORK, 32), residency: Residency::Auto, plan };
    let mut engine = GpuEngine::new(context.clone(), options).unwrap();
    engine.set_parameters(&Init::default().arena(&ParameterTable::new(&NETWORK), 1)).unwrap();
    engine
}

fn run(
    engine: &mut GpuEngine,
    context: &Context,
    standing: RunState,
    strike: Option<fn(&Context)>,
) -> (Result<RunSummary, TrainError>, Vec<Kept>) {
    let mut listener = Saboteur { context, strike, kept: Vec::new() };
    let report = train(engine, &data(), &plan(), standing, &mut listener);
    (report, listener.kept)
}

#[test]
fn a_device_that_is_lost_in_the_middle_is_told_of_and_the_run_goes_on_on_another_one() {
    let sound = crate::common::context();
    let (whole, _) = run(&mut engine(&sound), &sound, RunState::default(), None);

    let lost = crate::common::context();
    let (failed, mut kept) =
        run(&mut engine(&lost), &lost, RunState::default(), Some(|context| context.device.destroy()));
    let error = failed.unwrap_err();
    let TrainError::Engine(EngineError::Device(_)) = &error else { panic!("{error} is no device's") };
    let told = error.to_string();
    assert!(told.starts_with("the GPU failed: ") && told.contains("lost"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");

    let (standing, parameters, optimizer) = kept.pop().unwrap();
    assert_eq!(standing.epochs, 1);
    let another = crate::common::context();
    let mut engine = engine(&another);
    engine.set_parameters(&parameters).unwrap();
    engine.set_optimizer_state(&optimizer).unwrap();
    let (gone_on, _) = run(&mut engine, &another, standing, None);
    let hash = |report: RunSummary| report.last.unwrap().weights_hash;
    assert_eq!(hash(gone_on.unwrap()), hash(whole.unwrap()));
}

#[test]
fn what_the_device_refuses_in_the_middle_is_told_in_one_line() {
    let context = crate::common::context();
    let refused: fn(&Context) = |context| {
        let _buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("impossible"),
            size: 6,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
    };
    let (failed, _) = run(&mut engine(&context), &context, RunState::default(), Some(refused));
    let told = failed.unwrap_err().to_string();
    assert!(told.starts_with("the GPU failed: ") && told.contains("impossible"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_run_whose_folder_is_taken_away_goes_on_to_its_end_and_says_what_is_not_saved() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(["train", "--backend", "cpu", "--limit-train", "2000", "--limit-test", "64", "--epochs", "20"])
        .arg("--run-dir")
        .arg(&run)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_file(&run.join("checkpoint.safetensors"));
    let away = folder.path().join("away");
    fs::rename(&run, &away).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("epoch 20/20"), "the run did not go on: {stderr}");
    assert!(stderr.contains("the run continues"), "{stderr}");
    let last = stderr.lines().rfind(|line| !line.starts_with("hint: ")).unwrap();
    assert!(last.starts_with("error: ") && last.contains("model.safetensors"), "{last}");
    // What was kept before is whole.
    lenet_gpu::train::Checkpoint::load(&away.join("checkpoint.safetensors")).unwrap();
}

fn await_file(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}
