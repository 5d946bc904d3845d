//! The model of a command, or its models: files, or the folders of runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::hints::RUN_FOLDER;
use super::{Failure, notice, patterns};
use crate::model::{Ensemble, Model, NamedModel, weights};
use crate::sweep::SweepFiles;
use crate::train::{RunDirectory, quoted};
use crate::wording::count;

/// The models of a command whose other arguments are not models.
#[derive(Debug, Args)]
pub struct ModelsArg {
    /// Model file, from a run or from PyTorch, or the folder of a run or a sweep. The probabilities of several are averaged; a pattern
    /// such as 'runs/sweep/members/*' names all that match
    #[arg(value_name = "MODEL")]
    typed: Vec<PathBuf>,

    /// The same as MODEL
    #[arg(long, value_name = "MODEL")]
    model: Vec<PathBuf>,
}

/// The models of a command whose other arguments are images.
#[derive(Debug, Args)]
pub struct ModelsOption {
    /// Model file, from a run or from PyTorch, or the folder of a run or a sweep. Give it several times, or a quoted pattern such as
    /// 'runs/sweep/members/*', to average the probabilities of several models
    #[arg(long, value_name = "MODEL", required = true)]
    model: Vec<PathBuf>,
}

/// A model that was loaded.
#[derive(Debug)]
pub struct LoadedModel {
    pub path: PathBuf,
    pub model: Model,
}

/// The models of a command that were loaded: one or several.
#[derive(Debug)]
pub struct LoadedModels {
    pub paths: Vec<PathBuf>,
    pub ensemble: Ensemble,
}

impl ModelsArg {
    /// Loads the models.
    pub fn load(&self) -> Result<LoadedModels, Failure> {
        self.load_if_given()?.ok_or_else(|| Failure::usage("missing MODEL", takes()))
    }

    /// Loads the models, if any is given.
    pub fn load_if_given(&self) -> Result<Option<LoadedModels>, Failure> {
        let mut typed = self.typed.iter().chain(&self.model).peekable();
        typed.peek().is_some().then(|| load_all(typed)).transpose()
    }
}

impl ModelsOption {
    /// Loads the models.
    pub fn load(&self) -> Result<LoadedModels, Failure> {
        load_all(&self.model)
    }
}

/// Loads the models that paths and patterns name. The same file twice counts once.
fn load_all<'a>(typed: impl IntoIterator<Item = &'a PathBuf>) -> Result<LoadedModels, Failure> {
    // The models with their names, which are shorter than the paths of their files.
    let mut named: Vec<(PathBuf, PathBuf)> = Vec::new();
    for typed in typed {
        for name in expand(typed)? {
            let path = find_model(&name, true)?;
            if named.iter().all(|(_, known)| *known != path) {
                named.push((name, path));
            }
        }
    }
    let mut members: Vec<NamedModel> = Vec::with_capacity(named.len());
    for (name, path) in &named {
        let (name, model) = (name.display().to_string(), weights::load(path).map_err(Failure::input)?);
        let same = members.iter().find(|other| other.model.parameters == model.parameters);
        if let Some(same) = same {
            notice::warning(format_args!("{} and {name} have the same weights; both count", same.name));
        }
        members.push(NamedModel { name, model });
    }
    let ensemble = Ensemble::new(members).map_err(Failure::input)?;
    Ok(LoadedModels { paths: named.into_iter().map(|(_, path)| path).collect(), ensemble })
}

/// The files and folders that a pattern matches, sorted by name, without folders that hold no model. Anything that exists
/// or is not a pattern names itself.
fn expand(typed: &Path) -> Result<Vec<PathBuf>, Failure> {
    let pattern = typed.to_str().filter(|text| text.contains(['*', '?', '[']) && !typed.exists());
    let Some(pattern) = pattern else { return Ok(vec![typed.to_owned()]) };
    let found = patterns::expand(pattern)
        .with_context(|| format!("cannot expand the pattern {pattern}"))
        .map_err(Failure::Input)?;
    let has_model = |path: &PathBuf| !path.is_dir() || RunDirectory::model_path_in(path).is_file();
    let (models, others): (Vec<_>, Vec<_>) = found.into_iter().partition(has_model);
    match (models.is_empty(), others.first()) {
        (false, None) => {}
        (false, Some(first)) => notice::warning(format_args!(
            "ignored {} without a model that {} {pattern}, starting with {}",
            count(others.len(), "folder"),
            if others.len() == 1 { "matches" } else { "match" },
            first.display()
        )),
        (true, None) => return Err(Failure::usage(format!("nothing matches {pattern}"), takes())),
        (true, Some(_)) => {
            return Err(Failure::usage(format!("no folder that matches {pattern} has a model"), takes()));
        }
    }
    Ok(models)
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
    find_model(path, false)
}

/// The same, for a command that takes several models if `are_averaged`.
fn find_model(path: &Path, are_averaged: bool) -> Result<PathBuf, Failure> {
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
        None => {
            let (runs, folder) = (runs_in(path), path.display());
            let all = match are_averaged && runs.len() > 1 {
                true => format!(" '{folder}/*' averages all of them"),
                false => String::new(),
            };
            runs.last().map_or_else(takes, |newest| {
                format!("did you mean {}, the newest run in {folder}?{all}", newest.display())
            })
        }
    };
    Err(Failure::usage(message, hint))
}

/// The runs in a folder that have a model; the one whose model was written last comes last.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let is_run = |run: &PathBuf| {
        let is_hidden = run.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && RunDirectory::config_path(run).is_file()
    };
    let written = |run: &PathBuf| fs::metadata(RunDirectory::model_path_in(run)).ok()?.modified().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<_> = entries.filter(is_run).filter_map(|run| Some((written(&run)?, run))).collect();
    runs.sort();
    runs.into_iter().map(|(_, run)| run).collect()
}
