//! Tests of the CPU engine and its reference operations: finite differences, the paper's proofs, PyTorch's results,
//! and the engine's guarantees. They are one program because each would compile the engine in both precisions again.

#![allow(clippy::unwrap_used)]

mod activations;
mod engine;
mod engine_pool;
mod ensemble;
mod frozen;
mod golden;
mod gradients;
mod hashes;
mod lockstep;
mod network_gradients;
mod proofs;
mod reference;
mod views;
mod weighted;
