//! The time to a test accuracy: what `--target-accuracy` asks for.

use std::fmt;
use std::time::Instant;

use crate::train::{EpochRecord, Stopping};
use serde::Serialize;

/// How a run stands towards the test accuracy that it was asked for.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Target {
    /// What was asked for.
    pub percent: f64,
    pub reached: bool,
    /// Done since the run began; an epoch's record tells them too.
    #[serde(skip)]
    pub steps: u64,
    /// Of training alone, since the run began.
    pub training_seconds: f64,
    /// Since the program began, with everything: reading data, compiling kernels, evaluating, saving.
    pub wall_seconds: f64,
}

impl Target {
    /// After an epoch; none where no test accuracy was asked for. `training_seconds` are those of all epochs.
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

/// "test accuracy of 99 % reached after 1640 steps: 0.118 s of training, 0.943 s since the program began, with
/// everything"
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { percent, reached, steps, training_seconds, wall_seconds } = self;
        let reached = if *reached { "reached after" } else { "not reached in" };
        write!(
            f,
            "test accuracy of {percent} % {reached} {steps} steps: {training_seconds:.3} s of training, \
             {wall_seconds:.3} s since the program began, with everything"
        )
    }
}
