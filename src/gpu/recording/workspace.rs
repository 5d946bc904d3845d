//! The ranges of the workspace.

use crate::gpu::kernels::{WithGradient, WorkspaceOffset};

/// A named tensor of the workspace: [images, `len`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceTensor {
    /// `pool1`, or `d.pool1` for its gradient.
    pub name: &'static str,
    /// The offset of the first image's first value.
    pub offset: WorkspaceOffset,
    /// Values of one image.
    pub len: usize,
}

/// Allocates one range after the other.
pub(super) struct Workspace {
    batch: usize,
    pub tensors: Vec<WorkspaceTensor>,
    /// Values so far.
    pub len: usize,
}

impl Workspace {
    /// For batches of up to `batch` images.
    pub fn new(batch: usize) -> Self {
        Self { batch, tensors: Vec::new(), len: 0 }
    }

    /// A named tensor of `len` values per image.
    pub fn tensor(&mut self, name: &'static str, len: usize) -> WorkspaceOffset {
        let offset = self.unnamed(len * self.batch);
        self.tensors.push(WorkspaceTensor { name, offset, len });
        offset
    }

    /// A tensor of `len` values per image, and its gradient.
    pub fn with_gradient(&mut self, [name, gradient]: [&'static str; 2], len: usize) -> WithGradient {
        WithGradient { value: self.tensor(name, len), gradient: self.tensor(gradient, len) }
    }

    /// `len` values for a batch of any size.
    pub fn unnamed(&mut self, len: usize) -> WorkspaceOffset {
        let offset = WorkspaceOffset::new(self.len);
        self.len += len;
        offset
    }
}
