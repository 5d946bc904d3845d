//! Run directories: `config.toml` (the configuration), `metrics.jsonl` (one line per epoch), `model.safetensors` (the
//! latest weights), `best.safetensors` (the weights of the best epoch) and `checkpoint.safetensors` (everything needed
//! to resume).
//!
//! Each run has a directory of its own. A directory that is not empty is rejected, so that no run is ever overwritten,
//! and the directory is created before training starts, so that an unwritable path is reported early. While a run is in
//! progress it holds a lock on its directory, so that no second process can resume it.
//!
//! Whenever the process ends, the directory can be resumed, or, before it has a configuration, used for a new run.
//! Metrics are flushed to disk before the checkpoint that counts their epochs.

mod checkpoints;
mod error;
mod metrics_log;
mod saved_file;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs4::TryLockError;

pub use error::RunError;

use super::{Checkpoint, CheckpointLoadError, EpochRecord, RunConfig};
use crate::calendar::Utc;
use crate::files::{is_temporary_file_of, operations, remove_temporary_files_of, sync_folder};
use crate::model::{Model, weights};
use checkpoints::{BestModel, Checkpoints, StoredCheckpoint, content_of_best};
use metrics_log::{MetricsLog, ReadMetrics};
use saved_file::SavedFile;

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const LOCK: &str = ".lock";

/// The files that are replaced as a whole.
const REPLACED: [&str; 5] = [CONFIG, METRICS, MODEL, BEST, CHECKPOINT];

/// Runs started in the same second get a numeric suffix. This is how many names are tried.
const MAX_NAMES_PER_SECOND: u32 = 1000;

/// The directory of a run in progress. It is locked until this value is dropped.
///
/// The newest content of each file is kept in memory: [`Self::write`] writes what is new or could not be written
/// before, and [`Self::finish`] reads everything back.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    config: SavedFile,
    metrics: MetricsLog,
    /// `None` until the first model is known.
    model: Option<SavedFile>,
    checkpoints: Checkpoints,
    /// The operating system releases the lock even if the process is killed.
    _lock: File,
}

/// The directory of an earlier run, checked and locked, but not changed.
#[derive(Debug)]
pub struct EarlierRun {
    path: PathBuf,
    metrics: ReadMetrics,
    /// `None` if the run ended before it wrote one.
    checkpoint: Option<(Checkpoint, Vec<u8>)>,
    best: BestModel,
    lock: File,
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
    /// Creates the directory `path`, or uses it if it exists and is empty, and writes the configuration into it.
    ///
    /// If the process ends here, the directory can be used for another run, or, once it has the configuration, the run
    /// can be resumed.
    ///
    /// # Errors
    /// Returns an error if the directory is not empty or cannot be created or written to.
    ///
    /// # Panics
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self, RunError> {
        match operations::create_folders(path) {
            Ok(is_new) => Self::start(path.to_owned(), config, is_new),
            Err(source) => Err(RunError::Make { path: path.to_owned(), source }),
        }
    }

    /// Creates a new directory `DATASET-DATE-TIME` in `parent`, and writes the configuration into it. Date and
    /// time are in UTC.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created or written to.
    ///
    /// # Panics
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent.
    pub fn create_timestamped(parent: &Path, dataset: &str, config: &RunConfig) -> Result<Self, RunError> {
        let stem = format!("{dataset}-{}", timestamp(SystemTime::now()));
        let created = operations::create_folders(parent).and_then(|_| {
            for number in 1..=MAX_NAMES_PER_SECOND {
                let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
                let path = parent.join(name);
                match operations::create_folder(&path) {
                    Ok(()) => return Ok(path),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            Err(io::ErrorKind::AlreadyExists.into())
        });
        match created {
            Ok(path) => Self::start(path, config, true),
            Err(source) => Err(RunError::Make { path: parent.join(stem), source }),
        }
    }

    /// Takes an empty directory and writes what is known before training. If that fails, an `is_new` directory is
    /// removed.
    fn start(path: PathBuf, config: &RunConfig, is_new: bool) -> Result<Self, RunError> {
        let started = Self::fill(&path, config);
        if started.is_err() && is_new {
            // The error is more useful than one about this cleanup. Not removed if another process uses it.
            if let Ok(_lock) = lock(&path)
                && check_startable(&path).is_ok()
            {
                let _ = operations::remove_file(&path.join(METRICS));
                let _ = operations::remove_file(&path.join(LOCK));
            }
            let _ = operations::remove_folder(&path);
        }
        started
    }

    /// The configuration is written last: with it, the directory contains a run, and everything else is in place.
    fn fill(path: &Path, config: &RunConfig) -> Result<Self, RunError> {
        check_startable(path)?;
        let lock = lock(path)?;
        // Another process may have been faster.
        check_startable(path)?;
        let metrics_path = path.join(METRICS);
        let cannot_write = |source| RunError::Write { path: metrics_path.clone(), source };
        // What a killed process has left.
        if operations::is_plain(&metrics_path).map_err(cannot_write)? {
            operations::remove_file(&metrics_path).map_err(cannot_write)?;
        }
        remove_temporary_files_of(&path.join(CONFIG));
        let metrics = MetricsLog::create(metrics_path.clone()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RunError::HoldsARun { path: path.to_owned() },
            _ => cannot_write(source),
        })?;
        sync_folder(path).map_err(cannot_write)?;
        let mut config = SavedFile::new(path.join(CONFIG), text_of(config));
        config.write()?;
        let checkpoints = Checkpoints::new(Self::checkpoint_path(path), None, BestModel::None);
        Ok(Self { path: path.to_owned(), config, metrics, model: None, checkpoints, _lock: lock })
    }

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
        failures
    }

