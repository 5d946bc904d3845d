//! How many workgroups a kernel is dispatched over. `shaders/shared/grid.wgsl` gives each workgroup its index.

/// The most workgroups along one dimension of a dispatch, by WebGPU's default limits.
const MAX_WORKGROUPS: usize = 65_535;

/// The number of workgroups as a function of the batch:
/// `fixed + ceil(ceil(min(batch, max_images) / block_images) * invocations / workgroup)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Workgroups for a batch of any size.
    pub(super) fixed: usize,
    /// Invocations for each block of images.
    pub(super) invocations: usize,
    /// Images in a block.
    pub(super) block_images: usize,
    /// Further images add no invocations; `usize::MAX` for no limit.
    pub(super) max_images: usize,
    /// Invocations in a workgroup.
    pub(super) workgroup: usize,
}

impl Grid {
    /// `invocations` for each image.
    pub(super) fn per_image(invocations: usize, workgroup: usize) -> Self {
        Self { fixed: 0, invocations, block_images: 1, max_images: usize::MAX, workgroup }
    }

    /// `invocations` for each block of `block_images` images.
    pub(super) fn per_block(invocations: usize, block_images: usize, workgroup: usize) -> Self {
        Self { block_images, ..Self::per_image(invocations, workgroup) }
    }

    /// `invocations` for a batch of any size.
    pub(super) fn per_batch(invocations: usize, workgroup: usize) -> Self {
        Self::workgroups_per_batch(invocations.div_ceil(workgroup))
    }

    /// One workgroup for each image.
    pub(super) fn workgroup_per_image() -> Self {
        Self::per_image(1, 1)
    }

    /// One workgroup for each block of `block_images` images.
    pub(super) fn workgroup_per_block(block_images: usize) -> Self {
        Self::per_block(1, block_images, 1)
    }

    /// `workgroups` for a batch of any size.
    pub(super) fn workgroups_per_batch(workgroups: usize) -> Self {
        Self { fixed: workgroups, ..Self::per_image(0, 1) }
    }

    /// `invocations` for each chunk of the batch that has images; there are at most `chunks`.
    pub(super) fn per_chunk(invocations: usize, chunks: usize, workgroup: usize) -> Self {
        Self { max_images: chunks, ..Self::per_image(invocations, workgroup) }
    }

    /// `workgroups` for each chunk of the batch that has images.
    pub(super) fn workgroups_per_chunk(workgroups: usize, chunks: usize) -> Self {
        Self::per_chunk(workgroups, chunks, 1)
    }

    /// Adds `workgroups` for a batch of any size.
    pub(super) fn and_workgroups(self, workgroups: usize) -> Self {
        Self { fixed: self.fixed + workgroups, ..self }
    }

    /// Workgroups along x and y for a batch of `batch` images, with as few rows as the limit of a dimension allows.
    /// The last row may reach past the end (see `shaders/shared/grid.wgsl`).
    pub fn workgroups(&self, batch: usize) -> [u32; 2] {
        let blocks = batch.min(self.max_images).div_ceil(self.block_images) * self.invocations;
        let all = self.fixed + blocks.div_ceil(self.workgroup);
        let rows = all.div_ceil(MAX_WORKGROUPS);
        [all.div_ceil(rows) as u32, rows as u32]
    }

    /// The number of workgroups for a batch of `batch` images.
    pub fn count(&self, batch: usize) -> u64 {
        self.workgroups(batch).into_iter().map(u64::from).product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_without_images_have_no_workgroups() {
        let grid = Grid::workgroups_per_chunk(2, 256);
        assert_eq!([1, 64, 256, 1_000].map(|batch| grid.workgroups(batch)[0]), [2, 128, 512, 512]);
    }

    #[test]
    fn a_large_grid_has_several_rows() {
        let grid = Grid::workgroup_per_image();
        assert_eq!(grid.workgroups(65_535), [65_535, 1]);
        assert_eq!(grid.workgroups(65_537), [32_769, 2]);
    }
}
