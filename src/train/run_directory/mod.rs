//! Run directories.
//!
//! | file | content |
//! | --- | --- |
//! | `config.toml` | the configuration |
//! | `metrics.jsonl` | the metrics, a line per epoch |
//! | `model.safetensors` | the latest weights |
//! | `best.safetensors` | the weights of the best epoch |
//! | `checkpoint.safetensors` | everything needed to resume |
//! | `metrics.csv` | the metrics again, for spreadsheets |
//! | `failure.txt` | the error that ended the run; only if one did, and until the run is resumed |
//! | `report.html`, `curves.png` | the run as a page, and its curves; written after the run has ended |
//! | `events.out.tfevents.*` | the run for TensorBoard, if enabled and not written to another folder |
//! | `.lock` | empty; locked while a process trains the run |
//!
//! A run is resumed from the first five files, whatever the others contain.
//!
//! Each run has a directory of its own. A directory that is not empty is rejected, so that no run is ever overwritten,
//! and the directory is created before training starts, so that an unwritable path is reported early. While a run is in
//! progress it holds a lock on its directory, so that no second process can resume it.
//!
//! Whenever the process ends, the directory can be resumed, or, before it has a configuration, used for a new run.
//! Metrics are flushed to disk before the checkpoint that counts their epochs.

mod appended_file;
mod checkpoints;
mod create;
mod earlier_run;
mod error;
mod metrics_csv;
mod metrics_log;
mod report_files;
mod saved_file;
mod stored_run;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fs4::TryLockError;

pub use earlier_run::{EarlierRun, OpenRunError};
pub use error::RunError;
pub use stored_run::{RunStatus, StoredRun};

use super::{Checkpoint, EpochRecord, RunConfig};
use crate::files::operations;
use crate::model::{Model, weights};
#[cfg(feature = "cli")]
use crate::tensorboard::is_event_file;
use appended_file::AppendedFile;
use checkpoints::{Checkpoints, StoredCheckpoint, content_of_best};
use metrics_log::MetricsLog;
use saved_file::SavedFile;

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const LOCK: &str = ".lock";

/// The files that are replaced as a whole, and from which a run resumes.
const REPLACED: [&str; 5] = [CONFIG, METRICS, MODEL, BEST, CHECKPOINT];

const METRICS_CSV: &str = "metrics.csv";
const FAILURE: &str = "failure.txt";
const REPORT: &str = "report.html";
const CURVES: &str = "curves.png";

/// The files that are written for people. A run is resumed whatever they contain.
const DERIVED: [&str; 4] = [METRICS_CSV, FAILURE, REPORT, CURVES];

/// The largest configuration that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The directory of a run in progress. It is locked until this value is dropped.
///
/// The newest content of each file is kept in memory: [`Self::write`] writes what is new or could not be written
/// before, and [`Self::finish`] reads everything back.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    config: SavedFile,
    metrics: MetricsLog,
    metrics_csv: AppendedFile,
    /// `None` unless the run has failed.
    failure: Option<SavedFile>,
    /// `None` until the first model is known.
    model: Option<SavedFile>,
    checkpoints: Checkpoints,
    /// The operating system releases the lock even if the process is killed.
    _lock: File,
}

/// The result of [`RunDirectory::finish`].
#[derive(Debug)]
#[must_use]
pub struct FinishedFiles {
    /// What was wrong with files that something else had changed or removed since they were written; they were written
    /// again.
    pub restored: Vec<RunError>,
    /// Why files are missing or not current; empty if all files were read back.
    pub failures: Vec<RunError>,
}

impl RunDirectory {
    /// Sets the configuration.
    ///
    /// # Panics
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent.
    pub fn set_config(&mut self, config: &RunConfig) {
        self.config.set(text_of(config));
    }

    /// Sets the latest model.
    ///
    /// # Panics
    /// If the number of parameters is not that of the network.
    pub fn set_model(&mut self, model: &Model) {
        let content = weights::to_bytes(model);
        match &mut self.model {
            Some(file) => file.set(content),
            None => self.model = Some(SavedFile::new(self.model_path(), content)),
        }
    }

    /// Appends an epoch to the metrics.
    pub fn append(&mut self, record: &EpochRecord) {
        self.metrics.append(record);
        self.metrics_csv.append(metrics_csv::row(record).as_bytes());
    }

    /// Sets the error that ended the run, a message of one line. It is removed when the run is resumed.
    pub fn set_failure(&mut self, message: &str) {
        let content = format!("{message}\n").into_bytes();
        self.failure = Some(SavedFile::new(self.path.join(FAILURE), content));
    }

