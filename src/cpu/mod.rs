//! The CPU engine and the reference for every GPU kernel.
//!
//! `src/cpu/NAME.rs` is the CPU twin of the kernel `shaders/…/NAME.wgsl`. Every operation takes whole batches
//! as flat slices in the layout of the GPU buffers, and is generic over [`Real`]: [`CpuEngine`] trains in `f32`,
//! and reference results are computed in `f64`.
//!
//! Operations whose fast loops are not obvious have a second, naive definition in the same file, which follows
//! the formula index by index. [`mod@reference`] collects these; tests compare the fast loops with them.
//!
//! The fast operations process chunks of a batch in parallel. Reductions have a fixed order, and transcendental
//! functions come from the `libm` crate, so neither the number of threads nor the operating system affects the result.

mod accumulate;
mod activation;
mod adam;
mod array_view;
mod batch_norm_backward_input;
mod batch_norm_backward_weight;
mod batch_norm_forward;
mod batch_norm_statistics;
mod blocks;
pub(crate) mod ceilings;
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
mod dense_loss;
mod engine;
mod fixed_batch;
mod gather;
mod gather_augmented;
mod gradient_norm;
mod layer;
mod log_softmax;
mod log_softmax_backward;
mod max_pool;
mod max_pool_backward;
mod network;
mod padded;
mod real;
mod sgd;
mod sparse_gradient;

pub use engine::CpuEngine;
pub use fixed_batch::FixedBatch;
// Not part of the API: for `verify`, the tests and the benches.
#[doc(hidden)]
pub use self::{
    accumulate::accumulate,
    adam::adam,
    batch_norm_backward_input::batch_norm_backward_input,
    batch_norm_backward_weight::batch_norm_backward_weight,
    batch_norm_forward::batch_norm_forward,
    batch_norm_statistics::{Statistics, batch_norm_statistics},
    clip::{clip, limit},
    conv_backward_input::conv_backward_input,
    conv_backward_weight::conv_backward_weight,
    conv_forward::conv_forward,
    conv_pool_backward::conv_pool_backward,
    conv_pool_forward::conv_pool_forward,
    dense_backward::dense_backward,
    dense_forward::dense_forward,
    dense_loss::dense_loss,
    gather::gather,
    gather_augmented::gather_augmented,
    gradient_norm::gradient_norm,
    log_softmax::log_softmax,
    log_softmax_backward::log_softmax_backward,
    max_pool::max_pool,
    max_pool_backward::max_pool_backward,
    network::{Activations, Network},
    real::Real,
    sgd::sgd,
};

#[doc(hidden)]
/// Naive definitions of the operations, with the signatures of the fast ones.
///
/// Each sum is one loop in the order of the formula, on one thread. An operation of [`crate::cpu`] that is not
/// listed here is itself written in this way.
pub mod reference {
    pub use super::batch_norm_backward_weight::reference as batch_norm_backward_weight;
    pub use super::batch_norm_statistics::reference as batch_norm_statistics;
    pub use super::conv_backward_input::reference as conv_backward_input;
    pub use super::conv_backward_weight::reference as conv_backward_weight;
    pub use super::conv_forward::reference as conv_forward;
    pub use super::dense_backward::reference as dense_backward;
    pub use super::dense_forward::reference as dense_forward;
    pub use super::gather::reference as gather;
    pub use super::gather_augmented::reference as gather_augmented;
    pub use super::max_pool::reference as max_pool;
}
