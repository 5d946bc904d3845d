//! Trains the members of a sweep.

use std::time::Instant;

use super::members::Sweep;
use crate::cli::{Ending, Failure, Output};
use crate::sweep::SweepFiles;

/// Trains the members, writes the files of the sweep and its report, and shows the progress. An interrupted sweep can be
/// resumed.
pub fn run(sweep: Sweep, started: Instant, output: &mut Output) -> Result<(SweepFiles, Ending), Failure> {
    let _ = (sweep, started, output);
    todo!()
}
