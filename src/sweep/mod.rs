//! Sweeps: many runs with different options. Which settings to try, which members to train, and what came of them.
//!
//! A sweep varies some options ([`Variation`]). Each combination of their values is a [`Setting`]. A setting is trained
//! once for each seed, because a single run is one sample of a random result; such a run is a [`Member`]. Names and values
//! of options are text here: what they mean is known to the caller.

mod plan;
mod results;

pub use plan::{Member, Plan, Setting};
pub use results::{MemberResult, MemberStatus, Metric};
