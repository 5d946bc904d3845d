//! The sweep as a page.

use std::path::Path;

use crate::files::WriteError;
use crate::sweep::StoredSweep;

/// Writes `report.html` in the folder of a sweep, which may be in progress.
pub fn write(path: &Path, sweep: &StoredSweep) -> Result<(), WriteError> {
    let _ = (path, sweep);
    todo!()
}
