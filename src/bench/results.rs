//! What a bench found: plain data, as its JSON file has it.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::statistics::Summary;
use crate::gpu::KernelConfig;
use crate::gpu::cost::Cost;
use crate::train::Program;

/// The version of this format. A change of what a field means, or of its name, is another version.
pub const FORMAT: u32 = 1;

/// All that a bench found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Always [`FORMAT`].
    pub format: u32,
    pub program: Program,
    /// When it was begun, in UTC: `2026-11-25T10:03:50Z`.
    pub date: String,
    pub machine: Machine,
    pub images: Images,
    pub settings: Settings,
    pub engines: Vec<EngineResults>,
    /// Bytes of main memory that the process took at most while all engines were measured in turn.
    pub peak_memory: Option<u64>,
}

/// What was trained on and inferred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Images {
    pub name: String,
    pub count: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Batch sizes of training and inference.
    pub batches: Vec<usize>,
    /// The batch size of all that is looked at by kernel.
    pub profile_batch: usize,
    /// Runs of each measurement, after the warm-up.
    pub repeats: usize,
    /// What all of them are meant to take together.
    pub seconds: f64,
    /// Of images that are made up, and of weights.
    pub seed: u64,
}

/// What was found of an engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineResults {
    /// What it is called in tables, and found by in another result: `vulkan`, `cpu`.
    pub label: String,
    /// The engine's own name for itself.
    pub name: String,
    /// The GPU, if it is one.
    pub adapter: Option<Adapter>,
    pub start: Start,
    pub ceilings: Ceilings,
    /// The kernels of a training step of `profile_batch` images; on the CPU engine, of the operations that are
    /// their twins.
    pub kernels: Vec<KernelResults>,
    /// Microseconds that the host takes to record a training step of `profile_batch` images; none on the CPU.
    pub encode_us: Option<Summary>,
    /// Microseconds from asking for the class of one image to knowing it.
    pub latency_us: Summary,
    pub throughput: Vec<Throughput>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    pub name: String,
    pub backend: String,
    pub driver: String,
    /// Whether a CPU plays the GPU.
    pub software: bool,
    pub plan: KernelConfig,
}

/// How the engine starts in a process of its own, with batches of `profile_batch` images. What drivers and the system
/// keep in their caches from earlier runs is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// In order, up to the end of the first step.
    pub stages: Vec<Stage>,
    /// Bytes of main memory that the process took at most, from its start until it had trained and inferred a
    /// batch; none where the system does not tell it.
    pub peak_memory: Option<u64>,
}

/// A part of the way from nothing to the end of the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub what: String,
    pub seconds: f64,
}

/// The most that the device did, in probes of arithmetic and of copying.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// 10⁹ operations a second.
    pub gflops: f64,
    /// 10⁹ bytes a second, read and written.
    pub gbytes: f64,
}

impl Ceilings {
    /// Seconds that work takes at least: its operations or its bytes at the device's most, whichever take longer.
    pub fn least_seconds(&self, work: &Cost) -> f64 {
        (work.flops as f64 / self.gflops).max(work.bytes as f64 / self.gbytes) * 1e-9
    }
}

/// A kernel of the training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelResults {
    pub label: String,
    pub workgroups: u64,
    /// Barriers of a workgroup in its code.
    pub barriers: usize,
    /// None where it is not counted.
    pub work: Option<Cost>,
    /// Microseconds on the device, by its clock; none where it has none.
    pub us: Option<Summary>,
}

/// Whether steps go forward and backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Train,
    Infer,
}

impl Task {
    pub const ALL: [Self; 2] = [Self::Train, Self::Infer];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Infer => "inference",
        }
    }
}

/// How fast an engine is at a task, at one batch size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    pub task: Task,
    pub batch: usize,
    /// At the median.
    pub images_per_second: f64,
    /// Wall time of a step in microseconds: that of a run over the number of its steps.
    pub step_us: Summary,
    /// Steps of a run.
    pub steps: usize,
    /// Dispatches a step; none on the CPU.
    pub dispatches: Option<usize>,
    /// What a step does; none where a kernel's is not counted.
    pub work: Option<Cost>,
    /// 10⁹ operations a second.
    pub gflops: Option<f64>,
    /// 10⁹ bytes a second.
    pub gbytes: Option<f64>,
    /// Bytes of the buffers that the GPU engine has made, with the images; none on the CPU.
    pub buffer_bytes: Option<u64>,
}
