//! The result of the forward pass for one sample.

use bytemuck::{Pod, Zeroable};

/// One sample's loss and prediction.
///
/// Engines report them per sample instead of summing on the device, so that sums are computed by the same code for
/// all engines, in f64 and in a fixed order. The memory layout is that of the shaders' `Outcome`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct SampleOutcome {
    /// The sample's loss, before any mean over the batch.
    pub loss: f32,
    /// The class of the largest output; the lowest class if several are equal.
    pub predicted: u32,
}
