//! What a run was, as `config.toml` keeps it: enough to make the same run again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use super::TrainingConfig;
use crate::data::Fit;
use crate::engine::{Loss, Optimizer};
use crate::gpu::KernelConfig;
use crate::gpu::adapter::Description;
use crate::model::{Init, LeNet5};
use crate::version::{COMMIT, VERSION};

/// All that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    pub program: Program,
    pub engine: EngineConfig,
    pub data: DataConfig,
    pub network: LeNet5,
    /// Where the weights came from: the name of an initialisation, or a file.
    pub weights: Weights,
    pub training: TrainingConfig,
    pub loss: Loss,
    pub optimizer: Optimizer,
    /// The options of `train` that were given, which make the same run again with `--config`.
    #[serde(default)]
    pub options: toml::Table,
}

/// The program that trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub version: String,
    /// Empty where it is unknown.
    pub commit: String,
}

impl Program {
    /// This one.
    pub fn this() -> Self {
        Self { version: VERSION.to_owned(), commit: COMMIT.to_owned() }
    }
}

/// What computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// The engine's own name for itself.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub backend: String,
    /// The adapter's name, on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The adapter's driver, on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The kernels' block sizes, on a GPU: others add in another order, which gives other bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<KernelConfig>,
}

impl EngineConfig {
    /// The CPU engine's.
    pub fn cpu(name: String) -> Self {
        Self { name, backend: "cpu".to_owned(), adapter: None, driver: None, kernels: None }
    }

    /// The kernels that a run had, if it was on this device.
    pub fn kernels_on(&self, device: &Description) -> Option<KernelConfig> {
        let same = self.backend == device.backend.id() && self.adapter.as_ref() == Some(&device.name);
        self.kernels.filter(|_| same)
    }

    /// Whether the other's results are these, to the last bit: any number of threads has the same.
    pub fn is_bit_identical_to(&self, other: &Self) -> bool {
        let Self { name: _, backend, adapter, driver, kernels } = self;
        (backend, adapter, driver, kernels) == (&other.backend, &other.adapter, &other.driver, &other.kernels)
    }
}

/// What was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    pub name: String,
    /// Images that were trained on.
    pub train: usize,
    /// Images held back from training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Images that were tested with.
    pub test: usize,
    /// How they came to be of 32×32, where it was said; their channels are the network's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

/// Where a run's first weights came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    Init(Init),
    InitFrom(#[serde(serialize_with = "as_text")] PathBuf),
}

/// TOML is UTF-8, and a path need not be: what is not becomes U+FFFD.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
