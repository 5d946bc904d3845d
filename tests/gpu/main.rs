//! The GPU engine and its kernels. These tests need a GPU or a software adapter such as lavapipe.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod activations;
mod bounds;
mod engine;
mod engine_pool;
mod ensemble;
mod frozen;
mod instrument;
mod learning;
mod parity;
mod pipeline_cache;
mod population;
mod ranks;
mod shaders;
mod views;
