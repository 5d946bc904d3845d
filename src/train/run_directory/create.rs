//! New run directories.

use std::fs;
#[cfg(feature = "cli")]
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::checkpoints::{BestModel, Checkpoints};
use super::metrics_csv;
use super::metrics_log::MetricsLog;
use super::saved_file::SavedFile;
use super::{CONFIG, LOCK, METRICS, REPLACED, RunDirectory, RunError, lock, text_of};
use crate::calendar::Utc;
use crate::files::{is_temporary_file_of, operations, remove_temporary_files_of, sync_folder};
use crate::train::RunConfig;

/// Runs started in the same second get a numeric suffix. This is how many names are tried.
const MAX_NAMES_PER_SECOND: u32 = 1000;

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
        let path = Self::create_timestamped_folder(parent, dataset)?;
        Self::start(path, config, true)
    }

    /// Creates a new folder `NAME-DATE-TIME` in `parent`, without a run in it, and returns its path. Date and time are in
    /// UTC.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub(crate) fn create_timestamped_folder(parent: &Path, name: &str) -> Result<PathBuf, RunError> {
        let stem = format!("{name}-{}", timestamp(SystemTime::now()));
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
        created.map_err(|source| RunError::Make { path: parent.join(stem), source })
    }

    /// Creates a folder and its parents, unless it exists. Returns whether it was created.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    #[cfg(feature = "cli")]
    pub(crate) fn create_folder(path: &Path) -> Result<bool, RunError> {
        operations::create_folders(path).map_err(|source| RunError::Make { path: path.to_owned(), source })
    }

    /// Locks a folder like that of a run.
    ///
    /// # Errors
    /// Returns an error if another process has locked it, or if the lock's file cannot be created.
    #[cfg(feature = "cli")]
    pub(crate) fn lock_folder(path: &Path) -> Result<File, RunError> {
        lock(path)
    }

    /// Removes a folder, if it is empty.
    #[cfg(feature = "cli")]
    pub(crate) fn remove_empty_folder(path: &Path) {
        // What is in use or not empty stays.
        let _ = operations::remove_folder(path);
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
        let metrics_csv = metrics_csv::new(path);
        Ok(Self {
            path: path.to_owned(),
            config,
            metrics,
            metrics_csv,
            failure: None,
            model: None,
            checkpoints,
            _lock: lock,
        })
    }
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
