//! Choosing a device and opening an engine on it.
//!
//! A [`DeviceRequest`] names a backend or an adapter, [`Device::find`] chooses the device, and [`Device::open`]
//! creates an [`Engine`](crate::engine::Engine) on it:
//!
//! ```no_run
//! use lenet_gpu::device::{Device, DeviceRequest};
//! use lenet_gpu::engine::{Engine, Setup};
//! use lenet_gpu::model::LeNet5;
//!
//! let setup = Setup::new(LeNet5::new(1, 10), 64);
//! let engine = Device::find(&DeviceRequest::default())?.open(&setup)?;
//! println!("training on {}", engine.name());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! By default a discrete GPU is preferred, then an integrated one, then a virtual one, then the CPU engine. GL is
//! queried only if no other backend has a GPU. A software adapter (lavapipe, WARP, SwiftShader) emulates a GPU on the
//! CPU and is slow, so it is used only if requested by backend, index or name.
//!
//! [`choose`] applies these rules to plain adapter descriptions, so they are tested without a GPU.

mod any_engine;
mod choice;
mod engine_pool;
mod request;
mod several;

use std::fmt;
use std::path::PathBuf;

pub use any_engine::AnyEngine;
pub use choice::{ChoiceError, DeviceChoice, choose};
pub use engine_pool::EnginePool;
pub use request::{AdapterName, DeviceRequest, WantedBackend};
pub use several::{AdaptersError, WantedAdapters, choose_several};

use crate::cpu::CpuEngine;
use crate::data::ImageSet;
use crate::engine::{EngineError, Population, Setup, Split};
use crate::gpu::adapter::{
    AdapterInfo, AdapterSurvey, ApiBackend, BackendAnswer, ChosenAdapter, FoundAdapter, survey,
};
use crate::gpu::{Context, GpuEngine, GpuOptions, GpuPopulation, KernelConfig, Residency};

/// A device to compute on, chosen but not opened yet.
#[derive(Debug)]
pub enum Device {
    /// The CPU engine.
    Cpu {
        /// Why the CPU was chosen, for display.
        reason: String,
    },
    /// A GPU, or a software adapter.
    Gpu(ChosenAdapter),
}

/// How a device is opened. The defaults suit every device.
#[derive(Debug, Clone, Default)]
pub struct DeviceOptions {
    /// Where the images are stored while a GPU trains on them.
    pub residency: Residency,
    /// The kernels of a GPU; the default depends on the class of device.
    pub kernels: Option<KernelConfig>,
    /// A folder to store compiled pipelines in, for later runs.
    pub pipeline_cache: Option<PathBuf>,
    /// Whether a GPU's own clock is made available, for profiling.
    pub timestamps: bool,
}

/// Why no device was found.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// This machine cannot satisfy the request; it may satisfy a different one.
    #[error(transparent)]
    Choice(#[from] ChoiceError),

    /// The requested backend has no adapter.
    #[error(transparent)]
    NoAdapter(#[from] NoAdapter),
}

/// A requested backend has no adapter: what each backend answered instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NoAdapter {
    /// The requested backend.
    pub backend: ApiBackend,
    /// What each backend answered.
    pub answers: Vec<(ApiBackend, BackendAnswer)>,
}

impl NoAdapter {
    /// A backend that works here, if the requested one never can on this operating system.
    pub fn alternative(&self) -> Option<ApiBackend> {
        if !self.answers.contains(&(self.backend, BackendAnswer::NotCompiledIn)) {
            return None;
        }
        let works =
            |&&(_, answer): &&(ApiBackend, BackendAnswer)| matches!(answer, BackendAnswer::Adapters(1..));
        self.answers.iter().find(works).map(|&(backend, _)| backend)
    }
}

impl fmt::Display for NoAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers: Vec<_> =
            self.answers.iter().map(|(backend, answer)| format!("{backend}: {answer}")).collect();
        write!(f, "{} has no adapter on this machine ({})", self.backend, answers.join("; "))
    }
}

impl Device {
    /// Chooses a device by the rules in the [module documentation](self). Only the backends that the request
    /// needs are queried, since each costs start-up time.
    ///
    /// # Errors
    /// If no device matches the request.
    pub fn find(request: &DeviceRequest) -> Result<Self, DeviceError> {
        let choose = |adapters: &[AdapterInfo]| choose(adapters, request);
        let lacks_gpu = |choice: &Result<_, _>| matches!(choice, Ok(DeviceChoice::Cpu { .. }));
        let (choice, mut survey) =
            Self::survey_for(request.backend, request.adapter.is_some(), choose, lacks_gpu)?;
        Ok(Self::chosen(choice, |index| Some(survey.adapters.swap_remove(index))))
    }

