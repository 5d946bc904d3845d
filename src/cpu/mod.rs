//! The CPU reference: a file for each operation, the twin of the shader of the same name. Generic over
//! `f32` (the engine of those without a GPU) and `f64` (what every result is held against).
//!
//! Every operation works on a whole batch, on slices laid out as the shaders have them, and runs its
//! images in parallel. Reductions have a fixed order, so the thread count does not change a bit.

mod adam;
mod blocks;
mod conv_backward_input;
mod conv_backward_weight;
mod conv_forward;
mod correlate;
mod dense_backward;
mod dense_forward;
mod dense_log_softmax;
mod engine;
mod gather;
mod gather_augmented;
mod max_pool;
mod max_pool_backward;
mod network;
mod real;
mod relu;
mod stage;

pub use adam::adam;
pub use conv_backward_input::conv_backward_input;
pub use conv_backward_weight::conv_backward_weight;
pub use conv_forward::conv_forward;
pub use dense_backward::dense_backward;
pub use dense_forward::dense_forward;
pub use dense_log_softmax::dense_log_softmax;
pub use engine::CpuEngine;
pub use gather::gather;
pub use gather_augmented::gather_augmented;
pub use max_pool::max_pool;
pub use max_pool_backward::max_pool_backward;
pub use network::{Maps, Network};
pub use real::Real;
