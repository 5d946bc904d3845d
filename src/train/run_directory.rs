//! Run directories: `config.toml` (the configuration), `metrics.jsonl` (one line per epoch), `model.safetensors` (the
//! latest weights), `best.safetensors` (the weights of the best epoch) and `checkpoint.safetensors` (everything needed
//! to resume).
//!
//! Each run has a directory of its own. A directory that is not empty is rejected, so that no run is ever overwritten,
//! and the directory is created before training starts, so that an unwritable path is reported early. While a run is in
//! progress it holds a lock on its directory, so that no second process can resume it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs4::{FileExt, TryLockError};

use super::{Checkpoint, EpochRecord, RunConfig};
use crate::calendar::Utc;
use crate::files::{WriteError, read_text, remove_temporary_files_of, write_atomically};
use crate::model::{Model, weights};

/// The directory of a run in progress. It is locked until this value is dropped.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    metrics: File,
    /// Lines of metrics that could not be written yet.
    unwritten: String,
    /// The operating system releases the lock even if the process is killed.
    _lock: File,
}

/// Why a run directory could not be created, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory already contains a run.
    #[error("{} already contains a run", path.display())]
    HoldsARun {
        /// The directory.
        path: PathBuf,
    },

    /// The directory does not contain a run.
    #[error("{} does not contain a run: it has no {METRICS}", path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },

    /// Another process holds the lock.
    #[error("the run in {} is in progress in another process; end that process first", path.display())]
    InProgress {
        /// The directory.
        path: PathBuf,
    },

    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The directory contains files that are not a run's.
    #[error("{} is not empty; a run needs a new or empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },

    /// The directory could not be created.
    #[error("cannot create the run directory {}", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A file could not be created or appended to.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A file could not be replaced.
    #[error(transparent)]
    File(#[from] WriteError),
}

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const LOCK: &str = ".lock";

/// Runs started in the same second get a numeric suffix. This is how many names are tried.
const MAX_NAMES_PER_SECOND: u32 = 1000;

