//! What came of a sweep, on stdout: the settings, the best first, whether the best two differ by more than noise, and how
//! to repeat the best.

use crate::cli::{Failure, Output};
use crate::sweep::{StoredSweep, SweepFiles};

/// Prints the conclusion, or, with `--json`, one object.
pub fn print(files: &SweepFiles, json: bool, output: &mut Output) -> Result<(), Failure> {
    let _ = (files, json, output);
    todo!()
}

/// The command that repeats the best setting; `None` if no member has finished.
pub fn repeat_command(sweep: &StoredSweep) -> Option<String> {
    let _ = sweep;
    todo!()
}
