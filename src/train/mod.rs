//! Training: epochs of steps, what they came to, and where that is kept.
//!
//! [`train`] runs a [`TrainingConfig`] on any [`Engine`](crate::engine::Engine). It knows neither files nor
//! terminals: it tells a [`Listener`] how things stand, which may end the run. [`RunDirectory`] keeps
//! a run's files.

mod checkpoint;
mod metrics;
mod run;
mod run_config;
mod run_directory;
mod run_state;
mod schedule;
mod stopping;
mod training_config;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointLoadError};
pub use metrics::{EpochRecord, Tally, weights_hash};
pub use run::{Ending, EpochProgress, Listener, ProgressEvaluation, RunSummary, TrainError, evaluate, train};
pub use run_config::{DataConfig, EngineConfig, Program, RunConfig, Weights};
pub use run_directory::{RunDirectory, RunError};
pub use run_state::{RunState, Snapshot};
pub use schedule::{Schedule, Shape, USUAL_STEP_FACTOR};
pub use stopping::{Stop, Stopping};
pub use training_config::{TrainingConfig, TrainingConfigError};
