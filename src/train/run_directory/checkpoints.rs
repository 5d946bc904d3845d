//! `checkpoint.safetensors` and `best.safetensors`, which depend on each other.
//!
//! The weights of the best epoch must be on the disk whenever a checkpoint names that epoch. The checkpoint at the end of
//! the best epoch contains these weights itself. It is therefore written first, then the model of the best epoch, and
//! only then a later checkpoint. If the process ends between the first two, [`BestModel::find`] takes the weights from
//! the checkpoint.

use std::io;
use std::path::{Path, PathBuf};

use super::saved_file::{SavedFile, read_back};
use super::{BEST, CHECKPOINT, METRICS, RunError};
use crate::files::{operations, write_atomically};
use crate::model::{Model, ModelInfo, Selection, weights};
use crate::train::{Checkpoint, EpochRecord, RunState, weights_hash};

/// A checkpoint's content and what its order depends on.
#[derive(Debug)]
pub(super) struct StoredCheckpoint {
    content: Vec<u8>,
    step: u64,
    best: Option<u64>,
    /// Whether the parameters are those of the best epoch.
    has_best_weights: bool,
}

impl StoredCheckpoint {
    pub fn new(content: Vec<u8>, state: &RunState) -> Self {
        let is_at_end_of_epoch = state.last.as_ref().is_some_and(|last| last.step == state.step);
        Self {
            content,
            step: state.step,
            best: state.best.map(|best| best.epoch),
            has_best_weights: is_at_end_of_epoch && state.last_is_best(),
        }
    }

    pub fn has_best_weights(&self) -> bool {
        self.has_best_weights
    }
}

/// The model of the best epoch.
#[derive(Debug)]
pub(super) enum BestModel {
    /// No epoch is completed.
    None,
    Known {
        epoch: u64,
        file: SavedFile,
    },
    /// The file was missing when the run was resumed.
    Lost {
        epoch: u64,
    },
}

impl BestModel {
    /// Finds the model of the best epoch that a checkpoint names: in its file, or else in the checkpoint or the file of
    /// the latest model, from which its file will be restored.
    ///
    /// # Errors
    /// Returns an error if its file has other content and the model is nowhere else.
    pub fn find(
        path: PathBuf,
        latest: &Path,
        checkpoint: &Checkpoint,
        records: &[EpochRecord],
    ) -> Result<Self, RunError> {
        let Some(best) = checkpoint.state.best else { return Ok(Self::None) };
        let epoch = best.epoch;
        let index = usize::try_from(epoch).unwrap_or(usize::MAX).checked_sub(1);
        let record = index.and_then(|index| records.get(index));
        let is_best = |model: &Model| {
            record.is_some_and(|record| record.weights_hash == weights_hash(&model.parameters))
        };

        let read = operations::read(&path, weights::MAX_FILE);
        if let Ok(content) = &read
            && weights::from_bytes(content)
                .is_ok_and(|model| model.info.selected == Some(best) && is_best(&model))
        {
            return Ok(Self::Known { epoch, file: SavedFile::written(path, content.clone()) });
        }
        let content = if is_best(&checkpoint.model) {
            Some(content_of_best(&checkpoint.model, best))
        } else {
            let latest = weights::load(latest).ok().filter(|model| is_best(model));
            latest.map(|model| content_of_best(&model, best))
        };
        if let Some(content) = content {
            return Ok(Self::Known { epoch, file: SavedFile::new(path, content) });
        }
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Lost { epoch }),
            Err(source) if source.kind() != io::ErrorKind::FileTooLarge => {
                Err(RunError::Read { path, source })
            }
            _ => Err(RunError::NotBest { path, epoch }),
        }
    }

    /// Returns whether nothing prevents a checkpoint that names this epoch as the best: its model is in the file, or
    /// lost.
    fn is_written(&self, named: Option<u64>) -> bool {
        match (self, named) {
            (_, None) => true,
            (Self::None, Some(_)) => false,
            (Self::Known { epoch, file }, Some(named)) => *epoch == named && file.is_written(),
            (Self::Lost { epoch }, Some(named)) => *epoch == named,
        }
    }
}

