//! The model of a command: a file, or the folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::hints::RUN_FOLDER;
use crate::model::{Model, weights};
use crate::sweep::SweepFiles;
use crate::train::{RunDirectory, quoted};

/// The model of a command whose other arguments are not models.
#[derive(Debug, Args)]
pub struct ModelArg {
    /// Model file, from a run or from PyTorch, or the folder of a run or a sweep
    #[arg(value_name = "MODEL")]
    typed: Option<PathBuf>,

    /// The same as MODEL
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
}

/// The model of a command whose other arguments are images.
#[derive(Debug, Args)]
pub struct ModelOption {
    /// Model file, from a run or from PyTorch, or the folder of a run or a sweep
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
}

/// A model that was loaded.
#[derive(Debug)]
pub struct LoadedModel {
    pub path: PathBuf,
    pub model: Model,
}

impl ModelArg {
    /// Loads the model.
    pub fn load(&self) -> Result<LoadedModel, Failure> {
        self.load_if_given()?.ok_or_else(|| Failure::usage("missing MODEL", takes()))
    }

    /// Loads the model, if one is given.
    pub fn load_if_given(&self) -> Result<Option<LoadedModel>, Failure> {
        match (&self.typed, &self.model) {
            (Some(one), Some(other)) if one != other => {
                let (one, other) = (one.display(), other.display());
                Err(Failure::Input(anyhow!("the model is given twice, as {one} and as {other}; remove one")))
            }
            (Some(path), _) | (_, Some(path)) => load(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl ModelOption {
    /// Loads the model.
    pub fn load(&self) -> Result<LoadedModel, Failure> {
        load(&self.model)
    }
}

/// Loads the model in a file or in the folder of a run.
pub fn load(path: &Path) -> Result<LoadedModel, Failure> {
    let path = model_file(path)?;
    let model = weights::load(&path).map_err(Failure::input)?;
    Ok(LoadedModel { path, model })
}

fn takes() -> String {
    format!("give a model file, or {RUN_FOLDER}")
}

/// The model file that a path names: itself, or the model in the folder of a run.
pub fn model_file(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let model = RunDirectory::model_path_in(path);
    // If the system does not say, reading the file does.
    if !matches!(model.try_exists(), Ok(false)) {
        return Ok(model);
    }
    let name = model.file_name().unwrap_or_default().display();
    let message = format!("{} has no {name}", path.display());
    if SweepFiles::is_sweep(path) {
        let hint = format!(
            "no member of this sweep has finished yet; `lenet-gpu runs {}` lists those that have begun",
            quoted(&path.display().to_string())
        );
        return Err(Failure::usage(message, hint));
    }
    let others = [RunDirectory::best_path_in(path), RunDirectory::checkpoint_path(path)];
    let hint = match others.iter().find(|other| other.exists()) {
        Some(other) => format!("{} has weights of this run as well", other.display()),
        None => newest_run(path).map_or_else(takes, |run| {
            format!("did you mean {}, the newest run in {}?", run.display(), path.display())
        }),
    };
    Err(Failure::usage(message, hint))
}

/// The run in a folder of runs whose model was written last.
fn newest_run(runs: &Path) -> Option<PathBuf> {
    let is_run = |run: &PathBuf| {
        let is_hidden = run.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && RunDirectory::config_path(run).is_file()
    };
    let written = |run: &PathBuf| fs::metadata(RunDirectory::model_path_in(run)).ok()?.modified().ok();
    let entries = fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path());
    entries.filter(is_run).filter_map(|run| Some((written(&run)?, run))).max().map(|(_, run)| run)
}
