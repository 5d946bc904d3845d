//! The options that choose the device, and the engine they lead to.

use std::panic;
use std::path::Path;
use std::thread;

use crate::bench::Candidate;
use crate::cache;
use crate::data::Dataset;
use crate::device::{
    AdapterName, ChoiceError, Device, DeviceError, DeviceOptions, DeviceRequest, EnginePool, OpenDevice,
    WantedAdapters, WantedBackend,
};
use crate::engine::{Engine, EngineError, Setup};
use crate::gpu::Residency;
use crate::gpu::adapter::{ApiBackend, ChosenAdapter};
use crate::train::EngineConfig;
use anyhow::anyhow;
use clap::{ArgAction, Args, ValueEnum};

use super::kernel_args::KernelArgs;
use super::progress::Progress;
use super::{Failure, engine_config, job, notice, threads};

/// The device.
#[derive(Debug, PartialEq, Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// Where to compute; auto prefers a discrete GPU, then an integrated one, then the CPU
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = BackendArg::Auto)]
    backend: BackendArg,

    /// GPU to use: its index in `lenet-gpu devices`, or part of its name [default: the best]
    #[arg(long, value_name = "INDEX|NAME", value_parser = adapter_name)]
    adapter: Option<AdapterName>,
}

impl DeviceArgs {
    /// The requested device.
    pub fn request(&self) -> DeviceRequest {
        DeviceRequest { backend: self.backend.into(), adapter: self.adapter.clone() }
    }

    /// Chooses the device. Unless one was requested, the ranks of a machine take its GPUs of the best one's kind in turn.
    pub fn find(&self) -> Result<Device, Failure> {
        let device = Device::find(&self.request()).map_err(not_found)?;
        let ranks = job::ranks();
        if ranks.local_size() == 1 || self.adapter.is_some() {
            return Ok(device);
        }
        let Some(name) = device.adapter().map(|adapter| adapter.name.clone()) else { return Ok(device) };
        let all = Device::find_several(self.backend.into(), &WantedAdapters::All).map_err(not_found)?;
        let is_same = |other: &Device| other.adapter().is_some_and(|adapter| adapter.name == name);
        let mut same: Vec<Device> = all.into_iter().filter(is_same).collect();
        if same.len() < 2 {
            return Ok(device);
        }
        Ok(same.swap_remove(ranks.local_rank() % same.len()))
    }

    /// Chooses a GPU, for a command that does not support the CPU engine; `what` is what it would do with it.
    pub fn find_gpu(&self, what: &str) -> Result<ChosenAdapter, Failure> {
        match self.find()? {
            Device::Gpu(chosen) => Ok(chosen),
            Device::Cpu { reason } => {
                Err(Failure::Input(anyhow!("no GPU to {what}; the CPU engine was chosen: {reason}")))
            }
        }
    }
}

fn not_found(error: DeviceError) -> Failure {
    match error {
        DeviceError::NoAdapter(_) | DeviceError::Choice(ChoiceError::Unfit { .. }) => Failure::work(error),
        DeviceError::Choice(_) => Failure::input(error),
    }
}

/// The engines to measure side by side.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct CandidateArgs {
    /// Where to compute, one or several; auto is what `lenet-gpu train` uses
    #[arg(long, value_enum, value_name = "BACKEND,BACKEND", value_delimiter = ',', action = ArgAction::Set)]
    #[arg(default_values_t = [BackendArg::Auto])]
    backend: Vec<BackendArg>,

    /// GPU to use: its index in `lenet-gpu devices`, or part of its name [default: the best of each backend]
    #[arg(long, value_name = "INDEX|NAME", value_parser = adapter_name)]
    adapter: Option<AdapterName>,

    #[command(flatten)]
    kernels: KernelArgs,
}

impl CandidateArgs {
    /// The file of the kernel configuration.
    pub fn kernel_config_file(&self) -> Option<&Path> {
        self.kernels.file()
    }

    /// Chooses the devices. Two that are the same are an error.
    pub fn find(&self) -> Result<Vec<Candidate>, Failure> {
        let mut found: Vec<Candidate> = Vec::new();
        for index in 0..self.backend.len() {
            let candidate = self.find_one(index)?;
            if found.iter().any(|known| known.label() == candidate.label()) {
                return Err(Failure::Input(anyhow!("--backend selects {} twice", candidate.label())));
            }
            found.push(candidate);
        }
        if found.iter().all(|candidate| candidate.description().is_none()) {
            self.kernels.refuse_on_cpu()?;
        }
        Ok(found)
    }

