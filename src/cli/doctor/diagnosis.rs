//! Everything that is known about this machine, as it is printed.

use serde::Serialize;

use super::check::KernelCheck;
use super::environment::{Home, Variable, variables};
use super::graphics_cards::{self, GraphicsCard};
use super::problems::{self, Problem};
use super::storage::{Cache, StoredDataset};
use super::system::System;
use super::vulkan::{LoadedLibrary, Manifest, Vulkan};
use crate::cli::Failure;
use crate::device::{ChoiceError, DeviceChoice, DeviceError, DeviceRequest, choose};
use crate::engine::Setup;
use crate::gpu::adapter::{AdapterInfo, AdapterSurvey, ApiBackend, BackendAnswer, ChosenAdapter, survey};
use crate::gpu::recording::Recording;
use crate::gpu::{KernelConfig, KernelSet};
use crate::memory;
use crate::model::LeNet5;
use crate::train::Program;

/// The result of examining a machine.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    pub program: Program,
    pub system: System,
    pub memory: Memory,
    pub backends: Vec<Backend>,
    pub adapters: Vec<Adapter>,
    /// What the system says is in the machine, whether or not a driver lists it.
    pub graphics_cards: Vec<GraphicsCard>,
    pub vulkan: Vulkan,
    pub device: ChosenDevice,
    /// What the default network and batch size run on a GPU; `None` on the CPU engine.
    pub kernels: Option<Kernels>,
    pub cache: Cache,
    pub datasets: Vec<StoredDataset>,
    pub environment: Vec<Variable>,
    pub check: KernelCheck,
    /// Worst first.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
pub struct Memory {
    /// Bytes that reading data may take.
    pub budget: u64,
}

#[derive(Debug, Serialize)]
pub struct Backend {
    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub backend: &'static str,
    pub answer: String,
    /// The number of adapters; `None` if there is no driver.
    pub adapters: Option<usize>,
    /// Whether this operating system can have it.
    pub is_possible: bool,
}

#[derive(Debug, Serialize)]
pub struct Adapter {
    #[serde(flatten)]
    pub info: AdapterInfo,
    pub timestamps: bool,
    pub pipeline_cache: bool,
    pub is_software: bool,
}

/// The device that `train` would use with the same options.
#[derive(Debug, Serialize)]
pub struct ChosenDevice {
    /// `gpu` or `cpu`; `None` if the request cannot be met.
    pub engine: Option<&'static str>,
    /// The index of the adapter.
    pub adapter: Option<usize>,
    /// Why this one, or why none.
    pub reason: String,
    /// Whether the operating system cannot have the requested backend.
    #[serde(skip)]
    pub is_impossible: bool,
}

#[derive(Debug, Serialize)]
pub struct Kernels {
    pub set: KernelSet,
    pub dispatches_per_step: usize,
    pub dispatches_per_evaluation: usize,
    /// The configuration: block sizes.
    pub config: KernelConfig,
}

impl Diagnosis {
    /// Examines the machine, and checks the requested device.
    ///
    /// Fails only if the request is wrong; whatever is wrong with the machine is part of the diagnosis.
    pub fn make(request: &DeviceRequest) -> Result<Self, Failure> {
        let home = Home::of_user();
        let mut found = survey(&ApiBackend::ALL);
        let libraries = LoadedLibrary::all(&home);
        let descriptions = found.descriptions();
        let choice = match choose(&descriptions, request) {
            Err(error) if !matches!(error, ChoiceError::NoAdapter(_) | ChoiceError::Unfit { .. }) => {
                return Err(Failure::input(DeviceError::Choice(error)));
            }
            choice => choice,
        };
        let backends = backends(&found);
        let adapters: Vec<_> = found
            .adapters
            .iter()
            .map(|adapter| Adapter {
                info: adapter.description.clone(),
                timestamps: adapter.has_timestamps(),
                pipeline_cache: adapter.has_pipeline_cache(),
                is_software: adapter.description.is_software(),
            })
            .collect();
        let (device, kernels, check) = examine(choice, &mut found);
        let mut diagnosis = Self {
            program: Program::this(),
            system: System::this(),
            memory: Memory { budget: memory::limit() },
            backends,
            adapters,
            graphics_cards: graphics_cards::all(),
            vulkan: Vulkan { libraries, manifests: Manifest::all(&home) },
            device,
            kernels,
            cache: Cache::find(&home),
            datasets: StoredDataset::all(&home),
            environment: variables(&home),
            check,
            problems: Vec::new(),
        };
        diagnosis.problems = problems::find(&diagnosis);
        Ok(diagnosis)
    }

    /// The adapter of the chosen device.
    pub fn chosen_adapter(&self) -> Option<&Adapter> {
        self.device.adapter.and_then(|index| self.adapters.get(index))
    }
}

fn backends(found: &AdapterSurvey) -> Vec<Backend> {
    let of_gpus = found.answers.iter().map(|(backend, answer)| Backend {
        backend: backend.id(),
        answer: answer.to_string(),
        adapters: match answer {
            BackendAnswer::Adapters(count) => Some(*count),
            BackendAnswer::NotCompiledIn | BackendAnswer::NoDriver => None,
        },
        is_possible: *answer != BackendAnswer::NotCompiledIn,
    });
    let answer = "always available".to_owned();
    let cpu = Backend { backend: "cpu", answer, adapters: None, is_possible: true };
    of_gpus.chain([cpu]).collect()
}

/// Opens the chosen device and checks it.
fn examine(
    choice: Result<DeviceChoice, ChoiceError>,
    found: &mut AdapterSurvey,
) -> (ChosenDevice, Option<Kernels>, KernelCheck) {
    match choice {
        Err(error) => {
            let unavailable = |backend| found.answers.contains(&(backend, BackendAnswer::NotCompiledIn));
            let (reason, is_impossible) = match error {
                ChoiceError::NoAdapter(backend) if unavailable(backend) => {
                    (format!("{backend} is {}", BackendAnswer::NotCompiledIn), true)
                }
                error => (error.to_string(), false),
            };
            let device = ChosenDevice { engine: None, adapter: None, reason: reason.clone(), is_impossible };
            (device, None, KernelCheck::not_run(reason))
        }
        Ok(DeviceChoice::Cpu { reason }) => {
            let device = ChosenDevice { engine: Some("cpu"), adapter: None, reason, is_impossible: false };
            (device, None, KernelCheck::of_cpu())
        }
        Ok(DeviceChoice::Gpu { index, reason }) => {
            let adapter = found.adapters.swap_remove(index);
            let description = adapter.description;
            let device = ChosenDevice {
                engine: Some("gpu"),
                adapter: Some(index),
                reason: reason.clone(),
                is_impossible: false,
            };
            let kernels = Kernels::of(&description);
            let chosen = ChosenAdapter { adapter: adapter.adapter, description, reason };
            let check = KernelCheck::of_gpu(&chosen, &kernels.config);
            (device, Some(kernels), check)
        }
    }
}

impl Kernels {
    fn of(adapter: &AdapterInfo) -> Self {
        let (setup, config) = (Setup::new(LeNet5::new(1, 10), 64), KernelConfig::of(adapter));
        let recording = Recording::new(&setup, &config);
        Self {
            set: config.set_for(&setup),
            dispatches_per_step: recording.last_micro_batch.len(),
            dispatches_per_evaluation: recording.evaluation.len(),
            config,
        }
    }
}
