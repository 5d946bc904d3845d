//! Where a model comes from, as its file and its run record it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{Failure, notice};
use crate::model::weights::{self, Writer};
use crate::model::{Model, ModelInfo};
use crate::train::{
    Checkpoint, EpochRecord, OpenRunError, Program, RunConfig, RunError, StoredRun, weights_hash,
};

/// What is known about a model file.
#[derive(Debug)]
pub struct Provenance {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The version of lenet-gpu that wrote it; `None` if another program did.
    pub writer: Option<Writer>,
    /// The hash of the weights, as in `metrics.jsonl`.
    pub weights_hash: String,
    /// What the file records.
    pub info: ModelInfo,
    /// The number of classes.
    pub classes: usize,
    /// The run that the file belongs to, if it is in a run's folder or is a checkpoint.
    pub run: Option<RunOrigin>,
}

/// The run of a model.
#[derive(Debug)]
pub struct RunOrigin {
    /// The folder's name; `None` if only the checkpoint is known.
    pub name: Option<String>,
    /// `finished`, `interrupted` and so on; `None` if only the checkpoint is known.
    pub status: Option<&'static str>,
    /// The options that the user gave, as typed; `None` if only the checkpoint is known.
    pub command: Option<String>,
    /// The completed epochs.
    pub epochs: u64,
    /// The configuration.
    pub config: RunConfig,
    /// The metrics of the epoch that ended with these weights; `None` if no completed epoch did.
    pub epoch: Option<EpochRecord>,
}

impl Provenance {
    /// Finds out about a model that was loaded from a file.
    pub fn of(path: &Path, model: &Model) -> Result<Self, Failure> {
        let weights_hash = weights_hash(&model.parameters);
        Ok(Self {
            path: path.to_owned(),
            bytes: fs::metadata(path).map_or(0, |metadata| metadata.len()),
            writer: weights::writer(path).map_err(Failure::input)?,
            run: run_of(path, &weights_hash),
            weights_hash,
            info: model.info.clone(),
            classes: model.network.classes,
        })
    }

    /// The program that trained the model: that of its run, or else the one that wrote the file.
    pub fn program(&self) -> Option<Program> {
        if let Some(run) = &self.run {
            return Some(run.config.program.clone());
        }
        let version = self.writer.as_ref()?.program.clone()?;
        Some(Program { version, commit: String::new() })
    }

    /// The metrics of the epoch that ended with these weights, if a run has them.
    pub fn record(&self) -> Option<&EpochRecord> {
        self.run.as_ref()?.epoch.as_ref()
    }

    /// The epoch that ended with these weights, counted from 1.
    pub fn epoch(&self) -> Option<u64> {
        self.record().map(|record| record.epoch).or_else(|| self.info.selected.map(|selected| selected.epoch))
    }
}

/// The run of a file: that of the folder with the file, or else of the checkpoint that the file is.
fn run_of(path: &Path, hash: &str) -> Option<RunOrigin> {
    let of_hash = |record: &&EpochRecord| record.weights_hash == hash;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match StoredRun::open(folder) {
        Ok(run) => {
            return Some(RunOrigin {
                name: Some(run.name()),
                status: Some(run.status.name()),
                command: Some(run.reproduce_command()),
                epochs: run.records.len() as u64,
                // The last one, if a learning rate of 0 left the weights as they were.
                epoch: run.records.iter().rev().find(of_hash).cloned(),
                config: run.config,
            });
        }
        Err(OpenRunError::Run(RunError::NoRun { .. })) => {}
        Err(error) => notice::warning(format_args!(
            "the run of this model is not shown: {}",
            crate::cli::failure::one_line(&error)
        )),
    }
    // Any other model has no state of a run, which is no error here.
    let checkpoint = Checkpoint::load(path).ok()?;
    let last = checkpoint.state.last;
    Some(RunOrigin {
        name: None,
        status: None,
        command: None,
        epochs: checkpoint.state.epochs,
        epoch: last.filter(|last| of_hash(&last)),
        config: checkpoint.config,
    })
}
