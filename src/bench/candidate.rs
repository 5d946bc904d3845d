//! A device to measure.

use std::time::Instant;

use super::results::{Adapter, StartupPhase, Task};
use crate::device::{AnyEngine, Device, DeviceError, DeviceOptions, DeviceRequest, OpenDevice};
use crate::engine::{EngineError, Mode, Setup};
use crate::gpu::adapter::AdapterInfo;
use crate::gpu::recording::{RecordedKernel, Recording};
use crate::gpu::{KernelConfig, KernelSet};

/// A chosen device, to be compared with others.
#[derive(Debug)]
pub struct Candidate {
    device: Device,
    /// Always `Some` on a GPU.
    kernels: Option<KernelConfig>,
    /// How long choosing the device took. If it is the first choice of the process, this includes loading drivers.
    pub choosing: StartupPhase,
}

impl Candidate {
    /// Chooses a device.
    ///
    /// # Errors
    /// If no device matches the request.
    pub fn find(request: &DeviceRequest) -> Result<Self, DeviceError> {
        let (device, choosing) = timed("choose the device", || Device::find(request));
        let device = device?;
        let kernels = device.adapter().map(KernelConfig::of);
        Ok(Self { device, kernels, choosing })
    }

    /// The same device with another kernel configuration than the default of its class.
    #[must_use]
    pub fn with_kernels(self, kernels: KernelConfig) -> Self {
        Self { kernels: Some(kernels), ..self }
    }

    /// The description of the GPU; `None` for the CPU engine.
    pub fn description(&self) -> Option<&AdapterInfo> {
        self.device.adapter()
    }

    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub fn label(&self) -> &'static str {
        self.device.backend_id()
    }

    /// The GPU as the results record it; `None` for the CPU engine.
    pub fn adapter(&self) -> Option<Adapter> {
        self.description().zip(self.kernels).map(|(description, kernels)| Adapter {
            name: description.name.clone(),
            backend: description.backend.id().to_owned(),
            driver: description.driver.clone(),
            software: description.is_software(),
            kernels: serde_json::to_value(kernels).expect("a kernel configuration is plain JSON"),
        })
    }

    /// Opens the device as training does.
    ///
    /// # Errors
    /// If the device cannot be opened.
    pub fn open(&self) -> Result<OpenDevice, EngineError> {
        self.device.connect(&DeviceOptions { kernels: self.kernels, ..DeviceOptions::default() })
    }

    /// Opens the device for profiling single kernels.
    ///
    /// # Errors
    /// If the device cannot be opened.
    pub fn open_with_timestamps(&self) -> Result<OpenDevice, EngineError> {
        let options = DeviceOptions { kernels: self.kernels, timestamps: true, ..DeviceOptions::default() };
        self.device.connect(&options)
    }
}

/// The kernels that an engine created for `setup` runs in a step of a task; for the CPU engine, the kernels whose
/// CPU twins it runs.
pub fn kernels_of_task(engine: &AnyEngine, task: Task, setup: &Setup) -> Vec<RecordedKernel> {
    let mode = match task {
        Task::Train => Mode::Train,
        Task::Infer => Mode::Evaluate,
    };
    match engine {
        AnyEngine::Cpu(_) => twin_kernels(mode, setup),
        AnyEngine::Gpu(engine) => engine.kernels(mode),
    }
}

/// The kernels whose CPU twins the CPU engine runs.
pub fn twin_kernels(mode: Mode, setup: &Setup) -> Vec<RecordedKernel> {
    let config = KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE };
    Recording::new(setup, &config).kernels_of(mode).cloned().collect()
}

/// Runs `work` and measures how long it takes.
pub fn timed<T>(name: &str, work: impl FnOnce() -> T) -> (T, StartupPhase) {
    let started = Instant::now();
    let result = work();
    (result, StartupPhase { name: name.to_owned(), seconds: started.elapsed().as_secs_f64() })
}
