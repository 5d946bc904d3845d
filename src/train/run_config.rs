//! The configuration of a run as stored in `config.toml` and in checkpoints: everything needed to repeat the run.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use super::TrainingConfig;
use super::invalid_value::require;
use crate::data::Fit;
use crate::engine::{Loss, Optimizer};
use crate::model::{Init, LeNet5};
use crate::toml_names::{hyphenated, underscored};
use crate::version::{COMMIT, VERSION};

/// Everything that determines a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The program that trained.
    pub program: Program,
    /// The engine and the device that trained.
    pub engine: EngineConfig,
    /// The data set.
    pub data: DataConfig,
    /// The network.
    pub network: LeNet5,
    /// The source of the initial weights.
    pub weights: InitialWeights,
    /// Length, batches, learning rate, early stopping and augmentation.
    pub training: TrainingConfig,
    /// The loss function.
    pub loss: Loss,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The options that the user gave, by name. The training loop does not read them; they let a front end repeat the run.
    #[serde(default)]
    pub options: toml::Table,
}

impl RunConfig {
    /// The configuration as the text of a `config.toml`.
    pub fn to_toml(&self) -> String {
        hyphenated(&toml::to_string(self).expect("a configuration can be represented in TOML"))
    }

    /// Reads the text of a `config.toml`.
    ///
    /// # Errors
    /// If it is not TOML or not a configuration.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        underscored(text.parse()?).try_into()
    }

    /// Checks that the sizes in a configuration that was read are ones that a run can have. Serde checks names and types
    /// only.
    ///
    /// # Errors
    /// Returns what is wrong with the first value that is out of range.
    pub(super) fn check_sizes(&self) -> Result<(), String> {
        let Self { data, network, training, .. } = self;
        let range = |name, value, expected, is_valid: bool| {
            require(is_valid, name, value, expected).map_err(|error| error.to_string())
        };
        range("data.train", data.train, "at least 1", data.train >= 1)?;
        range("network.channels", network.channels, "1 or 3", matches!(network.channels, 1 | 3))?;
        range("network.classes", network.classes, "2 to 65536", (2..=1 << 16).contains(&network.classes))?;
        training.check_ranges().map_err(|error| format!("training: {error}"))
    }
}

/// A version of this program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Version of the package, such as `0.1.0`.
    pub version: String,
    /// Git commit that the program was built from; empty if unknown.
    pub commit: String,
}

impl Program {
    /// Returns the version of the running program.
    pub fn this() -> Self {
        Self { version: VERSION.to_owned(), commit: COMMIT.to_owned() }
    }
}

/// The version, and the commit in parentheses if it is known.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        if self.commit.is_empty() { Ok(()) } else { write!(f, " ({})", self.commit) }
    }
}

/// The engine and the device of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Display name of the engine; see [`Engine::name`](crate::engine::Engine::name).
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub backend: String,
    /// Name of the GPU adapter; `None` on the CPU engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Driver of the GPU adapter; `None` on the CPU engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The GPU engine's kernel configuration, which training stores without interpreting it; `None` on the CPU engine.
    /// It is part of the run because other block sizes sum in another order, so results differ in the last bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<toml::Table>,
}

impl EngineConfig {
    /// Returns the configuration of the CPU engine with this display name.
    pub fn cpu(name: String) -> Self {
        Self { name, backend: "cpu".to_owned(), adapter: None, driver: None, kernels: None }
    }

    /// Returns whether a run gives bit-identical results on both engines. The name is ignored: the CPU engine's contains
    /// its number of threads, which does not affect results.
    pub fn is_bit_identical_to(&self, other: &Self) -> bool {
        let Self { name: _, backend, adapter, driver, kernels } = self;
        (backend, adapter, driver, kernels) == (&other.backend, &other.adapter, &other.driver, &other.kernels)
    }
}

/// The data set of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Name of the data set.
    pub name: String,
    /// Number of training images.
    pub train: usize,
    /// Number of validation images; `None` without a validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Number of test images.
    pub test: usize,
    /// How images were fitted to 32×32; `None` if the user did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

/// The source of a run's initial weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum InitialWeights {
    /// A random initialisation.
    Init(Init),
    /// A model file.
    #[serde(alias = "init_from")]
    InitFrom(#[serde(serialize_with = "lossy_path")] PathBuf),
    /// A model file, except for the last layer, which is new: the data set has other classes than the model.
    #[serde(alias = "fine_tune")]
    FineTune {
        /// The model file.
        #[serde(serialize_with = "lossy_path", alias = "init_from")]
        init_from: PathBuf,
        /// The initialisation of the last layer.
        #[serde(alias = "last_layer")]
        last_layer: Init,
    },
}

/// TOML and JSON are UTF-8, but a path need not be: invalid sequences become U+FFFD.
fn lossy_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_can_be_read_back_from_its_toml() {
        let path = PathBuf::from("a_b/model.safetensors");
        for weights in [
            InitialWeights::Init(Init::PaperNormal),
            InitialWeights::InitFrom(path.clone()),
            InitialWeights::FineTune { init_from: path, last_layer: Init::Kaiming },
        ] {
            let config = RunConfig {
                program: Program::this(),
                engine: EngineConfig::cpu("CPU".to_owned()),
                data: DataConfig {
                    name: "a_b = c".to_owned(),
                    train: 2,
                    validation: None,
                    test: 1,
                    fit: None,
                },
                network: LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) },
                weights,
                training: TrainingConfig::default(),
                loss: Loss::default(),
                optimizer: Optimizer::default(),
                options: toml::Table::new(),
            };
            let text = config.to_toml();
            assert_eq!(RunConfig::from_toml(&text).unwrap(), config, "{text}");
        }
    }
}