    /// Chooses the device of one entry in the list.
    pub fn find_one(&self, index: usize) -> Result<Candidate, Failure> {
        let Some(&backend) = self.backend.get(index) else {
            return Err(Failure::Input(anyhow!("--backend has no entry {index}")));
        };
        // --adapter is meant for the GPUs in the list, if there are any.
        let others = self.backend.iter().any(|other| *other != BackendArg::Cpu);
        let adapter = self.adapter.clone().filter(|_| backend != BackendArg::Cpu || !others);
        let request = DeviceRequest { backend: backend.into(), adapter };
        let candidate = Candidate::find(&request).map_err(not_found)?;
        match candidate.description() {
            None => Ok(candidate),
            Some(description) => {
                let config = self.kernels.kernel_config(description)?;
                Ok(candidate.with_kernels(config))
            }
        }
    }
}

/// The device and how an engine uses it.
#[derive(Debug, PartialEq, Args)]
#[command(next_help_heading = "Device")]
pub struct EngineArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Advanced: where images are stored during training; does not affect results
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = ResidencyArg::Auto)]
    residency: ResidencyArg,

    #[command(flatten)]
    kernels: KernelArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendArg {
    /// The best GPU, or the CPU if there is none
    Auto,
    /// Vulkan (Linux, Windows)
    Vulkan,
    /// Metal (macOS)
    Metal,
    /// Direct3D 12 (Windows)
    Dx12,
    /// OpenGL, for GPUs without another driver
    Gl,
    /// The CPU engine; needs no GPU
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

/// Where the images are stored while a GPU trains on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResidencyArg {
    /// On the GPU if they fit into one buffer binding, else streamed
    Auto,
    /// On the GPU
    Resident,
    /// In main memory, streamed to the GPU batch by batch
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
        "" => Err("must not be empty".to_owned()),
        typed => Ok(typed.parse().unwrap_or_else(|never| match never {})),
    }
}

/// An engine and its description.
pub struct Opened {
    pub engine: Box<dyn Engine>,
    pub config: EngineConfig,
    /// Why this device was chosen.
    pub reason: String,
}

/// A chosen device and how to open it.
struct Chosen {
    device: Device,
    options: DeviceOptions,
    kernels: KernelArgs,
}

/// A device that is open: engines can be made on it.
pub struct Ready {
    chosen: Chosen,
    open: OpenDevice,
}

impl EngineArgs {
    /// Chooses a device and opens it.
    pub fn open(&self) -> Result<Ready, Failure> {
        self.choose_again(None)?.open()
    }

    /// Chooses a device, also for a resumed run, which used the engine `before`: on the same device it keeps its kernels, unless
    /// others were requested.
    fn choose_again(&self, before: Option<&EngineConfig>) -> Result<Chosen, Failure> {
        self.with_options(self.device.find()?, before)
    }

    /// Chooses several devices, or the one that the options name, and opens them.
    pub fn open_all(&self, adapters: Option<&WantedAdapters>) -> Result<Vec<Ready>, Failure> {
        let devices = match adapters {
            Some(adapters) => {
                Device::find_several(self.device.backend.into(), adapters).map_err(not_found)?
            }
            None => vec![self.device.find()?],
        };
        devices.into_iter().map(|device| self.with_options(device, None)?.open()).collect()
    }

    /// A chosen device, with the options to open it.
    fn with_options(&self, device: Device, before: Option<&EngineConfig>) -> Result<Chosen, Failure> {
        // This depends only on the options and the class of device, so that a run can be repeated.
        let kernel_config = match &device {
            Device::Gpu(chosen) => {
                let earlier = match before {
                    Some(before) => engine_config::kernels_on(before, &chosen.description)?,
                    None => None,
                };
                Some(match earlier {
                    Some(config) if self.kernels.are_default() => config,
                    _ => self.kernels.kernel_config(&chosen.description)?,
                })
            }
            Device::Cpu { .. } => {
                self.kernels.refuse_on_cpu()?;
                None
            }
        };
        let options = DeviceOptions {
            residency: self.residency.into(),
            kernels: kernel_config,
            pipeline_cache: cache::folder().map(|folder| folder.join(PIPELINES)),
            timestamps: false,
        };
        Ok(Chosen { device, options, kernels: self.kernels.clone() })
    }

