//! What a pass over the network tells of one sample.

use bytemuck::{Pod, Zeroable};

/// One sample's loss and prediction. Kept for every sample rather than summed on the device, so that
/// sums are made once, on the host, in f64 and in order. The layout is the shader's `Outcome`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct SampleOutcome {
    /// The loss, before any mean over the batch.
    pub loss: f32,
    /// The class of the largest output; the lowest one of equals.
    pub predicted: u32,
}
