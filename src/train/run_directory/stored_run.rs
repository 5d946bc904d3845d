//! Runs as they are on the disk, for commands that list, compare and show them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs4::TryLockError;

use super::metrics_log::ReadMetrics;
use super::{BEST, CHECKPOINT, CONFIG, FAILURE, LOCK, METRICS, MODEL, OpenRunError, RunDirectory, RunError};
use crate::calendar::Utc;
use crate::files::operations;
use crate::train::{EpochRecord, RunConfig, RunOutcome, RunState, StopReason};

/// A run in any state: finished, interrupted, or in progress in this or another process.
///
/// Only its configuration and its metrics are read, not its weights, so that many runs can be listed quickly.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredRun {
    /// The directory.
    pub path: PathBuf,
    /// The configuration.
    pub config: RunConfig,
    /// The metrics of the completed epochs, in order.
    pub records: Vec<EpochRecord>,
    /// Whether the run is in progress, or how it ended.
    pub status: RunStatus,
    /// When the run started: the time in the directory's name, if it has one, or else that of the run's oldest file.
    pub started: SystemTime,
    /// Whether there is a checkpoint. Without one, the run cannot be resumed from where it ended.
    pub has_checkpoint: bool,
    best: Option<usize>,
}

/// Whether a run is in progress, or how it ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunStatus {
    /// A process is training it.
    Running,
    /// All steps are done.
    Finished,
    /// An early-stopping rule ended it.
    Stopped(StopReason),
    /// Ended before its last step, by Ctrl-C or because the process was killed.
    Interrupted,
    /// Ended by an error, such as a loss that is not finite. Holds the message, one line.
    Failed(String),
}

impl RunStatus {
    /// One word: `running`, `finished`, `stopped`, `interrupted` or `failed`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped(_) => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed(_) => "failed",
        }
    }
}

/// How far below a folder its runs may be: `runs/a` and `runs/sweep/a`.
const MAX_DEPTH: usize = 3;

impl StoredRun {
    /// Reads a run without changing it, even while it is in progress.
    ///
    /// The last line of the metrics may be incomplete, and the model and the checkpoint may be missing. A process that
    /// wants to resume the run waits for this function, which briefly locks the directory.
    ///
    /// # Errors
    /// Returns an error if the directory does not contain a run, or if its configuration or its metrics are not what a
    /// run can have written.
    pub fn open(path: &Path) -> Result<Self, OpenRunError> {
        // Asked first: a run that ends meanwhile is then shown as running, not as interrupted.
        let is_running = is_locked(path)?;
        let config = read_config(path)?;
        let records = ReadMetrics::read(path.join(METRICS))?.into_records();
        let state = state_after(&records);
        let total = config.training.total_steps(config.data.train);
        let is_done = match records.last() {
            Some(last) => last.step >= total,
            None => total == 0 && path.join(MODEL).is_file(),
        };
        let status = match state.stop_reason(&config.training.stopping) {
            _ if is_running => RunStatus::Running,
            Some(reason) => RunStatus::Stopped(reason),
            None if is_done => RunStatus::Finished,
            None => failure(path).map_or(RunStatus::Interrupted, RunStatus::Failed),
        };
        Ok(Self::new(path, config, records, &state, status))
    }

    fn new(
        path: &Path,
        config: RunConfig,
        records: Vec<EpochRecord>,
        state: &RunState,
        status: RunStatus,
    ) -> Self {
        let best = state.best.and_then(|best| usize::try_from(best.epoch).ok()?.checked_sub(1));
        let started = time_in_name(path).unwrap_or_else(|| oldest_file(path));
        let has_checkpoint = path.join(CHECKPOINT).is_file();
        Self { path: path.to_owned(), config, records, status, started, has_checkpoint, best }
    }

