//! A listener on which all ranks agree.

use std::ops::ControlFlow;

use super::Ranks;
use crate::train::{
    Divergence, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, Snapshot,
};

/// A listener of a run that several ranks train together. All ranks end the run at the same step, when the listener of one
/// of them ends it, and after each epoch it is checked that all have the same weights.
///
/// An error of one rank's listener ends the run: on that rank with the error, on the others like an interruption.
pub struct Agreed<'a> {
    ranks: &'a dyn Ranks,
    listener: &'a mut dyn Listener,
}

impl std::fmt::Debug for Agreed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreed").field("ranks", &self.ranks).finish_non_exhaustive()
    }
}

impl<'a> Agreed<'a> {
    /// The listener of this rank.
    pub fn new(ranks: &'a dyn Ranks, listener: &'a mut dyn Listener) -> Self {
        Self { ranks, listener }
    }

    fn flow(&self, mine: ControlFlow<()>) -> ControlFlow<()> {
        if self.ranks.any(mine.is_break()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// # Errors
    /// [`RunError::OtherWeights`].
    fn check_weights(&self, record: &EpochRecord) -> Result<(), RunError> {
        let hashes = self.ranks.all_gather_bytes(record.weights_hash.as_bytes());
        match hashes.iter().position(|hash| *hash != hashes[0]) {
            Some(rank) => Err(RunError::OtherWeights { rank, epoch: record.epoch }),
            None => Ok(()),
        }
    }
}

impl Listener for Agreed<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        let mine = self.listener.progress(progress);
        self.flow(mine)
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.check_weights(record)?;
        let mine = self.listener.epoch(record, snapshot);
        let flow = self.flow(mine.as_ref().map_or(ControlFlow::Break(()), |&flow| flow));
        mine.map(|_| flow)
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.listener.checkpoint(snapshot);
    }

    fn evaluated(&mut self, evaluation: &ProgressEvaluation) {
        self.listener.evaluated(evaluation);
    }

    fn diverged(&mut self, divergence: &Divergence) {
        self.listener.diverged(divergence);
    }
}
