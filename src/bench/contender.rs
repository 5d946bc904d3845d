//! An engine that is to be measured, from its choice to its first step.

use std::time::Instant;

use super::results::{Adapter, Stage, Task};
use crate::cpu::CpuEngine;
use crate::engine::{Engine, EngineError, Mode, Setup};
use crate::gpu::adapter::{Chosen, Description, Device, DeviceError, Request};
use crate::gpu::recording::{RecordedKernel, Recording};
use crate::gpu::{Context, GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};

/// A device that was chosen.
#[derive(Debug)]
pub struct Contender {
    device: Device,
    residency: Residency,
    /// A GPU's.
    plan: Option<KernelConfig>,
    /// What the choice took: where it is the first of this process, with the loading of drivers.
    pub choosing: Stage,
}

impl Contender {
    /// # Errors
    /// Where the request leads to no device.
    pub fn find(request: &Request, residency: Residency) -> Result<Self, DeviceError> {
        let (device, choosing) = timed("choose the device", || Device::find(request));
        let device = device?;
        let plan = match &device {
            Device::Cpu { .. } => None,
            Device::Gpu(chosen) => Some(KernelConfig::of(&chosen.description)),
        };
        Ok(Self { device, residency, plan, choosing })
    }

    /// The same device by another plan than its class's.
    pub fn by(self, plan: KernelConfig) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// What the device is, if it is a GPU.
    pub fn description(&self) -> Option<&Description> {
        self.gpu().map(|chosen| &chosen.description)
    }

    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub fn label(&self) -> &'static str {
        match &self.device {
            Device::Cpu { .. } => "cpu",
            Device::Gpu(chosen) => chosen.description.backend.id(),
        }
    }

    /// The GPU, if it is one.
    pub fn adapter(&self) -> Option<Adapter> {
        self.description().zip(self.plan).map(|(description, plan)| Adapter {
            name: description.name.clone(),
            backend: description.backend.id().to_owned(),
            driver: description.driver.clone(),
            software: description.is_software(),
            plan,
        })
    }

    /// Opens the device for work as `train` opens it.
    pub fn open(&self) -> Result<Opened, EngineError> {
        self.open_by(Context::open)
    }

    /// Opens the device for looking at kernels.
    pub fn open_to_profile(&self) -> Result<Opened, EngineError> {
        self.open_by(Context::open_to_profile)
    }

    fn open_by(&self, open: impl Fn(&Chosen) -> Result<Context, EngineError>) -> Result<Opened, EngineError> {
        Ok(Opened { context: self.gpu().map(open).transpose()?, residency: self.residency, plan: self.plan })
    }

    fn gpu(&self) -> Option<&Chosen> {
        match &self.device {
            Device::Cpu { .. } => None,
            Device::Gpu(chosen) => Some(chosen),
        }
    }
}

/// A device on which engines can be made.
#[derive(Debug)]
pub struct Opened {
    /// None is the CPU.
    pub context: Option<Context>,
    residency: Residency,
    plan: Option<KernelConfig>,
}

impl Opened {
    pub fn engine(&self, setup: &Setup) -> Result<AnyEngine, EngineError> {
        let (Some(context), Some(plan)) = (&self.context, self.plan) else {
            return Ok(AnyEngine::Cpu(Box::new(CpuEngine::new(setup))));
        };
        let options = GpuOptions { setup: *setup, residency: self.residency, plan };
        Ok(AnyEngine::Gpu(Box::new(GpuEngine::new(context.clone(), options)?)))
    }
}

/// Either engine, where more is wanted than what both can do.
#[derive(Debug)]
pub enum AnyEngine {
    Cpu(Box<CpuEngine>),
    Gpu(Box<GpuEngine>),
}

impl AnyEngine {
    pub fn as_engine(&mut self) -> &mut dyn Engine {
        match self {
            Self::Cpu(engine) => &mut **engine,
            Self::Gpu(engine) => &mut **engine,
        }
    }

    /// The kernels of a task, for an engine that was made for `setup`; on the CPU, those whose
    /// twins its operations are.
    pub fn kernels(&self, task: Task, setup: &Setup) -> Vec<RecordedKernel> {
        let pass = match task {
            Task::Train => Mode::Train,
            Task::Infer => Mode::Evaluate,
        };
        match self {
            Self::Cpu(_) => twins(pass, setup),
            Self::Gpu(engine) => engine.kernels(pass),
        }
    }

    pub fn gpu(&self) -> Option<&GpuEngine> {
        match self {
            Self::Cpu(_) => None,
            Self::Gpu(engine) => Some(engine),
        }
    }
}

/// The kernels that are the twins of the CPU engine's operations.
pub fn twins(pass: Mode, setup: &Setup) -> Vec<RecordedKernel> {
    let plan = KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE };
    Recording::new(setup, &plan).kernels_of(pass).cloned().collect()
}

/// Does `work` and tells what it took.
pub fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Stage) {
    let started = Instant::now();
    let result = work();
    (result, Stage { what: what.to_owned(), seconds: started.elapsed().as_secs_f64() })
}