impl RunDirectory {
    /// Creates the directory `path`, or uses it if it exists and is empty, and writes the configuration into it.
    ///
    /// # Errors
    /// Returns an error if the directory is not empty or cannot be created or written to.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self, RunError> {
        fs::create_dir_all(path).map_err(|source| RunError::Make { path: path.to_owned(), source })?;
        Self::start(path.to_owned(), config)
    }

    /// Creates a new directory `DATASET-DATE-TIME` in `parent`, and writes the configuration into it. Date and
    /// time are in UTC.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created or written to.
    pub fn create_timestamped(parent: &Path, dataset: &str, config: &RunConfig) -> Result<Self, RunError> {
        let stem = format!("{dataset}-{}", timestamp(SystemTime::now()));
        let created = fs::create_dir_all(parent).and_then(|()| {
            for number in 1..=MAX_NAMES_PER_SECOND {
                let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
                let path = parent.join(name);
                match fs::create_dir(&path) {
                    Ok(()) => return Ok(path),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            Err(io::ErrorKind::AlreadyExists.into())
        });
        match created {
            Ok(path) => Self::start(path, config),
            Err(source) => Err(RunError::Make { path: parent.join(stem), source }),
        }
    }

    /// Takes an empty directory and writes what is known before training.
    fn start(path: PathBuf, config: &RunConfig) -> Result<Self, RunError> {
        let mut entries =
            fs::read_dir(&path).map_err(|source| RunError::Make { path: path.clone(), source })?;
        if entries.next().is_some() {
            let holds_a_run =
                [CONFIG, METRICS, MODEL, CHECKPOINT].iter().any(|name| path.join(name).exists());
            return Err(if holds_a_run { RunError::HoldsARun { path } } else { RunError::NotEmpty { path } });
        }
        // If two runs start in the same directory at once, only one of them can create the metrics file.
        let metrics_path = path.join(METRICS);
        let metrics = match File::create_new(&metrics_path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(RunError::HoldsARun { path });
            }
            Err(source) => return Err(RunError::Write { path: metrics_path, source }),
        };
        let lock = lock(&path)?;
        let directory = Self { path, metrics, unwritten: String::new(), _lock: lock };
        directory.save_config(config)?;
        Ok(directory)
    }

    /// Opens the directory of an earlier run to resume it. Removes temporary files that a killed process left behind.
    ///
    /// # Errors
    /// Returns an error if the directory does not contain a run, or if the run is in progress in another process.
    pub fn reopen(path: &Path) -> Result<Self, RunError> {
        let metrics_path = path.join(METRICS);
        let metrics = match OpenOptions::new().write(true).open(&metrics_path) {
            Ok(metrics) => metrics,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunError::NoRun { path: path.to_owned() });
            }
            Err(source) => return Err(RunError::Write { path: metrics_path, source }),
        };
        let lock = lock(path)?;
        for name in [CONFIG, METRICS, MODEL, BEST, CHECKPOINT] {
            remove_temporary_files_of(&path.join(name));
        }
        Ok(Self { path: path.to_owned(), metrics, unwritten: String::new(), _lock: lock })
    }

    /// Removes the metrics of all epochs after epoch number `epochs`: their steps are not in the checkpoint that the
    /// run resumes from.
    ///
    /// # Errors
    /// Returns an error if the metrics file cannot be read or truncated.
    pub fn truncate_metrics(&mut self, epochs: u64) -> Result<(), RunError> {
        let path = self.path.join(METRICS);
        let text = read_text(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        let is_kept = |line: &&str| {
            let record = serde_json::from_str::<EpochRecord>(line);
            record.is_ok_and(|record| record.epoch <= epochs)
        };
        let kept: usize = text.split_inclusive('\n').take_while(is_kept).map(str::len).sum();
        let cut = self.metrics.set_len(kept as u64).and_then(|()| self.metrics.seek(SeekFrom::End(0)));
        cut.map(|_| ()).map_err(|source| RunError::Write { path, source })
    }

    /// Writes the configuration, replacing an earlier one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    ///
    /// # Panics
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent.
    pub fn save_config(&self, config: &RunConfig) -> Result<(), RunError> {
        let text = toml::to_string(config).expect("a configuration can be represented in TOML");
        Ok(write_atomically(&self.path.join(CONFIG), text.as_bytes())?)
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

    /// The path of the checkpoint in the run directory `run`.
    pub fn checkpoint_path(run: &Path) -> PathBuf {
        run.join(CHECKPOINT)
    }

    /// The path of the configuration in the run directory `run`.
    pub fn config_path(run: &Path) -> PathBuf {
        run.join(CONFIG)
    }

    /// Appends an epoch to the metrics.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The line is kept and written by the next call, or by
    /// [`Self::flush`].
    pub fn append(&mut self, record: &EpochRecord) -> Result<(), RunError> {
        self.unwritten += &serde_json::to_string(record).expect("a record can be represented in JSON");
        self.unwritten.push('\n');
        self.flush()
    }

    /// Writes the lines of metrics that could not be written before.
    ///
    /// # Errors
    /// Returns an error if the file still cannot be written; the lines are kept.
    pub fn flush(&mut self) -> Result<(), RunError> {
        let Self { path, metrics, unwritten, .. } = self;
        // One write per line: a program that follows the file never sees part of a line, unless the disk is full.
        let mut append = || {
            let end = metrics.stream_position()?;
            metrics.write_all(unwritten.as_bytes()).inspect_err(|_| {
                // The write error is reported; a failure to undo a partial write adds nothing to it.
                let _ = metrics.set_len(end).and_then(|()| metrics.seek(SeekFrom::Start(end)));
            })
        };
        append().map_err(|source| RunError::Write { path: path.join(METRICS), source })?;
        unwritten.clear();
        Ok(())
    }

    /// Writes the latest model, replacing the previous one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; the previous file is then left unchanged.
    pub fn save_model(&self, model: &Model) -> Result<(), RunError> {
        Ok(write_atomically(&self.model_path(), &weights::to_bytes(model))?)
    }

    /// Writes the best model, replacing the previous one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; the previous file is then left unchanged.
    pub fn save_best(&self, model: &Model) -> Result<(), RunError> {
        Ok(write_atomically(&self.best_path(), &weights::to_bytes(model))?)
    }

    /// Writes the checkpoint, replacing the previous one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; the previous file is then left unchanged.
    pub fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(write_atomically(&Self::checkpoint_path(&self.path), &checkpoint.to_bytes())?)
    }
}

/// Locks a run directory. Succeeds without a lock on file systems that do not support locking.
fn lock(path: &Path) -> Result<File, RunError> {
    let lock_path = path.join(LOCK);
    let lock = File::create(&lock_path).map_err(|source| RunError::Write { path: lock_path, source })?;
    // Called through the trait because newer standard libraries have a method of the same name.
    match FileExt::try_lock(&lock) {
        Err(TryLockError::WouldBlock) => Err(RunError::InProgress { path: path.to_owned() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(lock),
    }
}

/// Formats a time in UTC, such as `20261122-174530`.
fn timestamp(time: SystemTime) -> String {
    let Utc { year, month, day, hour, minute, second } = Utc::of(time);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timestamp_is_date_and_time_in_utc() {
        // `date -u -d @SECONDS +%Y%m%d-%H%M%S`
        for (seconds, expected) in [
            (0, "19700101-000000"),
            (951_782_400, "20000229-000000"),
            (1_735_689_599, "20241231-235959"),
            (1_795_369_530, "20261122-174530"),
            (4_107_542_400, "21000301-000000"),
        ] {
            assert_eq!(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