    /// Sets the newest checkpoint. At the end of an epoch, call [`Self::append`] first. If that epoch is the best so
    /// far, this also sets the best model.
    ///
    /// # Panics
    /// If the lengths of the parameters or the moments do not match the network.
    pub fn set_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let stored = StoredCheckpoint::new(checkpoint.to_bytes(), &checkpoint.state);
        if let Some(best) = checkpoint.state.best
            && stored.has_best_weights()
        {
            let content = content_of_best(&checkpoint.model, best);
            self.checkpoints.set_best(self.best_path(), best.epoch, content);
        }
        self.checkpoints.set(stored);
    }

    /// Writes the files that are new or could not be written before. Returns why some are still not written; they are
    /// written by the next call, or by [`Self::finish`].
    ///
    /// The files are written in an order that keeps the directory resumable if the process ends in between.
    pub fn write(&mut self) -> Vec<RunError> {
        let mut failures = Vec::new();
        failures.extend(self.config.write().err());
        failures.extend(self.model.as_mut().and_then(|model| model.write().err()));
        failures.extend(self.metrics.write().err());
        failures.extend(self.checkpoints.write(self.metrics.is_written()));
        failures.extend(self.metrics_csv.write().err());
        failures.extend(self.failure.as_mut().and_then(|failure| failure.write().err()));
        failures
    }

    /// Writes what is not written yet, reads all files, and compares them with what was written.
    pub fn finish(&mut self) -> FinishedFiles {
        let mut failures = self.write();
        let restored = self.read_back();
        if !failures.is_empty() || !restored.is_empty() {
            failures = self.write();
            failures.extend(self.read_back());
        }
        FinishedFiles { restored, failures }
    }

    /// Reads the files that are written. Those that are not as they were written are to be written again.
    fn read_back(&mut self) -> Vec<RunError> {
        let mut failures = Vec::new();
        for file in [Some(&mut self.config), self.model.as_mut(), self.failure.as_mut()].into_iter().flatten()
        {
            if file.is_written() {
                failures.extend(file.read_back().err());
            }
        }
        if self.metrics.is_written() {
            failures.extend(self.metrics.read_back().err());
        }
        failures.extend(self.checkpoints.read_back());
        if self.metrics_csv.is_written() {
            failures.extend(self.metrics_csv.read_back().err());
        }
        failures
    }

    /// Whether a run's own files include this one, which other programs and commands must not replace.
    #[cfg(feature = "cli")]
    pub(crate) fn owns(file: &Path) -> bool {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return false };
        let is_run = [CONFIG, METRICS].iter().all(|of_run| folder.join(of_run).is_file());
        let is_own = REPLACED.iter().chain(&DERIVED).any(|own| name == *own);
        is_run && (is_own || is_event_file(file))
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the latest model.
    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// The path of the best epoch's model.
    pub fn best_path(&self) -> PathBuf {
        self.path.join(BEST)
    }

    /// The metrics of all epochs.
    pub fn records(&self) -> Vec<EpochRecord> {
        self.metrics.records()
    }

    /// Returns whether the best epoch's model is in its file.
    pub fn has_best(&self, epoch: u64) -> bool {
        self.checkpoints.has_best(epoch)
    }

    /// The step of the checkpoint on the disk, if there is one.
    pub fn checkpoint_step(&self) -> Option<u64> {
        self.checkpoints.step()
    }

    /// The path of the latest model in the run directory `run`.
    pub fn model_path_in(run: &Path) -> PathBuf {
        run.join(MODEL)
    }

    /// The path of the best epoch's model in the run directory `run`.
    pub fn best_path_in(run: &Path) -> PathBuf {
        run.join(BEST)
    }

    /// The path of the configuration in the run directory `run`.
    pub fn config_path(run: &Path) -> PathBuf {
        run.join(CONFIG)
    }

    /// The path of the checkpoint in the run directory `run`.
    pub fn checkpoint_path(run: &Path) -> PathBuf {
        run.join(CHECKPOINT)
    }

    /// Reads the configuration in the run directory `run`, and returns its path and its text.
    ///
    /// # Errors
    /// Returns an error if it is not a regular file in UTF-8, or cannot be read.
    pub fn read_config(run: &Path) -> io::Result<(PathBuf, String)> {
        let path = run.join(CONFIG);
        let bytes = operations::read(&path, MAX_CONFIG)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))?;
        Ok((path, text))
    }
}

fn text_of(config: &RunConfig) -> Vec<u8> {
    config.to_toml().into_bytes()
}

/// How often the lock is tried, and the pause in between, in milliseconds: [`StoredRun::open`] holds it briefly.
const LOCK_TRIES: (usize, u64) = (5, 20);

/// Locks a run directory. Succeeds without a lock on file systems that do not support locking.
fn lock(path: &Path) -> Result<File, RunError> {
    let lock_path = path.join(LOCK);
    let lock = match operations::open_or_create(&lock_path) {
        Ok(lock) => lock,
        Err(source) => return Err(RunError::Write { path: lock_path, source }),
    };
    let (tries, pause) = LOCK_TRIES;
    for attempt in 1.. {
        match operations::try_lock(&lock, &lock_path) {
            Err(TryLockError::WouldBlock) if attempt < tries => thread::sleep(Duration::from_millis(pause)),
            Err(TryLockError::WouldBlock) => break,
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(lock),
        }
    }
    Err(RunError::InProgress { path: path.to_owned() })
}
