//! The kernel plan: which set of kernels makes a step, how much of a kernel's output one invocation keeps in
//! registers, and how many invocations make a workgroup. A plan is data: it is chosen by the class of device before a run,
//! written into the run's configuration, and never by timing during a run, since another order of
//! summation gives other bits.

use serde::{Deserialize, Serialize};

use super::adapter::Description;
use crate::engine::{LossKind, Setup};
use crate::model::Activation;

/// The kernels that make a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelSet {
    /// A kernel for each operation, for every network: the ones to read.
    Layered,
    /// A step in four dispatches, for the network that most runs train.
    Fused,
}

/// Where the layered convolutions read weights from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMemory {
    /// A storage buffer, as all other kernels do.
    Storage,
    /// A uniform one.
    Uniform,
}

impl FilterMemory {
    /// The name in a kernel configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Uniform => "uniform",
        }
    }
}

/// Sizes of the fused kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FusedConfig {
    /// Filters whose pooled values one invocation makes.
    pub conv_filters: usize,
    /// Images that a workgroup takes through the dense layers, at most.
    pub head_images: usize,
    /// Workgroups that the dense layers are to have before any takes several images.
    pub head_groups: usize,
    /// Invocations that share an output of a dense layer: so few that each makes four outputs at most.
    pub head_share: usize,
    /// Quads of a dense layer's weight that an invocation asks for before it uses the first.
    pub head_loads: usize,
    /// Workgroups that share an image backward through the convolutions: a divisor of conv1's filters, but not 1,
    /// since one workgroup has neither the invocations nor the memory for all of them.
    pub conv_split: usize,
    /// Chunks that a batch is dealt out to for the gradients of the convolutions, at most.
    pub chunks: usize,
}

impl FusedConfig {
    /// Invocations of a workgroup: as many as any device allows. The kernels need 240 of them.
    const WORKGROUP: usize = 256;

    /// Classes that the dense layers' workgroup memory has room for, with [`Self::MOST_HEAD_IMAGES`].
    pub const MOST_CLASSES: usize = 64;

    /// Images whose maps and logits fit into 16 KiB.
    pub const MOST_HEAD_IMAGES: usize = 2;
}

/// Which kernels, and the block sizes of both sets. A layered kernel's block is evened out to the shape it
/// cuts, so these are upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelConfig {
    /// The set that is taken where it can make the step: see [`Self::set_for`].
    pub set: KernelSet,
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// Those of a kernel whose invocations make a value or few, each for itself.
    pub map_workgroup: usize,
    /// Where convolutions read their weights.
    pub filters: FilterMemory,
    /// Filters (channels, backward) of a convolution's block.
    pub conv_filters: usize,
    /// Columns of a convolution's block.
    pub conv_columns: usize,
    /// Filters of a block of a convolution's weight, backward.
    pub weight_filters: usize,
    /// Filter rows of such a block.
    pub weight_rows: usize,
    /// Columns that such a block goes by.
    pub weight_columns: usize,
    /// Chunks that a batch is dealt out to for the gradient of a convolution's weight.
    pub weight_chunks: usize,
    /// Images, or outputs in the weight's gradient, of a dense layer's block: a multiple of 4, as backward both
    /// are taken in quads.
    pub dense_rows: usize,
    /// Outputs, or inputs backward, of a dense layer's block: a multiple of 4 as well.
    pub dense_columns: usize,
    /// Terms of a long sum that an invocation of the update asks for before it adds the first.
    pub sum_ahead: usize,
    /// What the fused kernels go by.
    pub fused: FusedConfig,
}

impl KernelConfig {
    /// The plan for a class of device.
    pub fn of(device: &Description) -> Self {
        if device.is_software() { Self::SOFTWARE } else { Self::HARDWARE }
    }

    /// The same plan for a kernel whose workgroup has all of a tensor, or of a channel of a batch, to add up:
    /// one as large as any device allows, and a power of two.
    pub fn summing(&self) -> Self {
        Self { workgroup: 256, ..*self }
    }

    /// The same plan for a kernel whose invocations make a value or few, each for itself.
    pub fn mapping(&self) -> Self {
        Self { workgroup: self.map_workgroup, ..*self }
    }

    /// The same plan for a fused kernel.
    pub fn fusing(&self) -> Self {
        Self { workgroup: FusedConfig::WORKGROUP, ..*self }
    }

    /// Refuses sizes that no kernel can be compiled for, or that no device would thank for.
    pub fn check(&self) -> Result<(), KernelConfigError> {
        let Self { fused, .. } = self;
        let sizes = [
            ("workgroup", self.workgroup, 256),
            ("map_workgroup", self.map_workgroup, 256),
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
            ("fused.head_images", fused.head_images, FusedConfig::MOST_HEAD_IMAGES),
            ("fused.head_groups", fused.head_groups, 65_535),
            ("fused.head_share", fused.head_share, 8),
            ("fused.head_loads", fused.head_loads, 64),
            ("fused.chunks", fused.chunks, 1024),
        ];
        for (name, size, most) in sizes {
            if !(1..=most).contains(&size) {
                return Err(KernelConfigError::Size { name, size, most });
            }
        }
        for (name, size) in [("dense_rows", self.dense_rows), ("dense_columns", self.dense_columns)] {
            if !size.is_multiple_of(4) {
                return Err(KernelConfigError::Quads { name, size });
            }
        }
        if !fused.head_share.is_power_of_two() {
            return Err(KernelConfigError::Share(fused.head_share));
        }
        if ![2, 3, 6].contains(&fused.conv_split) {
            return Err(KernelConfigError::Split(fused.conv_split));
        }
        Ok(())
    }

