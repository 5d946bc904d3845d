//! The command line: what each command prints, writes and rejects.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod balance;
mod bench;
mod commands;
#[cfg(unix)]
mod display;
mod doctor;
mod documents;
mod ensemble;
mod environment;
mod evaluate;
mod figures;
mod find_lr;
mod fine_tuning;
mod kernels;
mod models;
mod options;
mod outputs;
mod paper;
mod predict;
mod ranks;
mod report;
mod runs;
mod scenes;
mod serve;
mod shell;
mod sources;
mod summary;
mod sweep;
mod sweep_report;
mod tensorboard;
mod terminal;
mod tta;
