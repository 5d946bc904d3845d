//! The time to a test accuracy, reported for `--target-accuracy`.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use crate::train::{EpochRecord, Stopping};
use crate::wording::count;

/// How far a run is from its target accuracy.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Target {
    /// The target accuracy.
    pub percent: f64,
    pub reached: bool,
    /// Steps since the start of the run. Not in the JSON, as an epoch's record has them too.
    #[serde(skip)]
    pub steps: u64,
    /// Time spent on training alone, since the start of the run.
    pub training_seconds: f64,
    /// Time since the program started, including reading data, compiling kernels, evaluating and saving.
    pub wall_seconds: f64,
}

impl Target {
    /// The state after an epoch; `None` without a target. `training_seconds` is the sum over all epochs.
    pub fn after(
        record: &EpochRecord,
        stopping: &Stopping,
        training_seconds: f64,
        started: Instant,
    ) -> Option<Self> {
        Some(Self {
            percent: stopping.test_accuracy?,
            reached: stopping.reaches_test_accuracy(record.test_accuracy),
            steps: record.step,
            training_seconds,
            wall_seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// "test accuracy of 99 % reached after 1640 steps: 0.118 s of training, 0.943 s in total"
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { percent, reached, steps, training_seconds, wall_seconds } = self;
        let reached = if *reached { "reached after" } else { "not reached in" };
        write!(
            f,
            "test accuracy of {percent} % {reached} {}: {training_seconds:.3} s of training, \
             {wall_seconds:.3} s in total",
            count(steps, "step")
        )
    }
}
