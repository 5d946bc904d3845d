//! The configurations for classes of devices, found by measurement.

use super::{FilterMemory, FusedConfig, KernelConfig, KernelSet};

impl KernelConfig {
    /// For GPUs: thousands of invocations must be busy at once, so blocks are small and a batch is divided into many
    /// partial sums.
    pub const HARDWARE: Self = Self {
        set: KernelSet::Fused,
        workgroup: 64,
        elementwise_workgroup: 64,
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

    /// For software adapters, which run eight lanes per core and for which a load costs as much as dozens of FMAs:
    /// blocks as large as can be compiled in reasonable time, and few partial sums. A core runs a whole workgroup, so
    /// workgroups are small: the gradient of conv1's weight, 32 invocations, is enough for two cores.
    pub const SOFTWARE: Self = Self {
        set: KernelSet::Layered,
        workgroup: 16,
        elementwise_workgroup: 128,
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
