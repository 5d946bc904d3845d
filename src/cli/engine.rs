//! The options that say what computes, and how they become an engine.

use std::panic;
use std::thread;

use crate::bench::Candidate;
use crate::cache;
use crate::device::{
    AdapterName, ChoiceError, Device, DeviceError, DeviceOptions, DeviceRequest, OpenDevice, WantedBackend,
};
use crate::engine::{Engine, EngineError, Setup};
use crate::gpu::Residency;
use crate::gpu::adapter::{ApiBackend, ChosenAdapter, Description, Platform};
use crate::train::EngineConfig;
use anyhow::anyhow;
use clap::{ArgAction, Args, ValueEnum};

use super::kernel_args::KernelArgs;
use super::{Failure, notice};

/// Which device.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// What computes; auto takes a discrete GPU, then an integrated one, then the CPU
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = BackendArg::Auto)]
    backend: BackendArg,

    /// An adapter, by its index in `lenet-gpu devices` or by part of its name [default: the best]
    #[arg(long, value_name = "INDEX|NAME", value_parser = adapter_name)]
    adapter: Option<AdapterName>,
}

impl DeviceArgs {
    /// Chooses the device.
    pub fn find(&self) -> Result<Device, Failure> {
        let request = DeviceRequest { backend: self.backend.into(), adapter: self.adapter.clone() };
        Device::find(&request).map_err(not_found)
    }

    /// Chooses a GPU, for a command that the CPU engine has no part in: there is none to `what` then.
    pub fn find_gpu(&self, what: &str) -> Result<ChosenAdapter, Failure> {
        match self.find()? {
            Device::Gpu(chosen) => Ok(chosen),
            Device::Cpu { reason } => Err(Failure::Input(anyhow!("there is no GPU to {what}: {reason}"))),
        }
    }
}

fn not_found(error: DeviceError) -> Failure {
    match error {
        DeviceError::NoAdapter(missing) => {
            let hint = match missing.alternative() {
                Some(backend) => format!("use `--backend {}`", backend.id()),
                None => Platform::current().driver_advice().to_owned(),
            };
            Failure::Work(anyhow!("{missing}\nhint: {hint}; or use the CPU with `--backend cpu`"))
        }
        DeviceError::Choice(ChoiceError::Unfit { .. }) => Failure::work(error),
        DeviceError::Choice(_) => Failure::input(error),
    }
}

/// Which engines, to be measured side by side.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct ContenderArgs {
    /// What computes, one or several; auto is what train would take
    #[arg(long, value_enum, value_name = "BACKEND,BACKEND", value_delimiter = ',', action = ArgAction::Set)]
    #[arg(default_values_t = [BackendArg::Auto])]
    backend: Vec<BackendArg>,

    /// An adapter for those that are GPUs, by its index in `lenet-gpu devices` or by part of its name [default: the
    /// best of each]
    #[arg(long, value_name = "INDEX|NAME", value_parser = adapter_name)]
    adapter: Option<AdapterName>,

    #[command(flatten)]
    kernels: KernelArgs,
}

impl ContenderArgs {
    /// Chooses the devices, no two of which are the same.
    pub fn find(&self) -> Result<Vec<Candidate>, Failure> {
        let mut found: Vec<Candidate> = Vec::new();
        for place in 0..self.backend.len() {
            let candidate = self.find_one(place)?;
            if found.iter().any(|known| known.label() == candidate.label()) {
                return Err(Failure::Input(anyhow!(
                    "--backend leads to {} twice; name each once",
                    candidate.label()
                )));
            }
            found.push(candidate);
        }
        if found.iter().all(|candidate| candidate.description().is_none()) {
            self.kernels.refuse_on_cpu()?;
        }
        Ok(found)
    }

    /// Chooses the device of a place in the list.
    pub fn find_one(&self, place: usize) -> Result<Candidate, Failure> {
        let Some(&backend) = self.backend.get(place) else {
            return Err(Failure::Input(anyhow!("--backend has no place {place}")));
        };
        // Beside GPUs the CPU engine has no part in the choice of an adapter.
        let others = self.backend.iter().any(|other| *other != BackendArg::Cpu);
        let adapter = self.adapter.clone().filter(|_| backend != BackendArg::Cpu || !others);
        let request = DeviceRequest { backend: backend.into(), adapter };
        let candidate = Candidate::find(&request).map_err(not_found)?;
        match candidate.description() {
            None => Ok(candidate),
            Some(description) => {
                let plan = self.kernels.plan(description)?;
                Ok(candidate.with_kernels(plan))
            }
        }
    }
}

/// Which device, and how an engine uses it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct EngineArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Advanced: keep the images on the GPU, or stream them to it batch by batch; the weights come out
    /// the same
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = ResidencyArg::Auto)]
    residency: ResidencyArg,

    #[command(flatten)]
    kernels: KernelArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendArg {
    /// The best GPU, or the CPU where there is none
    Auto,
    /// Vulkan (Linux, Windows)
    Vulkan,
    /// Metal (macOS)
    Metal,
    /// Direct3D 12 (Windows)
    Dx12,
    /// OpenGL, for GPUs with no other driver
    Gl,
    /// The CPU engine, in plain Rust
    Cpu,
}

impl From<BackendArg> for WantedBackend {
    fn from(typed: BackendArg) -> Self {
        match typed {
            BackendArg::Auto => Self::Auto,
            BackendArg::Vulkan => Self::Backend(ApiBackend::Vulkan),
            BackendArg::Metal => Self::Backend(ApiBackend::Metal),
            BackendArg::Dx12 => Self::Backend(ApiBackend::Dx12),
            BackendArg::Gl => Self::Backend(ApiBackend::Gl),
            BackendArg::Cpu => Self::Cpu,
        }
    }
}

