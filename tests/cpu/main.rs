//! The CPU engine, which everything else is held against: by central differences, by the paper's proofs, by PyTorch's
//! numbers, and by what it promises. One program, since each would compile the engine anew in both precisions.

#![allow(clippy::unwrap_used)]

mod engine;
mod golden;
mod gradients;
mod proofs;
