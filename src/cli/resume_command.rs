//! The commands that resume a run and a sweep, for notes and hints.

use std::path::Path;

use crate::train::quoted;

/// The command that resumes a run.
pub fn resume_command(run: &Path) -> String {
    format!("lenet-gpu train --resume {}", quoted(&run.display().to_string()))
}

/// The command that resumes a sweep.
pub fn resume_sweep_command(sweep: &Path) -> String {
    format!("lenet-gpu sweep --resume {}", quoted(&sweep.display().to_string()))
}
