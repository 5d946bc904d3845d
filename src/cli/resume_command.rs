//! The command that resumes a run, for notes and hints.

use std::path::Path;

use crate::train::quoted;

/// The command that resumes a run.
pub fn resume_command(run: &Path) -> String {
    format!("lenet-gpu train --resume {}", quoted(&run.display().to_string()))
}
