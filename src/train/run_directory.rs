//! A run's files: `config.toml` (what it was), `metrics.jsonl` (a line an epoch), `model.safetensors` (the weights of
//! the last epoch), `best.safetensors` (those of the best one) and `checkpoint.safetensors` (all that going on needs).
//!
//! A folder belongs to one run. One with anything in it is refused, so that no run is ever
//! overwritten; and it is made before training starts, so that what cannot be written is known then. While a run is in
//! progress it holds the lock of its folder, so that it is not taken up a second time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs4::{FileExt, TryLockError};

use super::{Checkpoint, EpochRecord, RunConfig};
use crate::calendar::Utc;
use crate::files::{WriteError, read_text, remove_temporary_files_of, write_atomically};
use crate::model::{Model, weights};

/// The folder of a run in progress.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    metrics: File,
    /// Lines that could not be written yet.
    unwritten: String,
    /// Held as long as this lives; the system frees it even where the program is killed.
    _lock: File,
}

/// Why a run's files could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(
        "{} holds a run already; --resume goes on with it, --run-dir names another folder",
        path.display()
    )]
    HoldsARun { path: PathBuf },

    #[error("{} holds no run to go on with: it has no {METRICS}", path.display())]
    NoRun { path: PathBuf },

    #[error("the run in {} is in progress in another process; end that one first", path.display())]
    InProgress { path: PathBuf },

    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is not empty; a run needs a folder of its own: name another with --run-dir", path.display())]
    NotEmpty { path: PathBuf },

    #[error("cannot make the run directory {}; --run-dir names another", path.display())]
    Make { path: PathBuf, source: io::Error },

    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error(transparent)]
    File(#[from] WriteError),
}

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const LOCK: &str = ".lock";

/// Runs of one second are told apart by a number: this many are tried.
const NAMES_A_SECOND: u32 = 1000;

impl RunDirectory {
    /// Makes the folder that the user named, or takes it where it is empty.
    pub fn named(path: &Path, config: &RunConfig) -> Result<Self, RunError> {
        fs::create_dir_all(path).map_err(|source| RunError::Make { path: path.to_owned(), source })?;
        Self::begin(path.to_owned(), config)
    }

    /// Makes a new folder `<dataset>-<date>-<time>` in `parent`.
    pub fn unnamed(parent: &Path, dataset: &str, config: &RunConfig) -> Result<Self, RunError> {
        let stem = format!("{dataset}-{}", timestamp(SystemTime::now()));
        let made = fs::create_dir_all(parent).and_then(|()| {
            for number in 1..=NAMES_A_SECOND {
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
        match made {
            Ok(path) => Self::begin(path, config),
            Err(source) => Err(RunError::Make { path: parent.join(stem), source }),
        }
    }

    /// Writes what is known before training.
    fn begin(path: PathBuf, config: &RunConfig) -> Result<Self, RunError> {
        let mut content =
            fs::read_dir(&path).map_err(|source| RunError::Make { path: path.clone(), source })?;
        if content.next().is_some() {
            let holds_a_run =
                [CONFIG, METRICS, MODEL, CHECKPOINT].iter().any(|name| path.join(name).exists());
            return Err(if holds_a_run { RunError::HoldsARun { path } } else { RunError::NotEmpty { path } });
        }
        // First what only one of two runs that begin at once can make.
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

    /// Takes up the folder of a run that was left. What a process that was killed left half written is removed.
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

    /// Leaves the metrics of this many epochs: those after them are of steps that the checkpoint does not have.
    pub fn keep_epochs(&mut self, epochs: u64) -> Result<(), RunError> {
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

    /// Writes what the run is, in place of what was written before.
    pub fn save_config(&self, config: &RunConfig) -> Result<(), RunError> {
        let text = toml::to_string(config).expect("a config has only what TOML can say");
        Ok(write_atomically(&self.path.join(CONFIG), text.as_bytes())?)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model is.
    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Where the best epoch's model is.
    pub fn best_path(&self) -> PathBuf {
        self.path.join(BEST)
    }

    /// Where a run's checkpoint is.
    pub fn checkpoint_path(run: &Path) -> PathBuf {
        run.join(CHECKPOINT)
    }

    /// Where a run's config is.
    pub fn config_path(run: &Path) -> PathBuf {
        run.join(CONFIG)
    }

    /// Adds an epoch to the metrics. Where it cannot be written, it is with the next one or with [`Self::flush`].
    pub fn append(&mut self, record: &EpochRecord) -> Result<(), RunError> {
        self.unwritten += &serde_json::to_string(record).expect("a record has only what JSON can say");
        self.unwritten.push('\n');
        self.flush()
    }

    /// Writes the lines of metrics that could not be written before.
    pub fn flush(&mut self) -> Result<(), RunError> {
        let Self { path, metrics, unwritten, .. } = self;
        // One write a line: a reader who follows the file never sees half of one, unless the disk is full.
        let mut add = || {
            let end = metrics.stream_position()?;
            metrics.write_all(unwritten.as_bytes()).inspect_err(|_| {
                // The error is on its way.
                let _ = metrics.set_len(end).and_then(|()| metrics.seek(SeekFrom::Start(end)));
            })
        };
        add().map_err(|source| RunError::Write { path: path.join(METRICS), source })?;
        unwritten.clear();
        Ok(())
    }

    /// Writes the model, in place of the one before it.
    pub fn save_model(&self, model: &Model) -> Result<(), RunError> {
        Ok(write_atomically(&self.model_path(), &weights::to_bytes(model))?)
    }

    /// Writes the best model, in place of the one before it.
    pub fn save_best(&self, model: &Model) -> Result<(), RunError> {
        Ok(write_atomically(&self.best_path(), &weights::to_bytes(model))?)
    }

    /// Writes the checkpoint, in place of the one before it.
    pub fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(write_atomically(&Self::checkpoint_path(&self.path), &checkpoint.to_bytes())?)
    }
}

/// Takes the lock of a run's folder. On a file system without locks there is none to be had, and none is missed.
fn lock(path: &Path) -> Result<File, RunError> {
    let lock_path = path.join(LOCK);
    let lock = File::create(&lock_path).map_err(|source| RunError::Write { path: lock_path, source })?;
    // The trait is named since newer standard libraries have a method of this name.
    match FileExt::try_lock(&lock) {
        Err(TryLockError::WouldBlock) => Err(RunError::InProgress { path: path.to_owned() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(lock),
    }
}

/// `20261122-174530`, in UTC.
fn timestamp(time: SystemTime) -> String {
    let Utc { year, month, day, hour, minute, second } = Utc::of(time);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timestamp_is_the_date_and_time_in_utc() {
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
