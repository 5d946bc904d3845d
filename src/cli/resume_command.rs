//! The command that resumes a run, for notes and hints.

use std::path::Path;

/// The command that resumes a run.
pub fn resume_command(run: &Path) -> String {
    let shown = run.display().to_string();
    let is_plain =
        shown.chars().all(|character| character.is_alphanumeric() || "/.-_:\\".contains(character));
    if is_plain {
        format!("lenet-gpu train --resume {shown}")
    } else {
        format!("lenet-gpu train --resume '{}'", shown.replace('\'', r"'\''"))
    }
}
