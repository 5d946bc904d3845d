//! The command line: what each command prints, writes and rejects.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod commands;
mod documents;
mod environment;
mod evaluate;
mod figures;
mod kernels;
mod outputs;
mod paper;
mod predict;
mod scenes;
mod terminal;
