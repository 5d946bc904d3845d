//! Faults in the middle of a run: the error is one clear line, and saved files stay intact.
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

/// The state of a run at the end of an epoch.
type SavedEpoch = (RunState, Vec<f32>, OptimizerState);

/// Saves the state at the end of each epoch, and calls `fault` on the device once the second epoch has begun.
struct FaultInjector<'a> {
    context: &'a Context,
    fault: Option<fn(&Context)>,
    epochs: Vec<SavedEpoch>,
}

impl Listener for FaultInjector<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        if progress.epoch == 2
            && let Some(fault) = self.fault.take()
        {
            fault(self.context);
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        let Snapshot { state, parameters, optimizer } = *snapshot;
        self.epochs.push((state.clone(), parameters.to_vec(), optimizer.clone()));
        Ok(ControlFlow::Continue(()))
    }
}

fn data() -> Dataset {
    let few = NonZeroUsize::new(128);
    Dataset::embedded_mnist(Conversion::default()).unwrap().limited(few, few)
}

fn config() -> TrainingConfig {
    TrainingConfig { epochs: 3.0, batch_size: 32, ..TrainingConfig::default() }
}

fn engine(context: &Context) -> GpuEngine {
    let kernels = KernelConfig::of(&context.description);
    let options = GpuOptions { setup: Setup::new(NETWORK, 32), residency: Residency::Auto, kernels };
    let mut engine = GpuEngine::new(context.clone(), options).unwrap();
    engine.set_parameters(&Init::default().arena(&ParameterTable::new(&NETWORK), 1)).unwrap();
    engine
}

fn run(
    engine: &mut GpuEngine,
    context: &Context,
    state: RunState,
    fault: Option<fn(&Context)>,
) -> (Result<RunSummary, TrainError>, Vec<SavedEpoch>) {
    let mut listener = FaultInjector { context, fault, epochs: Vec::new() };
    let result = train(engine, &data(), &config(), state, &mut listener);
    (result, listener.epochs)
}

#[test]
fn a_lost_device_is_reported_and_the_run_resumes_on_another() {
    let working = crate::common::context();
    let (uninterrupted, _) = run(&mut engine(&working), &working, RunState::default(), None);

    let lost = crate::common::context();
    let (failed, mut epochs) =
        run(&mut engine(&lost), &lost, RunState::default(), Some(|context| context.device.destroy()));
    let error = failed.unwrap_err();
    let TrainError::Engine(EngineError::Device(_)) = &error else { panic!("not a device error: {error}") };
    let message = error.to_string();
    assert!(message.starts_with("the GPU failed: ") && message.contains("lost"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");

    let (state, parameters, optimizer) = epochs.pop().unwrap();
    assert_eq!(state.epochs, 1);
    let another = crate::common::context();
    let mut engine = engine(&another);
    engine.set_parameters(&parameters).unwrap();
    engine.set_optimizer_state(&optimizer).unwrap();
    let (resumed, _) = run(&mut engine, &another, state, None);
    let hash = |summary: RunSummary| summary.last.unwrap().weights_hash;
    assert_eq!(hash(resumed.unwrap()), hash(uninterrupted.unwrap()));
}

#[test]
fn a_device_error_during_a_run_is_one_line() {
    let context = crate::common::context();
    let invalid_call: fn(&Context) = |context| {
        let _buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("impossible"),
            size: 6,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
    };
    let (failed, _) = run(&mut engine(&context), &context, RunState::default(), Some(invalid_call));
    let message = failed.unwrap_err().to_string();
    assert!(message.starts_with("the GPU failed: ") && message.contains("impossible"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_run_whose_directory_is_moved_trains_on_and_reports_unsaved_files() {
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
    wait_for_file(&run.join("checkpoint.safetensors"));
    let away = folder.path().join("away");
    fs::rename(&run, &away).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("epoch 20/20"), "the run ended early: {stderr}");
    assert!(stderr.contains("it will be tried again"), "{stderr}");
    let last = stderr.lines().rfind(|line| !line.starts_with("hint: ")).unwrap();
    assert!(last.starts_with("error: ") && last.contains("model.safetensors"), "{last}");
    // Files saved earlier are intact.
    lenet_gpu::train::Checkpoint::load(&away.join("checkpoint.safetensors")).unwrap();
}

fn wait_for_file(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}