    /// Queries the backends that a choice needs, and chooses. GL is queried only if the choice from the others
    /// `lacks_gpu`.
    fn survey_for<T>(
        backend: WantedBackend,
        is_named: bool,
        choose: impl Fn(&[AdapterInfo]) -> Result<T, ChoiceError>,
        lacks_gpu: impl Fn(&Result<T, ChoiceError>) -> bool,
    ) -> Result<(T, AdapterSurvey), DeviceError> {
        let (first, fallback): (&[ApiBackend], &[ApiBackend]) = match backend {
            WantedBackend::Cpu => (&[], &[]),
            _ if is_named => (&ApiBackend::ALL, &[]),
            // GL ranks below all others, so it is queried only if they have no GPU.
            WantedBackend::Auto => (&ApiBackend::NATIVE, &[ApiBackend::Gl]),
            // Adapter indices count through all backends, so the backends before this one are queried too.
            WantedBackend::Backend(backend) => (backend.up_to_and_including(), &[]),
        };

        let mut found = survey(first);
        let mut choice = choose(&found.descriptions());
        if lacks_gpu(&choice) && !fallback.is_empty() {
            found.extend(survey(fallback));
            choice = choose(&found.descriptions());
        }
        match choice {
            Ok(choice) => Ok((choice, found)),
            Err(ChoiceError::NoAdapter(backend)) => {
                found.query_remaining_backends();
                Err(NoAdapter { backend, answers: found.answers }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The chosen device. `take` returns the adapter with an index, once.
    fn chosen(choice: DeviceChoice, take: impl FnOnce(usize) -> Option<FoundAdapter>) -> Self {
        match choice {
            DeviceChoice::Cpu { reason } => Self::Cpu { reason },
            DeviceChoice::Gpu { index, reason } => {
                let FoundAdapter { description, adapter } =
                    take(index).expect("an adapter is chosen once, from those that were found");
                Self::Gpu(ChosenAdapter { adapter, description, reason })
            }
        }
    }

    /// The GPU that [`Self::find`] chooses by default, or else a software adapter: for tests and benchmarks of the
    /// kernels themselves.
    ///
    /// # Errors
    /// If there is no adapter at all; the error lists what each backend answered.
    pub fn any_gpu() -> Result<ChosenAdapter, DeviceError> {
        let mut first_error = None;
        for backend in [WantedBackend::Auto].into_iter().chain(ApiBackend::ALL.map(WantedBackend::Backend)) {
            match Self::find(&DeviceRequest { backend, adapter: None }) {
                Ok(Self::Gpu(chosen)) => return Ok(chosen),
                Ok(Self::Cpu { .. }) => {}
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.expect("requesting a backend by name yields an adapter or an error"))
    }

    /// The adapter, or `None` for the CPU engine.
    pub fn adapter(&self) -> Option<&AdapterInfo> {
        match self {
            Self::Cpu { .. } => None,
            Self::Gpu(chosen) => Some(&chosen.description),
        }
    }

    /// Why this device was chosen, for display.
    pub fn reason(&self) -> &str {
        match self {
            Self::Cpu { reason } => reason,
            Self::Gpu(chosen) => &chosen.reason,
        }
    }

    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub fn backend_id(&self) -> &'static str {
        self.adapter().map_or("cpu", |adapter| adapter.backend.id())
    }

    /// Opens the device with default options and creates an engine on it.
    ///
    /// # Errors
    /// If the device cannot be opened, or cannot run this setup.
    pub fn open(&self, setup: &Setup) -> Result<AnyEngine, EngineError> {
        self.connect(&DeviceOptions::default())?.engine(setup)
    }

    /// Opens the device without creating an engine yet. Drivers are slow to start, so this can run on another
    /// thread while the data that determines the setup is read.
    ///
    /// # Errors
    /// If the device cannot be opened.
    pub fn connect(&self, options: &DeviceOptions) -> Result<OpenDevice, EngineError> {
        let Self::Gpu(chosen) = self else {
            return Ok(OpenDevice { gpu: None });
        };
        let mut context =
            if options.timestamps { Context::open_with_timestamps(chosen)? } else { Context::open(chosen)? };
        if let Some(folder) = &options.pipeline_cache {
            context = context.with_pipeline_cache(folder);
        }
        let kernels = options.kernels.unwrap_or_else(|| KernelConfig::of(&chosen.description));
        Ok(OpenDevice { gpu: Some(OpenGpu { context, residency: options.residency, kernels }) })
    }
}

/// A device that is open: any number of engines can be created on it. Clones share it.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// `None` for the CPU engine.
    gpu: Option<OpenGpu>,
}

#[derive(Debug, Clone)]
struct OpenGpu {
    context: Context,
    residency: Residency,
    kernels: KernelConfig,
}

impl OpenGpu {
    fn options(&self, setup: &Setup) -> GpuOptions {
        GpuOptions { setup: *setup, residency: self.residency, kernels: self.kernels }
    }
}

impl OpenDevice {
    /// The name of its engines, for display: "CPU, 2 threads", "NVIDIA H100 (Vulkan)".
    pub fn name(&self) -> String {
        let of_gpu = |AdapterInfo { name, backend, .. }: &AdapterInfo| format!("{name} ({backend})");
        self.context().map_or_else(CpuEngine::device_name, |context| of_gpu(&context.description))
    }

    /// Creates an engine.
    ///
    /// # Errors
    /// If the device cannot run this setup.
    pub fn engine(&self, setup: &Setup) -> Result<AnyEngine, EngineError> {
        let Some(gpu) = &self.gpu else {
            return Ok(AnyEngine::Cpu(Box::new(CpuEngine::new(setup))));
        };
        Ok(AnyEngine::Gpu(Box::new(GpuEngine::new(gpu.context.clone(), gpu.options(setup))?)))
    }

    /// Creates a population of `size` networks that a GPU trains at the same time.
    ///
    /// # Errors
    /// [`EngineError::PopulationTooLarge`] if there are more than [`Self::largest_population`], for the CPU more than
    /// none; other errors if the device cannot run this setup.
    pub fn population(&self, setup: &Setup, size: usize) -> Result<Box<dyn Population + Send>, EngineError> {
        let Some(gpu) = &self.gpu else {
            return Err(EngineError::PopulationTooLarge { size, largest: 0 });
        };
        Ok(Box::new(GpuPopulation::new(gpu.context.clone(), gpu.options(setup), size)?))
    }

    /// Returns the size of the largest population for a setup and the images of some splits. It is 1 if they are streamed
    /// to a GPU, and 0 for the CPU engine.
    pub fn largest_population(&self, setup: &Setup, images: &[(Split, &ImageSet)]) -> usize {
        let gpu = self.gpu.as_ref();
        gpu.map_or(0, |gpu| GpuPopulation::largest(&gpu.context, &gpu.options(setup), images))
    }

    /// The kernels that an engine for `setup` runs; `None` for the CPU engine.
    pub fn kernels_for(&self, setup: &Setup) -> Option<KernelConfig> {
        let kernels = self.gpu.as_ref()?.kernels;
        Some(KernelConfig { set: kernels.set_for(setup), ..kernels })
    }

    /// The open GPU; `None` for the CPU engine.
    pub fn context(&self) -> Option<&Context> {
        Some(&self.gpu.as_ref()?.context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_backend_is_reported_with_the_answer_of_each_backend() {
        let error = NoAdapter {
            backend: ApiBackend::Vulkan,
            answers: vec![
                (ApiBackend::Vulkan, BackendAnswer::NoDriver),
                (ApiBackend::Metal, BackendAnswer::NotCompiledIn),
                (ApiBackend::Gl, BackendAnswer::Adapters(1)),
            ],
        };
        assert_eq!(
            error.to_string(),
            "Vulkan has no adapter on this machine (Vulkan: no driver could be loaded; \
             Metal: not available on this operating system; GL: 1 adapter)"
        );
        assert_eq!(error.alternative(), None, "a driver may add the missing backend");
    }

    #[test]
    fn a_backend_foreign_to_the_operating_system_has_an_alternative() {
        let answers = vec![
            (ApiBackend::Vulkan, BackendAnswer::Adapters(1)),
            (ApiBackend::Metal, BackendAnswer::NotCompiledIn),
        ];
        let error = NoAdapter { backend: ApiBackend::Metal, answers };
        assert_eq!(error.alternative(), Some(ApiBackend::Vulkan));
    }

    #[test]
    fn the_cpu_device_opens_a_cpu_engine() {
        let request = DeviceRequest { backend: WantedBackend::Cpu, adapter: None };
        let device = Device::find(&request).unwrap();
        assert_eq!(device.backend_id(), "cpu");
        assert!(device.adapter().is_none());
        let setup = Setup::new(crate::model::LeNet5::new(1, 10), 4);
        assert!(matches!(device.open(&setup).unwrap(), AnyEngine::Cpu(_)));
        assert_eq!(device.connect(&DeviceOptions::default()).unwrap().kernels_for(&setup), None);
    }
}