    /// Reads all runs in a folder and in the folders within it, in the order of their paths. A run that cannot be read is
    /// an error beside its path, and does not affect the others. Those of a sweep are read only if `folder` is the sweep's
    /// or within it.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub fn all_in(folder: &Path) -> io::Result<Vec<(PathBuf, Result<Self, OpenRunError>)>> {
        let open = |path: PathBuf| {
            let run = Self::open(&path);
            (path, run)
        };
        Ok(Self::paths_in(folder)?.into_iter().map(open).collect())
    }

    /// The paths of the runs that [`Self::all_in`] reads.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub fn paths_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Found::below(folder)?.runs)
    }

    /// The folders of sweeps in a folder and in the folders within it, in the order of their paths; `folder` itself is not
    /// among them.
    #[cfg(feature = "cli")]
    pub(crate) fn sweeps_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Found::below(folder)?.sweeps)
    }

    /// When the sweep in a folder started, as [`Self::started`].
    #[cfg(feature = "cli")]
    pub(crate) fn start_of_sweep(folder: &Path) -> SystemTime {
        time_in_name(folder).unwrap_or_else(|| oldest_file(folder))
    }

    /// Whether a process trains the run or runs the sweep in a folder.
    #[cfg(feature = "cli")]
    pub(crate) fn is_in_progress(folder: &Path) -> bool {
        is_locked(folder).unwrap_or(false)
    }

    /// The name of the directory.
    pub fn name(&self) -> String {
        Self::name_of(&self.path)
    }

    /// The name of the directory of a run.
    pub(crate) fn name_of(run: &Path) -> String {
        let named = run.canonicalize();
        let path = named.as_deref().unwrap_or(run);
        path.file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// The best epoch: the first with the highest accuracy on the validation split, or on the test split if there is no
    /// validation split. `None` before the end of the first epoch.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.best.and_then(|index| self.records.get(index))
    }

    /// The last completed epoch.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.records.last()
    }

    /// Seconds spent training in all completed epochs, without the evaluations.
    pub fn seconds(&self) -> f64 {
        // The sum of no numbers is -0.
        self.records.iter().map(|record| record.seconds).sum::<f64>() + 0.0
    }

    /// Number of epochs of the whole run, including a partial last one.
    pub fn planned_epochs(&self) -> u64 {
        self.config.training.epochs_started(self.config.data.train)
    }

    /// Number of training images per second over all completed epochs; `None` if no time is known.
    pub fn images_per_second(&self) -> Option<f64> {
        let seconds = self.seconds();
        let images: f64 = self.records.iter().map(|record| record.images_per_second * record.seconds).sum();
        (seconds > 0.0).then(|| images / seconds)
    }

    /// [`weights_hash`](crate::train::weights_hash) of the weights after the last completed epoch.
    pub fn weights_hash(&self) -> Option<&str> {
        self.last().map(|last| last.weights_hash.as_str())
    }

    /// Display name of the engine and the device.
    pub fn device(&self) -> &str {
        &self.config.engine.name
    }

    /// The options that the user gave, as name and value; see [`RunConfig::given_options`].
    pub fn non_default_options(&self) -> Vec<(String, String)> {
        self.config.given_options()
    }

    /// The command that repeats the run; see [`RunConfig::reproduce_command`].
    pub fn reproduce_command(&self) -> String {
        self.config.reproduce_command()
    }
}

impl RunDirectory {
    /// The run in this directory as it would be read, without reading it. `outcome` is how this process ends it.
    pub fn stored(&self, config: &RunConfig, outcome: &RunOutcome) -> StoredRun {
        let records = self.metrics.records();
        let state = state_after(&records);
        let status = match outcome {
            RunOutcome::Finished => RunStatus::Finished,
            RunOutcome::Stopped(reason) => RunStatus::Stopped(*reason),
            RunOutcome::Interrupted => RunStatus::Interrupted,
        };
        StoredRun::new(&self.path, config.clone(), records, &state, status)
    }
}

/// The state of a run after these epochs, as far as it follows from them.
pub(super) fn state_after(records: &[EpochRecord]) -> RunState {
    let mut state = RunState::default();
    for record in records {
        state.finish_epoch(record.clone());
    }
    state
}

/// The folders of runs and sweeps below a folder.
#[derive(Default)]
struct Found {
    runs: Vec<PathBuf>,
    sweeps: Vec<PathBuf>,
}

impl Found {
    fn below(folder: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        if is_run(folder) {
            found.runs.push(folder.to_owned());
        } else {
            found.add(folder, MAX_DEPTH)?;
        }
        found.runs.sort_unstable();
        found.sweeps.sort_unstable();
        Ok(found)
    }

