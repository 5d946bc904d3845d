//! The kernels: for each, its shader, the constants that are written into it, the grid that it is dispatched over
//! and its cost. One file per operation or family; nothing here needs a device.
//!
//! The layered kernels compute one operation each, for any shape; [`fused`] has those that compute several layers
//! of LeNet-5 at once.

mod batch_norm;
mod conv;
mod dense;
pub mod fused;
mod gather;
mod log_softmax;
mod loss;
mod offsets;
mod pool;
mod update;

pub use batch_norm::{
    BatchNormOffsets, batch_norm_backward_input, batch_norm_backward_weight, batch_norm_forward,
    batch_norm_statistics,
};
pub use conv::{
    ConvBackwardInputOffsets, ConvBackwardWeightOffsets, ConvForwardOffsets, conv_backward_input,
    conv_backward_weight, conv_forward,
};
pub use dense::{
    DenseBackwardOffsets, DenseForwardOffsets, dense_backward, dense_backward_weight, dense_forward,
};
pub use gather::gather;
pub use log_softmax::{log_softmax, log_softmax_backward};
pub use loss::{LossOffsets, dense_loss};
pub use offsets::{ArenaOffset, MemberStrides, PartialSums, Weights, WithGradient, WorkspaceOffset};
pub use pool::{MaxPoolBackwardOffsets, MaxPoolOffsets, max_pool, max_pool_backward};
pub use update::{DenseGradient, GradientSource, accumulate, gradient_norm, update};

use super::cost::BatchCost;
use super::grid::Grid;
use super::shader::{Constant, Variant, compose};

/// Constants of a shader by name.
type Constants = Vec<(&'static str, Constant)>;

/// Invocations in the workgroup of a kernel that sums over a whole tensor, or over a channel of a batch: as many as
/// WebGPU's default limits allow, and a power of 2.
const REDUCTION_WORKGROUP: usize = 256;

/// A shader with its constants, and everything needed to dispatch it.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The name of the shader's file and of its entry point.
    pub shader: &'static str,
    /// For tables and debuggers: "conv1 forward".
    pub label: String,
    /// The file for each import that has variants.
    pub variants: Vec<Variant>,
    pub constants: Constants,
    pub grid: Grid,
    pub cost: BatchCost,
}

impl Kernel {
    fn new(
        shader: &'static str,
        label: impl Into<String>,
        workgroup: usize,
        grid: Grid,
        cost: BatchCost,
        constants: Constants,
    ) -> Self {
        let mut all = vec![("WORKGROUP", workgroup.into())];
        all.extend(constants);
        Self { shader, label: label.into(), variants: vec![Variant::ALONE], constants: all, grid, cost }
    }

    fn with(mut self, variant: Variant) -> Self {
        self.variants.push(variant);
        self
    }

    /// The kernel for the members of a population.
    pub fn for_population(mut self, members: usize, strides: &MemberStrides) -> Self {
        let MemberStrides { arena, workspace, partials, tensors, classes } = *strides;
        self.constants.extend([
            ("POPULATION", members.into()),
            ("ARENA_STRIDE", arena.into()),
            ("WORKSPACE_STRIDE", workspace.into()),
            ("PARTIALS_STRIDE", partials.into()),
            ("TENSORS_STRIDE", tensors.into()),
            ("CLASSES_STRIDE", classes.into()),
        ]);
        self.variants.retain(|variant| *variant != Variant::ALONE);
        self.with(Variant::POPULATION)
    }

    /// The kernel's complete WGSL.
    pub fn source(&self) -> String {
        compose(&format!("kernels/{}", self.shader), &self.variants, &self.constants)
    }
}

fn all_multiples(of: usize, counts: &[usize]) -> bool {
    counts.iter().all(|count| count.is_multiple_of(of))
}
