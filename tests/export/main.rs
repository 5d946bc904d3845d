//! What an exported model computes elsewhere is what the CPU engine computes here.
#![allow(clippy::unwrap_used)]

#[cfg(unix)] // where a C compiler is called cc
mod c_header;
mod command;
mod models;
mod onnx;