/// Where the images lie while a GPU trains on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResidencyArg {
    /// On the GPU where they fit into one binding, else streamed
    Auto,
    /// On the GPU
    Resident,
    /// In main memory
    Streamed,
}

impl From<ResidencyArg> for Residency {
    fn from(typed: ResidencyArg) -> Self {
        match typed {
            ResidencyArg::Auto => Self::Auto,
            ResidencyArg::Resident => Self::Resident,
            ResidencyArg::Streamed => Self::Streamed,
        }
    }
}

fn adapter_name(typed: &str) -> Result<AdapterName, String> {
    match typed {
        "" => Err("it must not be empty".to_owned()),
        typed => Ok(typed.parse().unwrap_or_else(|never| match never {})),
    }
}

/// An engine, and what is to be told of it.
pub struct Opened {
    pub engine: Box<dyn Engine>,
    pub config: EngineConfig,
    /// Why this device.
    pub reason: String,
}

/// A chosen device and how to open it.
pub struct Chosen {
    device: Device,
    options: DeviceOptions,
    kernels: KernelArgs,
}

/// A device that is open.
pub struct Ready {
    chosen: Chosen,
    open: OpenDevice,
}

impl EngineArgs {
    /// Chooses a device. A software adapter is never taken without a word.
    pub fn choose(&self) -> Result<Chosen, Failure> {
        self.choose_again(None)
    }

    /// The same for a run that went on `before`: on the same device it has the same kernels, where no others are
    /// asked for.
    fn choose_again(&self, before: Option<&EngineConfig>) -> Result<Chosen, Failure> {
        let device = self.device.find()?;
        if let Device::Gpu(chosen) = &device
            && chosen.description.is_software()
        {
            warn_of_software(&chosen.description.name);
        }
        // It follows from what was asked for and the class of device alone, so that a run can be repeated.
        let plan = match &device {
            Device::Gpu(chosen) => {
                Some(match before.and_then(|before| before.kernels_on(&chosen.description)) {
                    Some(plan) if self.kernels.are_default() => plan,
                    _ => self.kernels.plan(&chosen.description)?,
                })
            }
            Device::Cpu { .. } => {
                self.kernels.refuse_on_cpu()?;
                None
            }
        };
        let options = DeviceOptions {
            residency: self.residency.into(),
            kernels: plan,
            pipeline_cache: cache::folder().map(|folder| folder.join(PIPELINES)),
            timestamps: false,
        };
        Ok(Chosen { device, options, kernels: self.kernels.clone() })
    }

    /// Chooses a device and opens it while `read` reads the data: neither needs the other, and drivers take their
    /// time to start. Of two failures, the data's is told.
    pub fn ready_beside<T>(&self, read: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Ready), Failure> {
        self.open_concurrently(None, read)
    }

    /// The same for a run that went on `before`.
    pub fn open_concurrently<T>(
        &self,
        before: Option<&EngineConfig>,
        read: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, Ready), Failure> {
        thread::scope(|scope| {
            let device = scope.spawn(|| {
                let chosen = self.choose_again(before)?;
                let open = chosen.device.connect(&chosen.options).map_err(failure)?;
                Ok(Ready { chosen, open })
            });
            let data = read()?;
            Ok((data, device.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?))
        })
    }
}

/// A software adapter is never taken without a word.
pub fn warn_of_software(name: &str) {
    notice::warning(format_args!(
        "{name} is a software adapter: the CPU plays a GPU, so this is slow; --backend cpu is faster"
    ));
}

/// Where in the cache folder compiled pipelines are kept.
const PIPELINES: &str = "pipelines";

/// Whether an engine that could not be made was asked for too much.
pub fn failure(error: EngineError) -> Failure {
    match error {
        EngineError::BatchTooLarge { .. } | EngineError::TooManyClasses { .. } | EngineError::NotFused(_) => {
            Failure::input(error)
        }
        _ => Failure::work(error),
    }
}

impl Chosen {
    /// Why it was chosen.
    pub fn reason(&self) -> &str {
        self.device.reason()
    }

    /// Opens the device and creates an engine on it.
    pub fn engine(&self, setup: &Setup) -> Result<Box<dyn Engine>, EngineError> {
        self.check(setup)?;
        Ok(self.device.connect(&self.options)?.engine(setup)?.into_boxed())
    }

    /// Checks that the requested kernels support the setup; on the CPU there are none.
    fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        if self.device.adapter().is_some() { self.kernels.check(setup) } else { Ok(()) }
    }
}

impl Ready {
    /// Creates an engine on the device.
    pub fn engine(self, setup: &Setup) -> Result<Opened, Failure> {
        let Self { chosen, open } = self;
        chosen.check(setup).map_err(failure)?;
        let engine = open.engine(setup).map_err(failure)?.into_boxed();
        let name = engine.name();
        let config = match chosen.device.adapter() {
            None => EngineConfig::cpu(name),
            Some(Description { name: adapter, backend, driver, .. }) => EngineConfig {
                name,
                backend: backend.id().to_owned(),
                adapter: Some(adapter.clone()),
                driver: Some(driver.clone()),
                kernels: open.kernels_for(setup),
            },
        };
        Ok(Opened { engine, config, reason: chosen.reason().to_owned() })
    }
}
