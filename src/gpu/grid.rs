//! How many workgroups a kernel takes. `shaders/shared/grid.wgsl` tells each of them its place.

use super::kernel_config::KernelConfig;

/// Workgroups that wgpu's default limits allow along one side of a dispatch.
const MOST_WORKGROUPS: usize = 65_535;

/// How many workgroups a kernel takes for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Workgroups that every batch takes.
    pub(super) fixed: usize,
    /// Invocations for each block of images.
    pub(super) invocations: usize,
    /// Images in a block.
    pub(super) images: usize,
    /// Images that count, at most.
    pub(super) most_images: usize,
    pub(super) workgroup: usize,
}

impl Grid {
    /// `invocations` for each image.
    pub(super) fn per_image(invocations: usize, plan: &KernelConfig) -> Self {
        Self { fixed: 0, invocations, images: 1, most_images: usize::MAX, workgroup: plan.workgroup }
    }

    /// `invocations` for the batch, whatever its size.
    pub(super) fn per_batch(invocations: usize, plan: &KernelConfig) -> Self {
        Self::workgroups_per_batch(invocations.div_ceil(plan.workgroup))
    }

    /// A workgroup for each image.
    pub(super) fn workgroup_per_image(plan: &KernelConfig) -> Self {
        Self::per_image(plan.workgroup, plan)
    }

    /// `workgroups` for the batch, whatever its size.
    pub(super) fn workgroups_per_batch(workgroups: usize) -> Self {
        Self { fixed: workgroups, invocations: 0, images: 1, most_images: usize::MAX, workgroup: 1 }
    }

    /// `invocations` for each of the chunks that a batch is dealt out to: `chunks`, or as many as images.
    pub(super) fn per_chunk(invocations: usize, chunks: usize, plan: &KernelConfig) -> Self {
        Self { most_images: chunks, ..Self::per_image(invocations, plan) }
    }

    /// `workgroups` for each of the chunks.
    pub(super) fn workgroups_per_chunk(workgroups: usize, chunks: usize) -> Self {
        Self { fixed: 0, invocations: workgroups, images: 1, most_images: chunks, workgroup: 1 }
    }

    /// Workgroups along x and y for a batch of `batch` images: as few rows as a side's limit allows.
    /// The last row may have some more than needed (see `shaders/shared/grid.wgsl`).
    pub fn workgroups(&self, batch: usize) -> [u32; 2] {
        let blocks = batch.min(self.most_images).div_ceil(self.images) * self.invocations;
        let all = self.fixed + blocks.div_ceil(self.workgroup);
        let rows = all.div_ceil(MOST_WORKGROUPS);
        [all.div_ceil(rows) as u32, rows as u32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_no_image_is_dealt_out_to_have_no_workgroups() {
        let grid = Grid::workgroups_per_chunk(2, 256);
        assert_eq!([1, 64, 256, 1_000].map(|batch| grid.workgroups(batch)[0]), [2, 128, 512, 512]);
    }
}
