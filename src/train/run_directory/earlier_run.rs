//! Directories of earlier runs.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::checkpoints::{BestModel, Checkpoints, StoredCheckpoint};
use super::metrics_csv;
use super::metrics_log::ReadMetrics;
use super::saved_file::SavedFile;
use super::{
    BEST, CONFIG, DERIVED, FAILURE, LOCK, METRICS, MODEL, REPLACED, RunDirectory, RunError, lock, text_of,
};
use crate::files::{operations, remove_temporary_files_of};
use crate::train::{Checkpoint, CheckpointLoadError, EpochRecord, RunConfig};

/// The directory of an earlier run, checked and locked, but not changed.
#[derive(Debug)]
pub struct EarlierRun {
    path: PathBuf,
    metrics: ReadMetrics,
    /// `None` if the run ended before it wrote one.
    checkpoint: Option<(Checkpoint, Vec<u8>)>,
    best: BestModel,
    /// `None` if another process has it.
    lock: Option<File>,
}

/// Locks the directory of a run.
type Lock = fn(&Path) -> Result<File, RunError>;

impl EarlierRun {
    /// Locks and checks the directory of an earlier run. Changes nothing.
    ///
    /// # Errors
    /// Returns an error if the directory does not contain a run, if the run is in progress in another process, or if
    /// its files do not match.
    pub fn open(path: &Path) -> Result<Self, OpenRunError> {
        Self::check(path, Some(lock))
    }

    /// The same for a rank that trains the run together with another process, which locks the directory and writes its
    /// files. It must not [resume](Self::resume) the run.
    ///
    /// # Errors
    /// As [`Self::open`], except if the run is in progress.
    pub fn open_without_lock(path: &Path) -> Result<Self, OpenRunError> {
        Self::check(path, None)
    }

    fn check(path: &Path, lock: Option<Lock>) -> Result<Self, OpenRunError> {
        for name in REPLACED.into_iter().chain(DERIVED).chain([LOCK]) {
            let path = path.join(name);
            operations::is_plain(&path).map_err(|source| RunError::Irregular { path, source })?;
        }
        if !path.join(CONFIG).exists() {
            return Err(RunError::NoRun { path: path.to_owned() }.into());
        }
        let lock = lock.map(|lock| lock(path)).transpose()?;
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

    /// The metrics of the run's epochs, including those that are not in the checkpoint.
    pub fn metrics(&self) -> &[EpochRecord] {
        self.metrics.records()
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
    /// If the configuration contains an integer above 2^63 − 1, which TOML cannot represent, or if the directory is not
    /// locked.
    pub fn resume(self, config: &RunConfig) -> Result<RunDirectory, RunError> {
        let Self { path, metrics, checkpoint, best, lock } = self;
        let lock = lock.expect("a run that is resumed is locked");
        for name in REPLACED.into_iter().chain(DERIVED) {
            remove_temporary_files_of(&path.join(name));
        }
        let failure = path.join(FAILURE);
        if failure.exists() {
            let removed = operations::remove_file(&failure);
            removed.map_err(|source| RunError::Write { path: failure, source })?;
        }
        let epochs = checkpoint.as_ref().map_or(0, |(checkpoint, _)| checkpoint.state.epochs);
        let kept = usize::try_from(epochs).unwrap_or(usize::MAX).min(metrics.records().len());
        let metrics_csv = metrics_csv::of_epochs(&path, &metrics.records()[..kept]);
        let metrics = metrics.resume(epochs)?;
        let written =
            checkpoint.map(|(checkpoint, content)| StoredCheckpoint::new(content, &checkpoint.state));
        let checkpoints = Checkpoints::new(RunDirectory::checkpoint_path(&path), written, best);
        let config = SavedFile::new(path.join(CONFIG), text_of(config));
        let mut directory = RunDirectory {
            path,
            config,
            metrics,
            metrics_csv,
            failure: None,
            model: None,
            checkpoints,
            _lock: lock,
        };
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
