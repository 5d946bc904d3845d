//! LeNet-5 trained wholly on the GPU by WGSL compute shaders.
//!
//! Data goes one way: [`data`] holds a set of images and cuts an epoch's order into batches,
//! an [`engine::Engine`] trains on them and tells each sample's outcome, [`train`] turns outcomes
//! into metrics and files, [`report`] draws what runs came to. What the network *is* stands in [`model`],
//! without any arithmetic.
//!
//! Two engines implement the one trait: [`cpu`] is plain Rust, generic over `f32` and `f64`, and is
//! the reference; [`gpu`] runs the kernels in `shaders/` through wgpu. [`verify`] holds the table of
//! checks that compare the second with the first, tensor by tensor; [`bench`] tells how fast each is. [`export`]
//! writes a trained network for other programs.

pub mod bench;
pub mod cache;
mod calendar;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod device;
pub mod engine;
pub mod evaluate;
pub mod export;
pub mod files;
pub mod gpu;
mod hash;
pub mod model;
pub mod paper;
pub mod predict;
pub mod random;
pub mod report;
pub mod train;
pub mod verify;
pub mod version;
