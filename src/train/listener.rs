//! What a run reports while it trains.

use std::ops::ControlFlow;

use super::{Divergence, EpochRecord, RunError, RunState};
use crate::engine::{OptimizerState, Tally};

/// Receives a run's progress, results and checkpoints, and can end the run.
pub trait Listener {
    /// Called when the outcomes of more steps are known. [`ControlFlow::Break`] ends the run once the steps already
    /// submitted are done. Does nothing by default.
    fn progress(&mut self, _progress: &EpochProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called after each epoch, once it has been evaluated, with the state of the run at its end.
    /// [`ControlFlow::Break`] ends the run. Does nothing by default.
    ///
    /// # Errors
    /// An error ends the run; [`train`](super::train) returns it.
    fn epoch(&mut self, _record: &EpochRecord, _snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        Ok(ControlFlow::Continue(()))
    }

    /// Called with the state of the run within an epoch: every
    /// [`checkpoint_every`](super::TrainingConfig::checkpoint_every) steps, and when the listener has ended the run
    /// within an epoch. Does nothing by default.
    fn checkpoint(&mut self, _snapshot: &Snapshot) {}

    /// Called [`evaluations_per_epoch`](super::TrainingConfig::evaluations_per_epoch) times in each epoch with the
    /// current accuracies; the last of these calls comes just before [`Self::epoch`]. Does nothing by default.
    fn evaluated(&mut self, _evaluation: &ProgressEvaluation) {}

    /// Called once, when the loss has grown by orders of magnitude. Training goes on. Does nothing by default.
    fn diverged(&mut self, _divergence: &Divergence) {}
}

/// Ignores everything: the run trains to its end, and its summary has the result.
impl Listener for () {}

/// The progress of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochProgress {
    /// Number of the epoch, counted from 1.
    pub epoch: u64,
    /// Images trained on since the run began; an image counts once for each epoch.
    pub images: u64,
    /// Outcomes of the epoch so far.
    pub tally: Tally,
    /// Seconds spent training in this epoch.
    pub seconds: f64,
}

/// An evaluation of the test set during an epoch or at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProgressEvaluation {
    /// Number of the epoch, counted from 1.
    pub epoch: u64,
    /// Steps done since the run began.
    pub step: u64,
    /// Outcomes of the training steps since the previous evaluation, each computed with the weights of its own step.
    pub train: Tally,
    /// Outcomes of the whole test set with the current weights.
    pub test: Tally,
}

/// The complete state of a run between two steps, borrowed from the training loop. It contains everything needed to
/// resume the run.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// The progress of the run.
    pub state: &'a RunState,
    /// The parameter arena, in the order of [`ParameterTable`](crate::model::ParameterTable).
    pub parameters: &'a [f32],
    /// The optimizer's step count and moments.
    pub optimizer: &'a OptimizerState,
}
