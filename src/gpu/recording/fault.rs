//! What the device reports about values that are not finite.

use bytemuck::{Pod, Zeroable};

/// The first step at which a tensor, and the first at which its gradient, had a value that is not finite. The
/// update checks the parameters that it changes, batch normalisation its running statistics.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Fault {
    /// The first step with such a value in the tensor; `u32::MAX` if there is none.
    pub parameter: u32,
    /// The first step with such a value in its gradient; `u32::MAX` if there is none.
    pub gradient: u32,
}

impl Fault {
    /// All values are finite.
    pub const NONE: Self = Self { parameter: u32::MAX, gradient: u32::MAX };
}
