//! Successive halving: settings that do badly early are not trained to the end.

use super::{MemberStatus, Metric, Plan};
use crate::train::EpochRecord;

/// The rule of successive halving; with no rungs, all members train to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halving {
    /// The epochs after which settings are compared, in rising order.
    rungs: Vec<u64>,
}

/// Why settings cannot be compared early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HalvingError {
    /// Too few epochs.
    #[error("successive halving needs at least 3 epochs; the runs have {0}")]
    FewEpochs(f64),
    /// Too few settings.
    #[error("successive halving needs at least 3 settings; the sweep has {0}")]
    FewSettings(usize),
}

/// How far a member has got.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemberProgress<'a> {
    /// The records of the epochs that it has completed.
    pub epochs: &'a [EpochRecord],
    /// How it ended; `None` if it has not, even if it waits at a rung.
    pub ended: Option<MemberStatus>,
}

/// What a member is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It trains until it has completed this many epochs, and is then paused; `None`: to the end of its run.
    Train {
        /// The number of completed epochs at which it is paused.
        until: Option<u64>,
    },
    /// It waits at a rung for members of other settings.
    Wait,
    /// Its setting is not among the best third at a rung: it is to be recorded as [`MemberStatus::Eliminated`].
    Eliminate {
        /// The number of epochs after which the settings were compared.
        rung: u64,
    },
    /// It has ended.
    Ended,
}

impl Halving {
    /// Returns the rule for a number of settings that are trained for this many epochs.
    ///
    /// # Errors
    /// If there are too few epochs or settings.
    pub fn new(settings: usize, epochs: f64) -> Result<Self, HalvingError> {
        let _ = (settings, epochs);
        todo!()
    }

    /// Returns the rule by which all members train to their end.
    pub fn none() -> Self {
        Self { rungs: Vec::new() }
    }

    /// Returns the epochs after which settings are compared, in rising order.
    pub fn rungs(&self) -> &[u64] {
        &self.rungs
    }

    /// Returns what each member of the plan is to do next, given how far each has got, in the order of
    /// [`Plan::members`]. It depends on nothing else, so that a resumed sweep takes the same decisions. To be asked
    /// again whenever a member has ended or has been paused.
    pub fn goals(&self, plan: &Plan, metric: Metric, progress: &[MemberProgress]) -> Vec<Goal> {
        let _ = (plan, metric, progress);
        todo!()
    }
}
