//! The models to choose from: those of the runs and sweeps in a folder, and the one that the server was started with.

use std::iter;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::calendar::Utc;
use crate::model::ModelInfo;
use crate::train::{RunDirectory, StoredRun};
use crate::wording::count;

/// The ID of a model that is not in the folder of runs. No path in a folder begins with a slash.
const OUTSIDE_ID: &str = "/given";

/// The ID of the model of a live run.
pub const LIVE_ID: &str = "/live";

/// A model that can be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// Identifies the model: the path of its run in the folder of runs, or one of the names above.
    pub id: String,
    /// A name for display.
    pub name: String,
    /// The model file; of an ensemble, that of its first model.
    pub path: PathBuf,
    /// The files of the other models of an ensemble.
    pub others: Vec<PathBuf>,
    /// When the run started.
    pub started: Option<Utc>,
    /// The name of the data set.
    pub dataset: Option<String>,
    /// The number of completed epochs; `None` if unknown.
    pub epochs: Option<u64>,
    /// The test accuracy after the last epoch.
    pub test_accuracy: Option<f64>,
    /// `running`, `finished`, `stopped`, `interrupted`, `failed`, `best of a sweep`, or `file` for a model that is no run's.
    pub state: &'static str,
}

/// Finds models.
#[derive(Debug, Clone)]
pub struct Library {
    runs: PathBuf,
    /// A model that is not in the folder of runs.
    outside: Option<ModelEntry>,
}

impl ModelEntry {
    /// The model of a run in the folder `runs`; `None` if it has none yet.
    fn of_run(run: &StoredRun, runs: &Path) -> Option<Self> {
        let path = RunDirectory::model_path_in(&run.path);
        if !path.is_file() {
            return None;
        }
        let relative = run.path.strip_prefix(runs).ok().filter(|path| !path.as_os_str().is_empty());
        let name = match relative {
            // The same on all systems.
            Some(path) => path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"),
            None => run.name(),
        };
        Some(Self {
            id: name.clone(),
            name,
            path,
            others: Vec::new(),
            started: Some(Utc::of(run.started)),
            dataset: Some(run.config.data.name.clone()),
            epochs: Some(run.records.len() as u64),
            test_accuracy: run.last().map(|last| last.test_accuracy),
            state: run.status.name(),
        })
    }

    /// The model of the best member of a sweep in the folder `runs`; `None` if it has none yet.
    fn of_sweep(sweep: &Path, runs: &Path) -> Option<Self> {
        let path = RunDirectory::model_path_in(sweep);
        if !path.is_file() {
            return None;
        }
        let relative = sweep.strip_prefix(runs).unwrap_or(sweep);
        let name = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        Some(Self {
            id: name.clone(),
            name,
            path,
            others: Vec::new(),
            started: Some(Utc::of(StoredRun::start_of_sweep(sweep))),
            dataset: None,
            epochs: None,
            test_accuracy: None,
            state: "best of a sweep",
        })
    }

    /// The model in a file, which may be in the folder of a run.
    fn of_file(path: &Path, info: &ModelInfo) -> Self {
        let run = path.parent().and_then(|folder| StoredRun::open(folder).ok());
        let is_last = RunDirectory::model_path_in(path.parent().unwrap_or(Path::new(""))) == path;
        let of_run = run.filter(|_| is_last).and_then(|run| {
            let entry = Self::of_run(&run, Path::new(""))?;
            Some(Self { id: OUTSIDE_ID.to_owned(), name: run.name(), ..entry })
        });
        of_run.unwrap_or_else(|| Self {
            id: OUTSIDE_ID.to_owned(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: path.to_owned(),
            others: Vec::new(),
            started: None,
            dataset: info.dataset.clone(),
            epochs: info.selected.map(|selected| selected.epoch),
            test_accuracy: None,
            state: "file",
        })
    }

    /// An ensemble of the models in files, or the model in a file. `info` is what holds for all.
    pub fn of_files(paths: &[PathBuf], info: &ModelInfo) -> Self {
        let (path, others) = paths.split_first().expect("a model has a file");
        if others.is_empty() {
            return Self::of_file(path, info);
        }
        Self {
            id: OUTSIDE_ID.to_owned(),
            name: format!("ensemble of {}", count(paths.len(), "model")),
            path: path.clone(),
            others: others.to_vec(),
            started: None,
            dataset: info.dataset.clone(),
            epochs: None,
            test_accuracy: None,
            state: "file",
        }
    }

    /// The files of the model or of the models of an ensemble.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        iter::once(&self.path).chain(&self.others)
    }

    /// As in the list of models, without whether it is loaded.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "started": self.started.map(|started| started.to_string()),
            "dataset": self.dataset,
            "epochs": self.epochs,
            "test_accuracy": self.test_accuracy,
            "state": self.state,
        })
    }
}

impl Library {
    /// The models of the runs in a folder, which need not exist.
    pub fn new(runs: PathBuf) -> Self {
        Self { runs, outside: None }
    }

    /// Adds a model unless it is in the folder of runs. Returns its entry in the list.
    pub fn add(&mut self, model: ModelEntry) -> ModelEntry {
        let canonical = model.path.canonicalize().ok();
        let is_same = |entry: &ModelEntry| {
            let is_file = entry.path == model.path || entry.path.canonicalize().ok() == canonical;
            is_file && model.others.is_empty()
        };
        self.list().into_iter().find(is_same).unwrap_or_else(|| self.outside.insert(model).clone())
    }

    /// All models, the newest first. Runs that cannot be read or that have no model yet are left out.
    pub fn list(&self) -> Vec<ModelEntry> {
        let runs = StoredRun::all_in(&self.runs).unwrap_or_default();
        let runs = runs.into_iter().filter_map(|(_, run)| ModelEntry::of_run(&run.ok()?, &self.runs));
        let sweeps = StoredRun::sweeps_in(&self.runs).unwrap_or_default().into_iter();
        let sweeps = sweeps.filter_map(|sweep| ModelEntry::of_sweep(&sweep, &self.runs));
        let mut models: Vec<ModelEntry> = runs.chain(sweeps).chain(self.outside.clone()).collect();
        models.sort_by(|one, other| other.started.cmp(&one.started).then_with(|| one.name.cmp(&other.name)));
        models
    }

    /// The newest model.
    pub fn newest(&self) -> Option<ModelEntry> {
        self.list().into_iter().next()
    }

    /// The model with an ID.
    pub fn find(&self, id: &str) -> Option<ModelEntry> {
        self.list().into_iter().find(|model| model.id == id)
    }
}
