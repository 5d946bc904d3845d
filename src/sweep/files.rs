//! The folder of a sweep.
//!
//! | file | content |
//! | --- | --- |
//! | `sweep.toml` | what was asked, [`SweepConfig`] |
//! | `sweep.jsonl` | a [`MemberResult`] per line, appended when a member has ended; a resumed sweep trusts it |
//! | `sweep.csv` | a row per ended member, for spreadsheets |
//! | `members/0000/` | the run of member 0: an ordinary run directory |
//! | `model.safetensors` | the model of the best member |
//! | `report.html` | the sweep as a page |
//! | `.lock` | empty; locked while a process runs the sweep |

use std::path::{Path, PathBuf};

use super::{MemberResult, Plan, PlanError, SweepConfig};
use crate::files::WriteError;

/// The folder of a sweep in progress. It is locked until this value is dropped.
#[derive(Debug)]
pub struct SweepFiles {
    path: PathBuf,
    stored: StoredSweep,
}

/// What the folder of a sweep contains, without the runs of its members.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSweep {
    /// What was asked.
    pub config: SweepConfig,
    /// All members of the sweep, also those of other shards.
    pub plan: Plan,
    /// The results of the members that have ended, in the order of their numbers.
    pub results: Vec<MemberResult>,
}

/// Why the folder of a sweep cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] WriteError),
    /// The configuration has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl SweepFiles {
    /// Creates the folder `path`, or uses it if it exists and is empty, and writes `sweep.toml`.
    ///
    /// # Errors
    /// If the folder is not empty or cannot be created or written to.
    pub fn create(path: &Path, config: &SweepConfig) -> Result<Self, SweepError> {
        let _ = (path, config);
        todo!()
    }

    /// Creates a new folder `sweep-DATE-TIME` in `parent`, in UTC.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub fn create_timestamped(parent: &Path, config: &SweepConfig) -> Result<Self, SweepError> {
        let _ = (parent, config);
        todo!()
    }

    /// Opens the folder of a sweep to resume it: reads `sweep.toml` and the results of the members that have ended.
    ///
    /// # Errors
    /// If the folder has no sweep, another process runs it, or its files are not what a sweep can have written.
    pub fn open(path: &Path) -> Result<Self, SweepError> {
        let _ = path;
        todo!()
    }

    /// Reads the folder of a sweep without locking or changing it, even while the sweep is in progress.
    ///
    /// # Errors
    /// If the folder has no sweep, or its files are not what a sweep can have written.
    pub fn read(path: &Path) -> Result<StoredSweep, SweepError> {
        let _ = path;
        todo!()
    }

    /// Returns whether a folder has a sweep.
    pub fn is_sweep(path: &Path) -> bool {
        path.join("sweep.toml").is_file()
    }

    /// Appends the result of a member that has ended to `sweep.jsonl`, and flushes it to disk. Rewrites `sweep.csv` from
    /// time to time; [`Self::finish`] does so at last.
    ///
    /// # Errors
    /// If a file cannot be written. The result is kept, and written by the next call.
    pub fn append(&mut self, result: MemberResult) -> Result<(), SweepError> {
        self.stored.results.push(result);
        todo!()
    }

    /// Writes what is not written yet: `sweep.jsonl` and `sweep.csv`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&mut self) -> Result<(), SweepError> {
        todo!()
    }

    /// Makes the model of an ended member the model of the sweep: copies its `model.safetensors`.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn set_model(&mut self, member: usize) -> Result<(), SweepError> {
        let _ = member;
        todo!()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder contains.
    pub fn stored(&self) -> &StoredSweep {
        &self.stored
    }

    /// The folder of a member's run, relative to that of the sweep: `members/0003`.
    pub fn run_of(member: usize) -> String {
        format!("members/{member:04}")
    }

    /// The folder of a member's run.
    pub fn member_path(&self, member: usize) -> PathBuf {
        self.path.join(Self::run_of(member))
    }

    /// The path of the best member's model.
    pub fn model_path(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// The path of the report in the folder of a sweep.
    pub fn report_path(path: &Path) -> PathBuf {
        path.join("report.html")
    }
}
