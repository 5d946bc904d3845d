//! When a run's state is kept, and from which one it goes on.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct CheckpointArgs {
    /// Go on with the run in this folder from its last checkpoint, with its options; how long it is and on what it runs
    /// may be others now [default: a new run]
    #[arg(long, value_name = "RUN_DIR", conflicts_with = "init_from")]
    pub resume: Option<PathBuf>,

    /// Write checkpoint.safetensors every N steps too [default: after each epoch alone]
    #[arg(long = "checkpoint-every", value_name = "N", allow_negative_numbers = true)]
    pub every: Option<NonZeroU64>,
}
