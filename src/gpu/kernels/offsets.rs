//! Offsets of tensors in the two buffers that hold several: the parameter arena and the workspace. They are separate
//! types so that they cannot be confused, and have no default so that none is forgotten.

use crate::gpu::shader::Constant;
use crate::model::ParameterTable;

/// Index of a tensor's first value in the parameter arena; gradients and moments have the same layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArenaOffset(usize);

/// Index of a tensor's first value in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceOffset(usize);

impl ArenaOffset {
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// The offset of the tensor `name`.
    ///
    /// # Panics
    /// If the table has no such tensor.
    pub fn of(table: &ParameterTable, name: &str) -> Self {
        Self(table.get(name).offset)
    }

    pub const fn get(self) -> usize {
        self.0
    }
}

impl WorkspaceOffset {
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    pub const fn get(self) -> usize {
        self.0
    }
}

impl From<ArenaOffset> for Constant {
    fn from(offset: ArenaOffset) -> Self {
        Self::Size(offset.0)
    }
}

impl From<WorkspaceOffset> for Constant {
    fn from(offset: WorkspaceOffset) -> Self {
        Self::Size(offset.0)
    }
}

/// A layer's parameters in the arena.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    pub weight: ArenaOffset,
    pub bias: ArenaOffset,
}

impl Weights {
    /// `LAYER.weight` and `LAYER.bias`.
    ///
    /// # Panics
    /// If the table has no such tensors.
    pub fn of(table: &ParameterTable, layer: &str) -> Self {
        let offset = |name| ArenaOffset::of(table, &format!("{layer}.{name}"));
        Self { weight: offset("weight"), bias: offset("bias") }
    }
}

/// An activation and its gradient in the workspace.
#[derive(Debug, Clone, Copy)]
pub struct WithGradient {
    pub value: WorkspaceOffset,
    pub gradient: WorkspaceOffset,
}

/// The partial sums that the convolutions' backward kernels compute of the weights' gradients: an array for each chunk of
/// the batch, laid out like the start of the arena.
#[derive(Debug, Clone, Copy)]
pub struct PartialSums {
    /// Values of one chunk.
    pub len: usize,
    /// The most chunks that a batch is divided into.
    pub chunks: usize,
}

/// The distances, in values, between the parts of two consecutive members of a population in the buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberStrides {
    /// In the parameter arena, the gradients, the moments and the accumulated gradients; a multiple of 4.
    pub arena: usize,
    /// In the workspace; a multiple of 4.
    pub workspace: usize,
    /// In the partial sums.
    pub partials: usize,
    /// In the norms and the faults of tensors.
    pub tensors: usize,
    /// In the weights of the classes.
    pub classes: usize,
}
