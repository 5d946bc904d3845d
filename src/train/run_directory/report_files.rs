//! `report.html` and `curves.png`, which show a run. The run can be resumed without them.

use std::path::{Path, PathBuf};

use super::{CURVES, REPORT, RunDirectory};
use crate::files::{WriteError, write_atomically};

impl RunDirectory {
    /// The path of the report in the run directory `run`.
    pub fn report_path_in(run: &Path) -> PathBuf {
        run.join(REPORT)
    }

    /// The path of the picture of the curves in the run directory `run`.
    pub fn curves_path_in(run: &Path) -> PathBuf {
        run.join(CURVES)
    }

    /// Writes the report of the run in `run`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The other files of the run are unaffected.
    pub fn write_report(run: &Path, html: &[u8]) -> Result<(), WriteError> {
        write_atomically(&Self::report_path_in(run), html)
    }

    /// Writes the picture of the curves of the run in `run`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The other files of the run are unaffected.
    pub fn write_curves(run: &Path, png: &[u8]) -> Result<(), WriteError> {
        write_atomically(&Self::curves_path_in(run), png)
    }
}