    /// The set of kernels that makes the steps of a setup: the layered ones where the fused ones cannot.
    pub fn set_for(&self, setup: &Setup) -> KernelSet {
        match not_fused(setup) {
            None => self.set,
            Some(_) => KernelSet::Layered,
        }
    }

    /// For real GPUs: thousands of invocations must be busy at once, so blocks are small and a batch
    /// is cut into many partial sums.
    pub const HARDWARE: Self = Self {
        set: KernelSet::Fused,
        workgroup: 64,
        map_workgroup: 64,
        filters: FilterMemory::Storage,
        conv_filters: 4,
        conv_columns: 7,
        weight_filters: 2,
        weight_rows: 1,
        weight_columns: 7,
        weight_chunks: 64,
        dense_rows: 4,
        dense_columns: 4,
        sum_ahead: 8,
        fused: FusedConfig {
            conv_filters: 2,
            head_images: 2,
            head_groups: 128,
            head_share: 8,
            head_loads: 16,
            conv_split: 2,
            chunks: 256,
        },
    };

    /// For software adapters, which run eight lanes on each core and for which a load costs as much as
    /// dozens of FMAs: blocks as large as compile in reasonable time, and few partial sums. A core takes a whole
    /// workgroup, so these are small: the gradient of conv1's weight, 32 invocations, is work for two cores.
    pub const SOFTWARE: Self = Self {
        set: KernelSet::Layered,
        workgroup: 16,
        map_workgroup: 128,
        filters: FilterMemory::Uniform,
        conv_filters: 16,
        conv_columns: 14,
        weight_filters: 4,
        weight_rows: 5,
        weight_columns: 14,
        weight_chunks: 16,
        dense_rows: 12,
        dense_columns: 8,
        sum_ahead: 2,
        fused: FusedConfig {
            conv_filters: 6,
            head_images: 2,
            head_groups: 4,
            head_share: 8,
            head_loads: 4,
            conv_split: 2,
            chunks: 16,
        },
    };
}

/// Why a plan makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelConfigError {
    #[error("{name} is {size}, and it must be 1 to {most}")]
    Size { name: &'static str, size: usize, most: usize },
    #[error("{name} is {size}, and it must be a multiple of 4")]
    Quads { name: &'static str, size: usize },
    #[error("fused.head_share is {0}, and it must be a power of 2")]
    Share(usize),
    #[error("fused.conv_split is {0}, and it must be 2, 3 or 6")]
    Split(usize),
}

/// Why the fused kernels cannot make the steps of a setup, if they cannot: for people, by the option.
pub fn not_fused(setup: &Setup) -> Option<&'static str> {
    let network = &setup.network;
    if network.batch_norm {
        Some("batch normalisation")
    } else if network.activation != Activation::Relu {
        Some("another activation than ReLU")
    } else if !matches!(setup.loss.kind, LossKind::Nll | LossKind::CrossEntropy) {
        Some("another loss than nll and cross-entropy")
    } else if network.classes > FusedConfig::MOST_CLASSES {
        Some("more than 64 classes")
    } else {
        None
    }
}

/// The size of equal blocks, of at most `most`, that cut `total` with the least waste.
pub const fn even_block(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_of_both_classes_of_device_can_be_run_and_read_back() {
        for plan in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
            plan.check().unwrap();
            assert_eq!(toml::from_str::<KernelConfig>(&toml::to_string(&plan).unwrap()).unwrap(), plan);
        }
    }

    #[test]
    fn a_size_that_no_kernel_can_have_is_refused_by_its_name() {
        let refused = |plan: KernelConfig| plan.check().unwrap_err().to_string();
        let plan = KernelConfig::HARDWARE;
        assert!(refused(KernelConfig { workgroup: 0, ..plan }).contains("workgroup is 0"));
        assert!(refused(KernelConfig { dense_columns: 6, ..plan }).contains("dense_columns is 6"));
        let fused = |fused| KernelConfig { fused, ..plan };
        assert!(
            refused(fused(FusedConfig { head_images: 3, ..plan.fused })).contains("fused.head_images is 3")
        );
        assert!(refused(fused(FusedConfig { head_share: 6, ..plan.fused })).contains("power of 2"));
        assert!(refused(fused(FusedConfig { conv_split: 4, ..plan.fused })).contains("2, 3 or 6"));
    }

    #[test]
    fn blocks_are_evened_out_to_what_they_cut() {
        for (total, most, block) in [(28, 14, 14), (28, 16, 14), (10, 14, 10), (16, 8, 8), (6, 4, 3)] {
            assert_eq!(even_block(total, most), block);
        }
    }
}
