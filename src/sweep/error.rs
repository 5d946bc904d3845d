//! Errors of the folders of sweeps.

use std::io;
use std::path::PathBuf;

use super::PlanError;
use crate::files::WriteError;

/// Why the folder of a sweep cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder already contains a sweep.
    #[error("{} already contains a sweep", path.display())]
    HoldsASweep {
        /// The folder.
        path: PathBuf,
    },
    /// The folder contains other files.
    #[error("{} is not empty; a sweep needs a new or empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder does not contain a sweep.
    #[error("{} does not contain a sweep: it has no sweep.toml", path.display())]
    NoSweep {
        /// The folder.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("the sweep in {} is in progress in another process; end that process first", path.display())]
    InProgress {
        /// The folder.
        path: PathBuf,
    },
    /// The folder could not be created.
    #[error("cannot create the folder {}", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A model file is not that of the member's last epoch: it is corrupt, or was replaced.
    #[error("{} does not have the weights of the member's last epoch", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
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
    /// The configuration is not one that a sweep can have.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The configuration.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A line of the results is not one of this sweep.
    #[error("{}: line {line} {problem}; remove the line to continue its member from its checkpoint", path.display())]
    Result {
        /// The results.
        path: PathBuf,
        /// Number of the line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The options have no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