    /// Adds what is below a folder. Folders that cannot be read are left out, except for the first.
    fn add(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if is_run(&path) {
                self.runs.push(path);
            } else if path.join(SWEEP).is_file() {
                // It may have thousands of members.
                self.sweeps.push(path);
            } else if depth > 1 && path.is_dir() && !path.is_symlink() {
                let _ = self.add(&path, depth - 1);
            }
        }
        Ok(())
    }
}

/// The file that the folder of a sweep has. The runs of its members are below it.
const SWEEP: &str = "sweep.toml";

/// Whether a folder contains a run, perhaps a damaged one. A run that was killed before it wrote its configuration does not
/// count.
fn is_run(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).symlink_metadata().is_ok();
    has(CONFIG) || (has(METRICS) && (has(CHECKPOINT) || has(BEST) || has(MODEL)))
}

/// Whether a process is training the run. Always false on file systems that do not support locking.
fn is_locked(run: &Path) -> Result<bool, RunError> {
    let path = run.join(LOCK);
    match operations::open_existing(&path) {
        Ok(file) => Ok(matches!(operations::try_lock_shared(&file, &path), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // A link, a pipe, a device or a folder.
        Err(source) if is_irregular(&source) => Err(RunError::Irregular { path, source }),
        Err(source) => Err(RunError::Read { path, source }),
    }
}

fn is_irregular(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

fn read_config(run: &Path) -> Result<RunConfig, RunError> {
    let path = RunDirectory::config_path(run);
    let text = match RunDirectory::read_config(run) {
        Ok((_, text)) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RunError::NoRun { path: run.to_owned() });
        }
        Err(source) if is_irregular(&source) => return Err(RunError::Irregular { path, source }),
        Err(source) => return Err(RunError::Read { path, source }),
    };
    let parsed = RunConfig::from_toml(&text).map_err(|error| error.message().replace('\n', " "));
    let checked = parsed.and_then(|config| config.check_sizes().map(|()| config));
    checked.map_err(|problem| RunError::Config {
        path,
        problem: format!("is not a run's configuration: {problem}"),
    })
}

/// The longest message of a failure that is read, in bytes.
const MAX_FAILURE: u64 = 1 << 16;

/// The error that ended the run, if it has been recorded.
fn failure(run: &Path) -> Option<String> {
    let text = operations::read(&run.join(FAILURE), MAX_FAILURE).ok()?;
    Some(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// The time in the name of a directory that a run without a given name has, such as `mnist-20261122-174530-2`.
fn time_in_name(run: &Path) -> Option<SystemTime> {
    let name = run.file_name()?.to_str()?;
    let parts: Vec<&str> = name.split('-').collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let time_of = |pair: &[&str]| {
        let [date, time] = pair else { return None };
        let is_digits = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(date, 8) || !is_digits(time, 6) {
            return None;
        }
        let utc = Utc {
            year: number(&date[..4])?,
            month: number(&date[4..6])?,
            day: number(&date[6..])?,
            hour: number(&time[..2])?,
            minute: number(&time[2..4])?,
            second: number(&time[4..])?,
        };
        utc.to_system_time()
    };
    parts.windows(2).rev().take(2).find_map(time_of)
}

/// When the run's oldest file was written last. A run's lock is created at its start and never written to.
fn oldest_file(run: &Path) -> SystemTime {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let files = [LOCK, CONFIG, METRICS, SWEEP].into_iter().filter_map(|name| modified(&run.join(name)));
    files.min().unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_from_the_name() {
        for (name, expected) in [
            ("mnist-20261122-174530", Some("2026-11-22T17:45:30Z")),
            ("runs/fashion-mnist-20261122-174530-12", Some("2026-11-22T17:45:30Z")),
            ("20261122-174530", Some("2026-11-22T17:45:30Z")),
            ("mnist-20261122-174530-a-b", None),
            ("mnist-20261322-174530", None),
            ("mnist-2026112-1745300", None),
            ("mnist-2026112é-174530", None),
            ("slow", None),
        ] {
            let time = time_in_name(Path::new(name)).map(|time| Utc::of(time).to_string());
            assert_eq!(time.as_deref(), expected, "{name}");
        }
    }
}
