//! The options for checkpoints.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

use crate::cli::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct CheckpointArgs {
    /// Resume the run in this folder from its last checkpoint, with its options; its length and its device may be
    /// changed [default: a new run]
    #[arg(long, value_name = "RUN_DIR")]
    pub resume: Option<PathBuf>,

    /// Write a checkpoint every N steps as well [default: only after each epoch]
    #[arg(long = "checkpoint-every", value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = values::count_u64)]
    pub every: Option<NonZeroU64>,
}
