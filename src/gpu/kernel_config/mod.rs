//! The kernel configuration: which kernel set is used, how much of a kernel's output one invocation computes in
//! registers, and how many invocations form a workgroup. It is chosen before a run by the class of device and written
//! to the run's configuration. It is never chosen by timing during a run, because another order of summation gives
//! results that differ in the last bits.

mod presets;

use serde::{Deserialize, Serialize};

use super::adapter::AdapterInfo;
use crate::engine::{LossKind, Setup};
use crate::model::Activation;

/// A set of kernels that together compute a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelSet {
    /// One kernel per operation; supports every network. These are the easiest to read.
    Layered,
    /// Several layers per kernel, four dispatches per step; supports the usual network only.
    Fused,
}

impl KernelSet {
    /// The name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layered => "layered",
            Self::Fused => "fused",
        }
    }
}

/// Where the layered convolutions read their weights from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMemory {
    /// A storage buffer, as all other kernels do.
    Storage,
    /// A uniform buffer.
    Uniform,
}

impl FilterMemory {
    /// The name in configuration files and of the shader variant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Uniform => "uniform",
        }
    }
}

/// Block sizes of the fused kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusedConfig {
    /// Filters whose pooled values one invocation computes.
    pub conv_filters: usize,
    /// The most images that a workgroup takes through the dense layers.
    pub head_images: usize,
    /// Workgroups that the dense layers must have before any of them takes several images.
    pub head_groups: usize,
    /// Invocations that share one output of a dense layer: a power of 2, up to 8.
    pub head_share: usize,
    /// Loads (of four values each) from a dense layer's weight that an invocation issues before it uses the first.
    pub head_loads: usize,
    /// Workgroups that share the backward pass of an image through the convolutions: a divisor of conv1's filters other
    /// than 1, because one workgroup has neither the invocations nor the memory for all of them.
    pub conv_split: usize,
    /// The most chunks that a batch is divided into for the gradients of the convolutions.
    pub chunks: usize,
}

impl FusedConfig {
    /// Invocations of a workgroup: as many as any device allows. The kernels need 240 of them.
    pub(super) const WORKGROUP: usize = 256;

    /// The most classes for which the dense layers' workgroup memory suffices, with [`Self::MAX_HEAD_IMAGES`].
    pub const MAX_CLASSES: usize = 64;

    /// The most images whose activations and logits fit into 16 KiB.
    pub const MAX_HEAD_IMAGES: usize = 2;
}

/// The kernel set and the block sizes of both sets. A layered kernel divides its output into blocks of equal size, so
/// these are upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelConfig {
    /// The set that is used for every setup that it supports; see [`Self::set_for`].
    pub set: KernelSet,
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// The same for elementwise kernels, whose invocations compute a value or a few.
    #[serde(alias = "map_workgroup")]
    pub elementwise_workgroup: usize,
    /// Where convolutions read their weights from.
    pub filters: FilterMemory,
    /// Filters (backward: channels) in a convolution's block.
    pub conv_filters: usize,
    /// Columns in a convolution's block.
    pub conv_columns: usize,
    /// Filters in a block of the gradient of a convolution's weight.
    pub weight_filters: usize,
    /// Filter rows in such a block.
    pub weight_rows: usize,
    /// Columns of the output that such a block advances by.
    pub weight_columns: usize,
    /// The most chunks that a batch is divided into for the gradient of a convolution's weight.
    pub weight_chunks: usize,
    /// Images (weight's gradient: outputs) in a dense layer's block: a multiple of 4, because the backward kernel loads
    /// four at a time.
    pub dense_rows: usize,
    /// Outputs (backward: inputs) in a dense layer's block: a multiple of 4 too.
    pub dense_columns: usize,
    /// Terms of a long sum that an invocation of the update loads before it adds the first.
    pub sum_ahead: usize,
    /// Block sizes of the fused kernels.
    pub fused: FusedConfig,
}

impl KernelConfig {
    /// The configuration for a class of device.
    pub fn of(device: &AdapterInfo) -> Self {
        if device.is_software() { Self::SOFTWARE } else { Self::HARDWARE }
    }

    /// The most values that an invocation of a dense layer computes. Larger blocks do not fit into registers, and
    /// compilers that allocate registers for them anyway take minutes: lavapipe's 4 s for a block of 160 and 300 s for
    /// one of 1,024.
    const MAX_DENSE_BLOCK: usize = 128;

