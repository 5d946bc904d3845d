//! The report of a sweep: `report.html` in its folder.

mod page;
mod sections;
mod subject;

use std::path::Path;

use crate::files::{WriteError, write_atomically};
use crate::report::page::Page;
use crate::sweep::{StoredSweep, SweepFiles};
use subject::Subject;

/// Writes `report.html` in the folder of a sweep, which may be in progress.
pub fn write(path: &Path, sweep: &StoredSweep) -> Result<(), WriteError> {
    let html = page(path, sweep, Some(path)).to_html();
    write_atomically(&SweepFiles::report_path(path), html.as_bytes())
}

/// The report of the sweep in the folder `path`. Links to runs are relative to `folder`; without it, there are none.
pub fn page(path: &Path, sweep: &StoredSweep, folder: Option<&Path>) -> Page {
    page::of(&Subject::new(path, sweep, folder))
}