    /// Chooses a device and opens it while `read` reads the data: drivers are slow to start. `before` is the engine
    /// that a resumed run used. If both fail, the data's error is returned, and is the only message: a warning of the
    /// device waits for its engine.
    pub fn open_concurrently<T>(
        &self,
        before: Option<&EngineConfig>,
        read: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, Ready), Failure> {
        concurrently(|| self.choose_again(before)?.open(), read)
    }

    /// Like [`Self::open_concurrently`], for [`Self::open_all`].
    pub fn open_all_concurrently<T>(
        &self,
        adapters: Option<&WantedAdapters>,
        read: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, Vec<Ready>), Failure> {
        concurrently(|| self.open_all(adapters), read)
    }
}

/// Opens devices while `read` reads the data. If both fail, the data's error is returned.
fn concurrently<T, D: Send>(
    open: impl FnOnce() -> Result<D, Failure> + Send,
    read: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, D), Failure> {
    thread::scope(|scope| {
        let device = thread::Builder::new().spawn_scoped(scope, open).map_err(threads::cannot_start)?;
        let data = {
            let _progress = Progress::reading();
            read()?
        };
        Ok((data, device.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?))
    })
}

/// Warns that a device is a software adapter.
pub fn warn_of_software(name: &str) {
    notice::warning(format_args!(
        "{name} is a software adapter, which emulates a GPU on the CPU; --backend cpu is faster"
    ));
}

/// The subfolder of the cache for compiled pipelines.
pub const PIPELINES: &str = "pipelines";

/// Sorts an engine's error: wrong input if the options ask for something the device does not support.
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

    /// Warns if it is a software adapter.
    fn warn_of_software(&self) {
        if let Some(adapter) = self.device.adapter().filter(|adapter| adapter.is_software()) {
            warn_of_software(&adapter.name);
        }
    }

    /// Opens the device.
    fn open(self) -> Result<Ready, Failure> {
        let open = self.device.connect(&self.options).map_err(failure)?;
        Ok(Ready { chosen: self, open })
    }

    /// Checks that the requested kernels support the setup; on the CPU there are none.
    fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        if self.device.adapter().is_some() { self.kernels.check(setup) } else { Ok(()) }
    }
}

impl Ready {
    /// Why the device was chosen.
    pub fn reason(&self) -> &str {
        self.chosen.reason()
    }

    /// Warns if the device is a software adapter.
    pub fn warn_of_software(&self) {
        self.chosen.warn_of_software();
    }

    /// Whether the device is a GPU, or emulates one.
    pub fn is_gpu(&self) -> bool {
        self.chosen.device.adapter().is_some()
    }

    /// The device itself.
    pub fn open_device(&self) -> &OpenDevice {
        &self.open
    }

    /// Checks that the requested kernels support a setup.
    pub fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        self.chosen.check(setup)
    }

    /// Creates one of several engines on the device.
    pub fn one_engine(&self, setup: &Setup) -> Result<Box<dyn Engine>, EngineError> {
        self.chosen.check(setup)?;
        Ok(self.open.engine(setup)?.into_boxed())
    }

    /// Creates an engine on the device, and warns if it is a software adapter.
    pub fn engine(self, setup: &Setup) -> Result<Opened, Failure> {
        let Self { chosen, open } = &self;
        chosen.warn_of_software();
        chosen.check(setup).map_err(failure)?;
        let engine = open.engine(setup).map_err(failure)?.into_boxed();
        let config = self.config(&*engine, setup);
        Ok(Opened { engine, config, reason: self.reason().to_owned() })
    }

    /// Prepares several engines for runs on the images of `data`, at most `members` at the same time.
    pub fn pool(&self, setup: &Setup, data: &Dataset, members: usize) -> Result<EnginePool, EngineError> {
        self.chosen.check(setup)?;
        self.open.pool(setup, data, members)
    }

    /// The description of an engine on this device.
    pub fn config(&self, engine: &dyn Engine, setup: &Setup) -> EngineConfig {
        match self.chosen.device.adapter() {
            None => EngineConfig::cpu(engine.name()),
            Some(adapter) => engine_config::gpu(engine.name(), adapter.clone(), self.open.kernels_for(setup)),
        }
    }
}