    /// Checks that kernels can be compiled for these sizes, in reasonable time.
    ///
    /// # Errors
    /// An error for the first field that is out of range.
    pub fn check(&self) -> Result<(), KernelConfigError> {
        let Self { fused, .. } = self;
        for (name, size, max) in [
            ("workgroup", self.workgroup, 256),
            ("elementwise_workgroup", self.elementwise_workgroup, 256),
            ("conv_filters", self.conv_filters, 32),
            ("conv_columns", self.conv_columns, 32),
            ("weight_filters", self.weight_filters, 32),
            ("weight_rows", self.weight_rows, 32),
            ("weight_columns", self.weight_columns, 32),
            ("weight_chunks", self.weight_chunks, 1024),
            ("dense_rows", self.dense_rows, 32),
            ("dense_columns", self.dense_columns, 32),
            ("sum_ahead", self.sum_ahead, 64),
            ("fused.conv_filters", fused.conv_filters, 16),
            ("fused.head_images", fused.head_images, FusedConfig::MAX_HEAD_IMAGES),
            ("fused.head_groups", fused.head_groups, 65_535),
            ("fused.head_share", fused.head_share, 8),
            ("fused.head_loads", fused.head_loads, 64),
            ("fused.chunks", fused.chunks, 1024),
        ] {
            if !(1..=max).contains(&size) {
                return Err(KernelConfigError::OutOfRange { name, size, max });
            }
        }
        for (name, size) in [("dense_rows", self.dense_rows), ("dense_columns", self.dense_columns)] {
            if !size.is_multiple_of(4) {
                return Err(KernelConfigError::NotAMultipleOfFour { name, size });
            }
        }
        let block = self.dense_rows * self.dense_columns;
        if block > Self::MAX_DENSE_BLOCK {
            return Err(KernelConfigError::DenseBlock { block, max: Self::MAX_DENSE_BLOCK });
        }
        if !fused.head_share.is_power_of_two() {
            return Err(KernelConfigError::HeadShare(fused.head_share));
        }
        if ![2, 3, 6].contains(&fused.conv_split) {
            return Err(KernelConfigError::ConvSplit(fused.conv_split));
        }
        Ok(())
    }

    /// The kernel set for a setup: the layered one if the fused one does not support it.
    pub fn set_for(&self, setup: &Setup) -> KernelSet {
        match not_fused(setup) {
            None => self.set,
            Some(_) => KernelSet::Layered,
        }
    }
}

/// Why a kernel configuration is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelConfigError {
    #[error("{name} is {size}; it must be 1 to {max}")]
    OutOfRange { name: &'static str, size: usize, max: usize },
    #[error("{name} is {size}; it must be a multiple of 4")]
    NotAMultipleOfFour { name: &'static str, size: usize },
    #[error("dense_rows times dense_columns is {block}; it must be at most {max}")]
    DenseBlock { block: usize, max: usize },
    #[error("fused.head_share is {0}; it must be a power of 2")]
    HeadShare(usize),
    #[error("fused.conv_split is {0}; it must be 2, 3 or 6")]
    ConvSplit(usize),
}

/// The part of a setup that the fused kernels do not support, in words; `None` if they support all of it.
pub fn not_fused(setup: &Setup) -> Option<&'static str> {
    let network = &setup.network;
    if network.batch_norm {
        Some("batch normalisation")
    } else if network.activation != Activation::Relu {
        Some("activations other than ReLU")
    } else if !matches!(setup.loss.kind, LossKind::Nll | LossKind::CrossEntropy) {
        Some("losses other than NLL and cross-entropy")
    } else if network.classes > FusedConfig::MAX_CLASSES {
        Some("more than 64 classes")
    } else {
        None
    }
}

/// The size of equal blocks, of at most `max`, that divide `total` with the least waste.
pub const fn even_block(total: usize, max: usize) -> usize {
    total.div_ceil(total.div_ceil(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configurations_are_valid_and_survive_toml() {
        for config in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
            config.check().unwrap();
            assert_eq!(toml::from_str::<KernelConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        }
    }

    #[test]
    fn the_former_name_of_elementwise_workgroup_is_read() {
        let text = toml::to_string(&KernelConfig::SOFTWARE).unwrap();
        let former = text.replace("elementwise_workgroup", "map_workgroup");
        assert_ne!(former, text);
        assert_eq!(toml::from_str::<KernelConfig>(&former).unwrap(), KernelConfig::SOFTWARE);
    }

    #[test]
    fn an_unknown_field_is_rejected() {
        let text = toml::to_string(&KernelConfig::SOFTWARE).unwrap();
        let error = toml::from_str::<KernelConfig>(&format!("wokgroup = 8\n{text}")).unwrap_err();
        assert!(error.message().contains("unknown field `wokgroup`"), "{error}");
    }

    #[test]
    fn an_invalid_size_is_rejected_by_name() {
        let error = |config: KernelConfig| config.check().unwrap_err().to_string();
        let config = KernelConfig::HARDWARE;
        let fused = |fused| KernelConfig { fused, ..config };
        for (invalid, message) in [
            (KernelConfig { workgroup: 0, ..config }, "workgroup is 0; it must be 1 to 256"),
            (KernelConfig { dense_columns: 6, ..config }, "dense_columns is 6; it must be a multiple of 4"),
            (
                KernelConfig { dense_rows: 12, dense_columns: 12, ..config },
                "dense_rows times dense_columns is 144; it must be at most 128",
            ),
            (
                fused(FusedConfig { head_images: 3, ..config.fused }),
                "fused.head_images is 3; it must be 1 to 2",
            ),
            (
                fused(FusedConfig { head_share: 6, ..config.fused }),
                "fused.head_share is 6; it must be a power of 2",
            ),
            (
                fused(FusedConfig { conv_split: 4, ..config.fused }),
                "fused.conv_split is 4; it must be 2, 3 or 6",
            ),
        ] {
            assert_eq!(error(invalid), message);
        }
    }

    #[test]
    fn blocks_are_as_equal_as_possible() {
        for (total, max, block) in [(28, 14, 14), (28, 16, 14), (10, 14, 10), (16, 8, 8), (6, 4, 3)] {
            assert_eq!(even_block(total, max), block);
        }
    }
}
