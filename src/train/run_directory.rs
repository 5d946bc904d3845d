//! A run's files: `config.toml` (what it was), `metrics.jsonl` (a line an epoch) and
//! `model.safetensors` (the weights of the last epoch).
//!
//! A folder belongs to one run. One with anything in it is refused, so that no run is ever
//! overwritten; and it is made before training starts, so that what cannot be written is known then.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Config, EpochRecord};
use crate::calendar::Utc;
use crate::files::{WriteError, write_atomically};
use crate::model::{Model, weights};

/// The folder of a run in progress.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    metrics: File,
}

/// Why a run's files could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(
        "{} holds a run already; name another folder with --run-dir, or delete this one first",
        path.display()
    )]
    HoldsARun { path: PathBuf },

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

/// Runs of one second are told apart by a number: this many are tried.
const NAMES_A_SECOND: u32 = 1000;

impl RunDirectory {
    /// Makes the folder that the user named, or takes it where it is empty.
    pub fn named(path: &Path, config: &Config) -> Result<Self, RunError> {
        fs::create_dir_all(path).map_err(|source| RunError::Make { path: path.to_owned(), source })?;
        Self::begin(path.to_owned(), config)
    }

    /// Makes a new folder `<dataset>-<date>-<time>` in `parent`.
    pub fn unnamed(parent: &Path, dataset: &str, config: &Config) -> Result<Self, RunError> {
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
    fn begin(path: PathBuf, config: &Config) -> Result<Self, RunError> {
        let mut content =
            fs::read_dir(&path).map_err(|source| RunError::Make { path: path.clone(), source })?;
        if content.next().is_some() {
            let holds_a_run = [CONFIG, METRICS, MODEL].iter().any(|name| path.join(name).exists());
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
        let text = toml::to_string(config).expect("a config has only what TOML can say");
        write_atomically(&path.join(CONFIG), text.as_bytes())?;
        Ok(Self { path, metrics })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model is.
    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Adds an epoch to the metrics.
    pub fn append(&mut self, record: &EpochRecord) -> Result<(), RunError> {
        let mut line = serde_json::to_string(record).expect("a record has only what JSON can say");
        line.push('\n');
        // One write a line: a reader who follows the file never sees half of one.
        self.metrics
            .write_all(line.as_bytes())
            .and_then(|()| self.metrics.flush())
            .map_err(|source| RunError::Write { path: self.path.join(METRICS), source })
    }

    /// Writes the model, in place of the one before it.
    pub fn save_model(&self, model: &Model) -> Result<(), RunError> {
        Ok(write_atomically(&self.model_path(), &weights::to_bytes(model))?)
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
