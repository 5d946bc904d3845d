//! The results of a benchmark: plain data, in the format of its JSON file.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::statistics::Summary;
use crate::escape::escape;
use crate::gpu::cost::Cost;
use crate::train::Program;

/// The version of this format; version 1 had no populations. It changes whenever a field is added, or its name or meaning changes.
pub const FORMAT: u32 = 2;

/// The images that [`PopulationThroughput::models_per_second`] counts as a model: those of a run of the preset
/// `mnist-fast`, 1.75 epochs of 60,000 images.
pub const MODEL_IMAGES: u64 = 105_000;

/// The results of a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`FORMAT`], or 1 in older files.
    pub format: u32,
    pub program: Program,
    /// When the benchmark started, in UTC: `2026-11-25T10:03:50Z`.
    pub date: String,
    pub machine: Machine,
    pub images: Images,
    pub settings: Settings,
    pub engines: Vec<EngineResults>,
    /// The peak memory of the process in bytes while all engines were measured in turn.
    pub peak_memory: Option<u64>,
}

impl Results {
    /// The same with its texts escaped, for display: they come from drivers, folders and other people's files.
    pub(super) fn escaped(&self) -> Self {
        let mut results = self.clone();
        let Self { program, date, machine, images, engines, .. } = &mut results;
        let mut texts = vec![&mut program.version, &mut program.commit, date, &mut images.name];
        texts.extend([&mut machine.os, &mut machine.architecture]);
        texts.extend(&mut machine.cpu);
        for engine in engines {
            texts.extend([&mut engine.label, &mut engine.name]);
            if let Some(adapter) = &mut engine.adapter {
                texts.extend([&mut adapter.name, &mut adapter.backend, &mut adapter.driver]);
            }
            texts.extend(engine.startup.phases.iter_mut().map(|phase| &mut phase.name));
            texts.extend(engine.kernels.iter_mut().map(|kernel| &mut kernel.label));
        }
        for text in texts {
            *text = escape(text).into_owned();
        }
        results
    }
}

/// The images used for training and inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    pub name: String,
    pub count: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
}

/// How to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Batch sizes of training and inference.
    pub batches: Vec<usize>,
    /// The batch size for start-up, memory, latency and the profile by kernel.
    pub profile_batch: usize,
    /// Runs of each measurement, after the warm-up.
    pub repeats: usize,
    /// The intended duration of all runs of a measurement together, in seconds.
    pub seconds: f64,
    /// The seed of synthetic images and of weights.
    pub seed: u64,
    /// How many models to train at the same time, with batches of `profile_batch` images.
    #[serde(default)]
    pub populations: Vec<usize>,
}

/// The results of one engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineResults {
    /// The label in tables, which also identifies the engine in other results: `vulkan`, `cpu`.
    pub label: String,
    /// The engine's full name.
    pub name: String,
    /// The GPU; `None` for the CPU engine.
    pub adapter: Option<Adapter>,
    #[serde(rename = "start")]
    pub startup: Startup,
    pub ceilings: Ceilings,
    /// The kernels of a training step of `profile_batch` images; for the CPU engine, the kernels whose CPU twins it
    /// runs.
    pub kernels: Vec<KernelResults>,
    /// Microseconds that the host takes to record a training step of `profile_batch` images; `None` on the CPU.
    pub encode_us: Option<Summary>,
    /// Microseconds to classify one image, from the call to the result.
    pub latency_us: Summary,
    pub throughput: Vec<Throughput>,
    #[serde(default)]
    pub populations: Vec<PopulationThroughput>,
}

/// A GPU and the kernels it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    pub name: String,
    pub backend: String,
    pub driver: String,
    /// Whether it is a software adapter.
    pub software: bool,
    /// The kernel configuration, for the record. It is not interpreted, so that results of versions with other fields
    /// can be compared.
    #[serde(rename = "plan")]
    pub kernels: serde_json::Value,
}

/// How an engine starts in a separate process, with batches of `profile_batch` images. Drivers and the system may have
/// cached files and kernels in earlier runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// The phases in order, up to the end of the first step.
    #[serde(rename = "stages")]
    pub phases: Vec<StartupPhase>,
    /// The peak memory of the process in bytes, until it has trained on a batch and classified one; `None` if the
    /// system does not report it.
    pub peak_memory: Option<u64>,
}

/// A phase between the start of the process and the end of the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartupPhase {
    #[serde(rename = "what")]
    pub name: String,
    pub seconds: f64,
}

/// The measured peak performance of a device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceilings {
    /// 10⁹ operations per second.
    pub gflops: f64,
    /// 10⁹ bytes per second, read and written.
    pub gbytes: f64,
}

impl Ceilings {
    /// The roofline bound: the least seconds that work takes, limited by its operations or by its bytes.
    pub fn least_seconds(&self, work: &Cost) -> f64 {
        (work.flops as f64 / self.gflops).max(work.bytes as f64 / self.gbytes) * 1e-9
    }
}

/// The results of a kernel of the training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelResults {
    pub label: String,
    pub workgroups: u64,
    /// The number of workgroup barriers in its code.
    pub barriers: usize,
    /// `None` if it is not counted.
    pub work: Option<Cost>,
    /// Microseconds by the device's clock; `None` if it has no clock.
    pub us: Option<Summary>,
}

/// What the steps of a measurement do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Train,
    Infer,
}

impl Task {
    pub const ALL: [Self; 2] = [Self::Train, Self::Infer];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Infer => "inference",
        }
    }
}

/// How fast an engine performs a task at one batch size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throughput {
    pub task: Task,
    pub batch: usize,
    /// By the median of `step_us`.
    pub images_per_second: f64,
    /// Wall-clock microseconds per step: the time of a run divided by its number of steps.
    pub step_us: Summary,
    /// Steps per run.
    pub steps: usize,
    /// Dispatches per step; `None` on the CPU.
    pub dispatches: Option<usize>,
    /// The work of a step; `None` if the work of one of its kernels is not counted.
    pub work: Option<Cost>,
    /// 10⁹ operations per second.
    pub gflops: Option<f64>,
    /// 10⁹ bytes per second.
    pub gbytes: Option<f64>,
    /// Bytes of all buffers of the GPU engine, including the images; `None` on the CPU.
    pub buffer_bytes: Option<u64>,
}

/// How fast an engine trains several models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopulationThroughput {
    /// The number of models.
    pub population: usize,
    /// How many of them train at the same time, on the threads of the CPU or as the population of a GPU; the others
    /// follow.
    pub together: usize,
    pub batch: usize,
    /// Models of [`MODEL_IMAGES`] images, without evaluations, by the median of `step_us`.
    pub models_per_second: f64,
    /// Of all models.
    pub images_per_second: f64,
    /// Wall-clock microseconds in which each of the models that train at the same time does a step.
    pub step_us: Summary,
    /// Steps per run, for each model.
    pub steps: usize,
}
