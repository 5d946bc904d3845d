//! The network on the GPU, by the kernels in `shaders/`. Nothing outside this folder knows wgpu.
//!
//! From what to run to running it: [`kernel_config`] chooses block sizes for a class of device, [`kernels`] is the
//! one table of kernels (which shader, with which constants, over how many workgroups), [`network`] lines
//! them up for a training step over one workspace, [`shader`] composes their WGSL, `pipeline` compiles
//! it, [`buffers`] is what they work on, `part` is a part of the set on the device, and [`engine`] drives them. [`adapter`] chooses the device.
//!
//! How fast it is: [`work`] counts what a kernel does, `profile` times each by the device's clock, [`ceilings`]
//! tells what the device can do at most.

pub mod adapter;
pub mod bindings;
pub mod buffers;
pub mod ceilings;
pub mod context;
pub mod engine;
pub mod grid;
pub mod kernel_config;
pub mod kernels;
pub mod network;
mod pace;
mod part;
mod pipeline;
mod pipeline_cache;
mod profile;
mod readback;
mod residency;
pub mod shader;
pub(crate) mod single;
mod stage;
mod timestamps;
pub mod work;

pub use context::Context;
pub use engine::{GpuEngine, GpuOptions};
pub use kernel_config::{FilterMemory, KernelConfig, KernelSet, not_fused};
pub use profile::{KernelTimes, kernels_of};
pub use residency::Residency;
