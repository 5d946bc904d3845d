//! Training: the loop, run directories, checkpoints and resuming.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod crash_points;
mod damaged_runs;
mod faults;
mod injection;
mod integrity;
mod ranks;
mod resume;
mod run_directory;
mod states;
mod stored_run;
mod training_loop;
mod weights;
mod write_faults;
