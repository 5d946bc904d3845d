//! The network on the GPU, computed by the kernels in `shaders/`. Nothing outside this folder uses wgpu.
//!
//! The modules, from configuration to execution:
//! - `kernel_config`: block sizes for a class of device;
//! - `kernels`: for each kernel its shader, constants, grid and cost;
//! - [`recording`]: a training step and an evaluation as data, built from kernels without a device;
//! - `shader`: composes the WGSL of a kernel;
//! - `executor`: compiles and dispatches a recording;
//! - `engine`: runs a recording over the batches of an epoch;
//! - [`adapter`]: lists the adapters; `context` is an opened device.
//!
//! For performance, `cost` counts the operations and bytes of a kernel, `profile` times each kernel by the device's
//! clock, and `ceilings` measures the peak performance of the device. `audit` instruments kernels for tests.

pub mod adapter;
mod audit;
mod buffers;
pub(crate) mod ceilings;
mod context;
pub(crate) mod cost;
mod engine;
mod executor;
pub(crate) mod grid;
pub(crate) mod kernel_config;
pub(crate) mod kernel_run;
#[doc(hidden)] // for tests
pub mod kernels;
mod loaded_split;
mod pace;
mod pipeline;
mod pipeline_cache;
mod profile;
mod readback;
pub mod recording;
mod residency;
#[doc(hidden)] // for tests
pub mod shader;
mod timestamps;

pub use context::Context;
pub use engine::{GpuEngine, GpuOptions, GpuPopulation};
pub use kernel_config::{FilterMemory, KernelConfig, KernelSet, not_fused};
pub use profile::KernelTimes;
pub use residency::Residency;
