//! The CPU reference: a file for each operation, the twin of the shader of the same name. Generic over
//! `f32` (the engine of those without a GPU) and `f64` (what every result is held against).
//!
//! A convolution and the max-pool behind it are two operations, and also one that does not store the map
//! between them, which is tested to be the same.
//!
//! Every operation works on a whole batch, on slices laid out as the shaders have them, and runs its
//! images in parallel. Reductions have a fixed order, so the thread count does not change a bit.

mod accumulate;
mod activation;
mod adam;
mod batch_norm_backward_input;
mod batch_norm_backward_weight;
mod batch_norm_forward;
mod batch_norm_statistics;
mod blocks;
pub mod ceilings;
mod channel_sums;
mod clip;
mod conv_backward_input;
mod conv_backward_weight;
mod conv_block;
mod conv_forward;
mod conv_pool_backward;
mod conv_pool_forward;
mod dense_backward;
mod dense_forward;
mod dense_log_softmax;
mod dense_mse;
mod dense_raw_nll;
mod engine;
mod gather;
mod gather_augmented;
mod gradient_norm;
mod layer;
mod log_softmax;
mod log_softmax_backward;
mod max_pool;
mod max_pool_backward;
mod network;
mod real;
mod sgd;
mod stage;
mod targets;
mod terms;

pub use accumulate::accumulate;
pub use adam::adam;
pub use batch_norm_backward_input::batch_norm_backward_input;
pub use batch_norm_backward_weight::batch_norm_backward_weight;
pub use batch_norm_forward::batch_norm_forward;
pub use batch_norm_statistics::{Statistics, batch_norm_statistics};
pub use clip::{clip, limit};
pub use conv_backward_input::conv_backward_input;
pub use conv_backward_weight::conv_backward_weight;
pub use conv_forward::conv_forward;
pub use conv_pool_backward::conv_pool_backward;
pub use conv_pool_forward::conv_pool_forward;
pub use dense_backward::dense_backward;
pub use dense_forward::dense_forward;
pub use dense_log_softmax::dense_log_softmax;
pub use dense_mse::dense_mse;
pub use dense_raw_nll::dense_raw_nll;
pub use engine::CpuEngine;
pub use gather::gather;
pub use gather_augmented::gather_augmented;
pub use gradient_norm::gradient_norm;
pub use log_softmax::log_softmax;
pub use log_softmax_backward::log_softmax_backward;
pub use max_pool::max_pool;
pub use max_pool_backward::max_pool_backward;
pub use network::{Maps, Network};
pub use real::Real;
pub use sgd::sgd;
pub use targets::Targets;
