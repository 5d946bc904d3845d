//! Exported models compute the same logits in other programs as in the CPU engine.
#![allow(clippy::unwrap_used)]

#[cfg(unix)] // the C compiler is called cc
mod c_header;
mod command;
mod ensemble;
mod models;
mod onnx;