/// The content of the best epoch's file.
pub(super) fn content_of_best(model: &Model, best: Selection) -> Vec<u8> {
    let info = ModelInfo { selected: Some(best), ..model.info.clone() };
    weights::to_bytes(&Model { info, network: model.network, parameters: model.parameters.clone() })
}

/// Both files.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    /// What is on the disk; `None` if there is no checkpoint, or another one than was written.
    written: Option<StoredCheckpoint>,
    /// The best epoch that a checkpoint on the disk names, even if it cannot be read at the moment; `None` if there is no
    /// checkpoint. Its model must not be replaced.
    named: Option<Option<u64>>,
    /// Checkpoints to be written: the newest, and before it the one with the weights of the best epoch, if the best
    /// epoch's file is not written yet.
    pending: Vec<StoredCheckpoint>,
    best: BestModel,
}

impl Checkpoints {
    pub fn new(path: PathBuf, written: Option<StoredCheckpoint>, best: BestModel) -> Self {
        let named = written.as_ref().map(|written| written.best);
        Self { path, written, named, pending: Vec::new(), best }
    }

    /// Returns whether the model of the best epoch is in its file.
    pub fn has_best(&self, epoch: u64) -> bool {
        matches!(&self.best, BestModel::Known { epoch: known, file } if *known == epoch && file.is_written())
    }

    /// The step of the checkpoint on the disk.
    pub fn step(&self) -> Option<u64> {
        self.written.as_ref().map(|written| written.step)
    }

    /// Sets the newest checkpoint.
    pub fn set(&mut self, checkpoint: StoredCheckpoint) {
        self.pending.retain(|pending| {
            pending.has_best_weights
                && pending.best == checkpoint.best
                && !checkpoint.has_best_weights
                && !self.best.is_written(pending.best)
        });
        self.pending.push(checkpoint);
    }

    /// Sets the model of the newest best epoch.
    pub fn set_best(&mut self, path: PathBuf, epoch: u64, content: Vec<u8>) {
        self.best = BestModel::Known { epoch, file: SavedFile::new(path, content) };
    }

    /// Writes what can be written. Returns why the rest could not be.
    pub fn write(&mut self, metrics_are_written: bool) -> Vec<RunError> {
        let mut failures = Vec::new();
        let mut best = self.write_best();
        while let Some(next) = self.pending.first() {
            let after = if !metrics_are_written {
                Some(METRICS)
            } else if !next.has_best_weights && !self.best.is_written(next.best) {
                Some(BEST)
            } else {
                None
            };
            if let Some(after) = after {
                failures.push(RunError::Waiting { path: self.path.clone(), after, step: self.step() });
                break;
            }
            if let Err(error) = write_atomically(&self.path, &next.content) {
                failures.push(error.into());
                break;
            }
            let written = self.pending.remove(0);
            self.named = Some(written.best);
            self.written = Some(written);
            best = self.write_best();
        }
        failures.extend(best.err());
        failures
    }

    /// Writes the best epoch's model, unless the checkpoint on the disk needs the one that it would replace.
    fn write_best(&mut self) -> Result<(), RunError> {
        let BestModel::Known { epoch, file } = &mut self.best else { return Ok(()) };
        if file.is_written() || self.named.is_none_or(|named| named == Some(*epoch)) {
            file.write()
        } else {
            Err(RunError::Waiting { path: file.path().to_owned(), after: CHECKPOINT, step: None })
        }
    }

    /// Reads both files and compares them with what was written. If they differ, they are to be written again.
    pub fn read_back(&mut self) -> Vec<RunError> {
        let mut failures = Vec::new();
        if let BestModel::Known { file, .. } = &mut self.best
            && file.is_written()
        {
            failures.extend(file.read_back().err());
        }
        if let Some(written) = &self.written
            && let Err(error) = read_back(&self.path, &written.content)
        {
            if matches!(error, RunError::Missing { .. }) {
                self.named = None;
            }
            failures.push(error);
            let is_needed =
                self.pending.is_empty() || (written.has_best_weights && !self.best.is_written(written.best));
            let written = self.written.take();
            if is_needed {
                self.pending.splice(..0, written);
            }
        }
        failures
    }
}
