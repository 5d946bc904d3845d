//! Training: epochs of steps, what they came to, and where that is kept.
//!
//! [`train`] runs a [`Plan`] on any [`Engine`](crate::engine::Engine). It knows neither files nor
//! terminals: it tells a [`Listener`] how things stand, which may end the run. [`RunDirectory`] keeps
//! a run's files, [`Progress`] shows it to people.

mod checkpoint;
mod config;
mod metrics;
mod plan;
mod progress;
mod run;
mod run_directory;
mod schedule;
mod standing;
mod stopping;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointLoadError};
pub use config::{Config, DataConfig, EngineConfig, Program, Weights};
pub use metrics::{EpochRecord, Tally, weights_hash};
pub use plan::{Plan, PlanError};
pub use progress::Progress;
pub use run::{Ending, Listener, Probe, Report, SoFar, TrainError, evaluate, train};
pub use run_directory::{RunDirectory, RunError};
pub use schedule::{Schedule, Shape, USUAL_STEP_FACTOR};
pub use standing::{Snapshot, Standing};
pub use stopping::{Stop, Stopping};
