//! Log-softmax as an activation.

use super::{Kernel, WithGradient, WorkspaceOffset};
use crate::gpu::cost::{BatchCost, Cost};
use crate::gpu::grid::Grid;
use crate::gpu::kernel_config::KernelConfig;

/// `log_softmax` of a layer's `outputs` at `y`, in place.
pub fn log_softmax(layer: &str, outputs: usize, config: &KernelConfig, y: WorkspaceOffset) -> Kernel {
    let constants = vec![("OUTPUTS", outputs.into()), ("Y", y.into())];
    let cost = BatchCost::per_image(Cost::new(4 * outputs, 2 * outputs));
    let (label, grid) = (format!("{layer} log-softmax"), Grid::workgroup_per_image());
    Kernel::new("log_softmax", label, config.workgroup, grid, cost, constants)
}

/// `log_softmax_backward`: the gradient of a layer's `outputs` `y`, in place.
pub fn log_softmax_backward(layer: &str, outputs: usize, config: &KernelConfig, y: &WithGradient) -> Kernel {
    let constants = vec![("OUTPUTS", outputs.into()), ("Y", y.value.into()), ("DY", y.gradient.into())];
    let cost = BatchCost::per_image(Cost::new(4 * outputs, 3 * outputs));
    let (label, grid) = (format!("{layer} log-softmax backward"), Grid::workgroup_per_image());
    Kernel::new("log_softmax_backward", label, config.workgroup, grid, cost, constants)
}
