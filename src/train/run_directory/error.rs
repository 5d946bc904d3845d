//! Errors of run directories.

use std::io;
use std::path::PathBuf;

use crate::files::WriteError;
use crate::wording::count;

/// Why a run directory could not be created, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory already contains a run.
    #[error("{} already contains a run", path.display())]
    HoldsARun {
        /// The directory.
        path: PathBuf,
    },

    /// The directory does not contain a run.
    #[error("{} does not contain a run: it has no {}", path.display(), super::CONFIG)]
    NoRun {
        /// The directory.
        path: PathBuf,
    },

    /// Another process holds the lock.
    #[error("the run in {} is in progress in another process; end that process first", path.display())]
    InProgress {
        /// The directory.
        path: PathBuf,
    },

    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A file of the run is a link, a pipe, a device or a folder.
    #[error("cannot use {} as a file of a run", path.display())]
    Irregular {
        /// The path.
        path: PathBuf,
        /// What it is.
        source: io::Error,
    },

    /// The directory contains files that are not a run's.
    #[error("{} is not empty; a run needs a new or empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },

    /// The directory could not be created.
    #[error("cannot create the run directory {}", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The ranks that train a run together have different weights.
    #[error(
        "after epoch {epoch}, rank {rank} has other weights than rank 0; ranks must compute on devices of the same kind"
    )]
    OtherWeights {
        /// The first rank whose weights differ.
        rank: usize,
        /// The epoch.
        epoch: u64,
    },

    /// A file could not be created or appended to.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A file could not be replaced.
    #[error(transparent)]
    File(#[from] WriteError),

    /// The configuration is not one that a run can have.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The configuration.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The metrics log is not what a run can have written, or does not match the checkpoint.
    #[error("{}: line {line} {problem}", path.display())]
    Metrics {
        /// The metrics log.
        path: PathBuf,
        /// Number of the line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },

    /// The checkpoint states something that does not follow from the metrics of its epochs.
    #[error("{} does not match the metrics of its {}", path.display(), count(epochs, "epoch"))]
    Mismatch {
        /// The checkpoint.
        path: PathBuf,
        /// Number of epochs that the checkpoint counts.
        epochs: u64,
    },

    /// The file of the best epoch's model has other content, and the model is nowhere else.
    #[error(
        "{} does not hold the weights of epoch {epoch}, the best so far; remove it to continue without them",
        path.display()
    )]
    NotBest {
        /// The file.
        path: PathBuf,
        /// The best epoch that the checkpoint counts.
        epoch: u64,
    },

    /// A file was written, but is not there any more.
    #[error("{} was written but is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },

    /// A file was written, but its content is different now.
    #[error("{} was written but has other content", path.display())]
    Different {
        /// The file.
        path: PathBuf,
    },

    /// A file is not written before another one, which cannot be written.
    #[error("{} waits for {after}{}", path.display(), of_step(*step))]
    Waiting {
        /// The file.
        path: PathBuf,
        /// The name of the other one.
        after: &'static str,
        /// The step of the checkpoint on the disk, if the file is a checkpoint and there is one.
        step: Option<u64>,
    },
}

fn of_step(step: Option<u64>) -> String {
    step.map_or(String::new(), |step| format!(" and stays at step {step}"))
}
