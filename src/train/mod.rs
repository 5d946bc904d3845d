//! Training: the loop, learning-rate schedules, early stopping, metrics, checkpoints and run directories.
//!
//! [`train`] runs a [`TrainingConfig`] on any [`Engine`](crate::engine::Engine). It neither touches files nor prints:
//! it reports to a [`Listener`], which can end the run. [`RunDirectory`] writes a run's files, among them the
//! [`Checkpoint`] from which an interrupted run resumes with bit-identical results.

mod checkpoint;
mod divergence;
mod given_options;
mod invalid_value;
mod listener;
mod lr_finder;
mod metrics;
mod run;
mod run_config;
mod run_directory;
mod run_state;
mod schedule;
mod stopping;
mod training_config;
mod training_config_check;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointLoadError};
pub use divergence::Divergence;
#[cfg(feature = "cli")]
pub(crate) use given_options::{arguments, quoted};
pub use invalid_value::InvalidValue;
pub use listener::{EpochProgress, Listener, ProgressEvaluation, Snapshot};
pub use lr_finder::{LrPoint, LrRange, LrSearch, LrSearchEnding, find_learning_rate};
pub use metrics::{EpochRecord, weights_hash};
pub use run::{RunOutcome, RunSummary, TrainError, evaluate, train};
pub use run_config::{DataConfig, EngineConfig, InitialWeights, Program, RunConfig};
pub use run_directory::{
    EarlierRun, FinishedFiles, OpenRunError, RunDirectory, RunError, RunStatus, StoredRun,
};
pub use run_state::RunState;
pub use schedule::{DEFAULT_STEP_FACTOR, Schedule, Shape};
pub use stopping::{StopReason, Stopping};
pub use training_config::TrainingConfig;
pub use training_config_check::TrainingConfigError;
