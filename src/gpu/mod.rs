//! Everything that knows wgpu.

pub mod adapter;
