//! Sweeps: many runs with different options. Which settings to try, which members to train, and what came of them.
//!
//! A sweep varies some options ([`Variation`]). Each combination of their values is a [`Setting`]. A setting is trained
//! once for each seed, because a single run is one sample of a random result; such a run is a [`Member`]. Names and values
//! of options are text here: what they mean is known to the caller.
//!
//! [`Plan`] has the settings, in the order of a grid or drawn at random; [`Halving`] says which members train on and which
//! end early; [`statistics`] compares the settings; [`SweepFiles`] is the folder.

mod config;
mod error;
mod files;
#[cfg(test)]
mod files_tests;
mod halving;
mod merge;
#[cfg(test)]
mod merge_tests;
mod plan;
mod results;
mod results_csv;
mod results_log;
pub mod statistics;
mod variation;

pub use config::{Keep, Shard, SweepConfig, SweepTable, variations};
pub use error::SweepError;
pub use files::{StoredSweep, SweepFiles};
pub use halving::{Goal, Halving, HalvingError, MemberProgress};
pub use merge::{MergeError, Shards};
pub use plan::{MAX_MEMBERS, Member, Plan, PlanError, Setting};
pub use results::{MemberResult, MemberStatus, Metric};
pub use variation::{Values, Variation, VariationError};