    /// Writes what is not written yet, reads all files, and compares them with what was written.
    pub fn finish(&mut self) -> FinishedFiles {
        let restored = self.read_back();
        let mut failures = self.write();
        failures.extend(self.read_back());
        FinishedFiles { restored, failures }
    }

    /// Reads the files that are written. Those that are not as they were written are to be written again.
    fn read_back(&mut self) -> Vec<RunError> {
        let mut failures = Vec::new();
        for file in [Some(&mut self.config), self.model.as_mut()].into_iter().flatten() {
            if file.is_written() {
                failures.extend(file.read_back().err());
            }
        }
        if self.metrics.is_written() {
            failures.extend(self.metrics.read_back().err());
        }
        failures.extend(self.checkpoints.read_back());
        failures
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

    /// Returns whether there is a latest model.
    pub fn has_model(&self) -> bool {
        self.model.is_some()
    }

    /// Returns whether the best epoch's model is in its file.
    pub fn has_best(&self, epoch: u64) -> bool {
        self.checkpoints.has_best(epoch)
    }

    /// The step of the checkpoint on the disk, if there is one.
    pub fn checkpoint_step(&self) -> Option<u64> {
        self.checkpoints.step()
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
        let bytes = operations::read(&path)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))?;
        Ok((path, text))
    }
}

impl EarlierRun {
    /// Locks and checks the directory of an earlier run. Changes nothing.
    ///
    /// # Errors
    /// Returns an error if the directory does not contain a run, if the run is in progress in another process, or if
    /// its files do not match.
    pub fn open(path: &Path) -> Result<Self, OpenRunError> {
        for name in REPLACED.into_iter().chain([LOCK]) {
            let path = path.join(name);
            operations::is_plain(&path).map_err(|source| RunError::Irregular { path, source })?;
        }
        if !path.join(CONFIG).exists() {
            return Err(RunError::NoRun { path: path.to_owned() }.into());
        }
        let lock = lock(path)?;
        let metrics = ReadMetrics::read(path.join(METRICS))?;
        let checkpoint_path = RunDirectory::checkpoint_path(path);
        let checkpoint = match Checkpoint::load_with_bytes(&checkpoint_path) {
            Ok(loaded) => Some(loaded),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error.into()),
        };
        let best = match &checkpoint {
            None => BestModel::None,
            Some((checkpoint, _)) => {
                metrics.check(&checkpoint.state, &checkpoint.config, &checkpoint_path)?;
                BestModel::find(path.join(BEST), &path.join(MODEL), checkpoint, metrics.records())?
            }
        };
        Ok(Self { path: path.to_owned(), metrics, checkpoint, best, lock })
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last checkpoint; `None` if the run ended before it wrote one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// The best epoch, if the file of its model is missing and the model cannot be found elsewhere.
    pub fn lost_best(&self) -> Option<u64> {
        match self.best {
            BestModel::Lost { epoch } => Some(epoch),
            _ => None,
        }
    }

    /// Prepares the directory to continue the run. Removes temporary files that a killed process left behind, and the
    /// metrics of epochs whose steps are not in the checkpoint; writes the configuration.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    ///
    /// # Panics
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent.
    pub fn resume(self, config: &RunConfig) -> Result<RunDirectory, RunError> {
        let Self { path, metrics, checkpoint, best, lock } = self;
        for name in REPLACED {
            remove_temporary_files_of(&path.join(name));
        }
        let epochs = checkpoint.as_ref().map_or(0, |(checkpoint, _)| checkpoint.state.epochs);
        let metrics = metrics.resume(epochs)?;
        let written =
            checkpoint.map(|(checkpoint, content)| StoredCheckpoint::new(content, &checkpoint.state));
        let checkpoints = Checkpoints::new(RunDirectory::checkpoint_path(&path), written, best);
        let config = SavedFile::new(path.join(CONFIG), text_of(config));
        let mut directory = RunDirectory { path, config, metrics, model: None, checkpoints, _lock: lock };
        match directory.write().into_iter().next() {
            None => Ok(directory),
            Some(failure) => Err(failure),
        }
    }
}

/// Why an earlier run cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRunError {
    /// The directory or its files.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointLoadError),
}

fn text_of(config: &RunConfig) -> Vec<u8> {
    toml::to_string(config).expect("a configuration can be represented in TOML").into_bytes()
}

/// Checks that a directory is empty, apart from what a process leaves that is killed before it has written the
/// configuration.
fn check_startable(path: &Path) -> Result<(), RunError> {
    let cannot_make = |source| RunError::Make { path: path.to_owned(), source };
    let config_path = path.join(CONFIG);
    let mut is_empty = true;
    for entry in fs::read_dir(path).map_err(cannot_make)? {
        let entry = entry.map_err(cannot_make)?;
        let (name, metadata) = (entry.file_name(), entry.metadata().map_err(cannot_make)?);
        is_empty &= metadata.is_file()
            && (name == LOCK
                || (name == METRICS && metadata.len() == 0)
                || is_temporary_file_of(&config_path, &name));
    }
    if is_empty {
        Ok(())
    } else if REPLACED.iter().any(|name| path.join(name).exists()) {
        Err(RunError::HoldsARun { path: path.to_owned() })
    } else {
        Err(RunError::NotEmpty { path: path.to_owned() })
    }
}

/// Locks a run directory. Succeeds without a lock on file systems that do not support locking.
fn lock(path: &Path) -> Result<File, RunError> {
    let lock_path = path.join(LOCK);
    let lock = match operations::open_or_create(&lock_path) {
        Ok(lock) => lock,
        Err(source) => return Err(RunError::Write { path: lock_path, source }),
    };
    match operations::try_lock(&lock, &lock_path) {
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
