//! The folder of a sweep.
//!
//! | file | content |
//! | --- | --- |
//! | `sweep.toml` | what was asked, [`SweepConfig`] |
//! | `sweep.jsonl` | a [`MemberResult`] per line, appended when a member has ended; a resumed sweep trusts it, except for failures |
//! | `sweep.csv` | a row per ended member, for spreadsheets; never read |
//! | `members/0000/` | the run of member 0: an ordinary run directory |
//! | `model.safetensors` | the model of the best member |
//! | `report.html` | the sweep as a page |
//! | `.lock` | empty; locked while a process runs the sweep |
//!
//! Whenever the process ends, the folder can be resumed or, before it has a configuration, used for a new sweep. The last
//! line of `sweep.jsonl` may be incomplete; it is dropped, and its member continues from its checkpoint. Any other line that
//! is not a result of this sweep is an error.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::SweepError;
use super::results_csv;
use super::results_log::{self, LineError};
use super::{MemberResult, MemberStatus, Plan, SweepConfig};
use crate::files::{is_temporary_file_of, operations, remove_temporary_files_of, write_atomically};
use crate::model::weights;
use crate::train::{RunDirectory, RunError, weights_hash};

const CONFIG: &str = "sweep.toml";
const RESULTS: &str = "sweep.jsonl";
const TABLE: &str = "sweep.csv";
const MODEL: &str = "model.safetensors";
const REPORT: &str = "report.html";
const MEMBERS: &str = "members";
const LOCK: &str = ".lock";

/// The largest configuration that is read, in bytes.
const MAX_CONFIG: u64 = 16 << 20;

/// The largest results that are read, in bytes: those of 10,000 members of some 250 epochs each.
const MAX_RESULTS: u64 = 1 << 30;

/// The largest model that is copied, in bytes; LeNet-5 with 65,536 classes has 22 MB.
const MAX_MODEL: u64 = 1 << 28;

/// How often `sweep.csv` is rewritten while members end.
const TABLE_INTERVAL: Duration = Duration::from_secs(5);

/// The folder of a sweep in progress. It is locked until this value is dropped.
#[derive(Debug)]
pub struct SweepFiles {
    path: PathBuf,
    stored: StoredSweep,
    /// The length of `sweep.jsonl`; `None` if it has to be replaced.
    written: Option<u64>,
    /// How `sweep.jsonl` goes on.
    unwritten: Vec<u8>,
    /// When `sweep.csv` was written.
    table_written: Option<Instant>,
    /// Members that had failed before the sweep was resumed.
    failed: usize,
    /// The operating system releases the lock even if the process is killed.
    _lock: File,
}

/// What the folder of a sweep contains, without the runs of its members.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSweep {
    /// What was asked.
    pub config: SweepConfig,
    /// All members of the sweep, also those of other shards.
    pub plan: Plan,
    /// The results of the members that have ended, in the order of their numbers.
    pub results: Vec<MemberResult>,
}

impl StoredSweep {
    /// Returns the result of a member; `None` if it has not ended.
    pub fn result(&self, member: usize) -> Option<&MemberResult> {
        self.results
            .binary_search_by_key(&member, |result| result.member)
            .ok()
            .map(|index| &self.results[index])
    }

    /// Inserts a result in the order of the members' numbers.
    fn insert(&mut self, result: MemberResult) {
        let index = self.results.partition_point(|other| other.member < result.member);
        self.results.insert(index, result);
    }
}

impl SweepFiles {
    /// Creates the folder `path`, or uses it if it exists and is empty, and writes `sweep.toml`.
    ///
    /// # Errors
    /// If the folder is not empty or cannot be created or written to, or if the configuration has no plan.
    pub fn create(path: &Path, config: &SweepConfig) -> Result<Self, SweepError> {
        let plan = config.plan()?;
        let is_new = RunDirectory::create_folder(path).map_err(made)?;
        Self::start(path.to_owned(), config, plan, is_new)
    }

    /// Creates a new folder `sweep-DATE-TIME` in `parent`, in UTC.
    ///
    /// # Errors
    /// If the folder cannot be created or written to, or if the configuration has no plan.
    pub fn create_timestamped(parent: &Path, config: &SweepConfig) -> Result<Self, SweepError> {
        let plan = config.plan()?;
        let path = RunDirectory::create_timestamped_folder(parent, "sweep").map_err(made)?;
        Self::start(path, config, plan, true)
    }

    /// Takes an empty folder. If that fails, an `is_new` folder is removed.
    fn start(path: PathBuf, config: &SweepConfig, plan: Plan, is_new: bool) -> Result<Self, SweepError> {
        let started = Self::fill(&path, config, plan);
        if started.is_err() && is_new {
            // The error is more useful than one about this cleanup. Not removed if another process uses it.
            if let Ok(_lock) = lock(&path)
                && check_startable(&path).is_ok()
            {
                let _ = operations::remove_file(&path.join(LOCK));
            }
            RunDirectory::remove_empty_folder(&path);
        }
        started
    }

    fn fill(path: &Path, config: &SweepConfig, plan: Plan) -> Result<Self, SweepError> {
        check_startable(path)?;
        let lock = lock(path)?;
        // Another process may have been faster.
        check_startable(path)?;
        let config_path = path.join(CONFIG);
        remove_temporary_files_of(&config_path);
        write_atomically(&config_path, config.to_toml().as_bytes())?;
        let stored = StoredSweep { config: config.clone(), plan, results: Vec::new() };
        Ok(Self {
            path: path.to_owned(),
            stored,
            written: None,
            failed: 0,
            unwritten: Vec::new(),
            table_written: None,
            _lock: lock,
        })
    }

    /// Opens the folder of a sweep to resume it: reads `sweep.toml` and the results of the members that have ended. Those that
    /// have failed are dropped, so that they are trained again: the cause may be gone, such as a full disk.
    ///
    /// # Errors
    /// If the folder has no sweep, another process runs it, or its files are not what a sweep can have written.
    pub fn open(path: &Path) -> Result<Self, SweepError> {
        // Asked first, so that no lock file is made in a folder of something else.
        read_config(path)?;
        let lock = lock(path)?;
        let (mut stored, written) = read(path)?;
        let ended = stored.results.len();
        stored.results.retain(|result| result.status != MemberStatus::Failed);
        let failed = ended - stored.results.len();
        for name in [CONFIG, RESULTS, TABLE, MODEL, REPORT] {
            remove_temporary_files_of(&path.join(name));
        }
        Ok(Self {
            path: path.to_owned(),
            stored,
            // The next result rewrites the file, without those that have failed.
            written: written.filter(|_| failed == 0),
            failed,
            unwritten: Vec::new(),
            table_written: None,
            _lock: lock,
        })
    }

    /// Reads the folder of a sweep without locking or changing it, even while the sweep is in progress.
    ///
    /// # Errors
    /// If the folder has no sweep, or its files are not what a sweep can have written.
    pub fn read(path: &Path) -> Result<StoredSweep, SweepError> {
        Ok(read(path)?.0)
    }

    /// Reads what was asked of the sweep in a folder.
    ///
    /// # Errors
    /// If the folder has no sweep, or the file is not what a sweep can have written.
    pub fn read_config(path: &Path) -> Result<SweepConfig, SweepError> {
        read_config(path)
    }

    /// Returns whether a folder has a sweep.
    pub fn is_sweep(path: &Path) -> bool {
        path.join(CONFIG).is_file()
    }

    /// Returns whether this is a file of a sweep, which other commands must not replace.
    pub fn owns(file: &Path) -> bool {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return false };
        Self::is_sweep(folder) && [CONFIG, RESULTS, TABLE, MODEL, REPORT].iter().any(|own| name == *own)
    }

    /// Changes what was asked, so that the sweep has more members. Those that it has already must stay.
    ///
    /// # Errors
    /// If the file cannot be written, or the configuration has no plan.
    ///
    /// # Panics
    /// If a member that has ended would become another one.
    pub fn extend(&mut self, config: SweepConfig) -> Result<(), SweepError> {
        let plan = config.plan()?;
        let is_same = |result: &MemberResult| result.check(&plan).is_ok();
        assert!(self.stored.results.iter().all(is_same), "an extended sweep keeps its members");
        write_atomically(&self.path.join(CONFIG), config.to_toml().as_bytes())?;
        (self.stored.config, self.stored.plan) = (config, plan);
        Ok(())
    }

    /// Appends the result of a member that has ended to `sweep.jsonl`, and flushes it to disk. Rewrites `sweep.csv` from
    /// time to time; [`Self::finish`] does so at last.
    ///
    /// # Errors
    /// If a file cannot be written. The result is kept, and written by the next call.
    ///
    /// # Panics
    /// If the member is not one of the plan or has a result already.
    pub fn append(&mut self, result: MemberResult) -> Result<(), SweepError> {
        self.add(result);
        self.write_results()?;
        if self.table_written.is_none_or(|written| written.elapsed() >= TABLE_INTERVAL) {
            self.write_table()?;
        }
        Ok(())
    }

    /// Appends the results of many members at once.
    ///
    /// # Errors
    /// If a file cannot be written.
    ///
    /// # Panics
    /// If a member is not one of the plan or has a result already.
    pub(super) fn append_all(&mut self, results: Vec<MemberResult>) -> Result<(), SweepError> {
        for result in results {
            self.add(result);
        }
        self.finish()
    }

    fn add(&mut self, result: MemberResult) {
        assert_eq!(result.check(&self.stored.plan), Ok(()), "a result of this sweep");
        assert!(self.stored.result(result.member).is_none(), "a member ends once");
        self.unwritten.extend(results_log::line(&result));
        self.stored.insert(result);
    }

    /// Writes what is not written yet: `sweep.jsonl` and `sweep.csv`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&mut self) -> Result<(), SweepError> {
        self.write_results()?;
        self.write_table()
    }

    /// Makes the model of an ended member the model of the sweep: copies its `model.safetensors`, unless the sweep has this
    /// model already.
    ///
    /// # Errors
    /// If it cannot be read or written, or does not have the weights of the member's last epoch. The sweep then keeps the
    /// model that it has.
    ///
    /// # Panics
    /// If the member has not ended.
    pub fn set_model(&mut self, member: usize) -> Result<(), SweepError> {
        let result = self.stored.result(member).expect("the member has ended");
        let hash = result.last().map(|last| last.weights_hash.as_str());
        let own = self.model_path();
        if hash.is_some() && read_model(&own, hash).is_ok() {
            return Ok(());
        }
        let model = read_model(&RunDirectory::model_path_in(&self.path.join(&result.run)), hash)?;
        Ok(write_atomically(&own, &model)?)
    }

    fn write_results(&mut self) -> Result<(), SweepError> {
        let path = self.path.join(RESULTS);
        if self.unwritten.is_empty() && self.written.is_some() {
            return Ok(());
        }
        // The file may have been removed or changed, or an earlier write may have left part of a line.
        let is_intact = |written: u64| {
            path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == written)
        };
        match self.written.take().filter(|&written| is_intact(written)) {
            Some(written) => {
                results_log::append(&path, &self.unwritten, written)
                    .map_err(|source| SweepError::Write { path, source })?;
                self.written = Some(written + self.unwritten.len() as u64);
            }
            None => {
                let content: Vec<u8> = self.stored.results.iter().flat_map(results_log::line).collect();
                write_atomically(&path, &content)?;
                self.written = Some(content.len() as u64);
            }
        }
        self.unwritten.clear();
        Ok(())
    }

    fn write_table(&mut self) -> Result<(), SweepError> {
        write_atomically(&self.path.join(TABLE), results_csv::text(&self.stored).as_bytes())?;
        self.table_written = Some(Instant::now());
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder contains.
    pub fn stored(&self) -> &StoredSweep {
        &self.stored
    }

    /// The number of members that had failed before the sweep was resumed.
    pub fn failed_before(&self) -> usize {
        self.failed
    }

    /// The folder of a member's run, relative to that of the sweep: `members/0003`.
    pub fn run_of(member: usize) -> String {
        format!("{MEMBERS}/{member:04}")
    }

    /// The folder of a member's run.
    pub fn member_path(&self, member: usize) -> PathBuf {
        self.path.join(MEMBERS).join(format!("{member:04}"))
    }

    /// The path of the best member's model.
    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// The path of the configuration in the folder of a sweep.
    pub fn config_path(path: &Path) -> PathBuf {
        path.join(CONFIG)
    }

    /// The path of the report in the folder of a sweep.
    pub fn report_path(path: &Path) -> PathBuf {
        path.join(REPORT)
    }
}

/// Reads a sweep. Returns the length of its results too, or `None` if they have to be replaced before more are appended.
fn read(path: &Path) -> Result<(StoredSweep, Option<u64>), SweepError> {
    let config = read_config(path)?;
    let plan = config
        .plan()
        .map_err(|error| SweepError::Config { path: path.join(CONFIG), problem: error.to_string() })?;
    let results_path = path.join(RESULTS);
    let bytes = match operations::read(&results_path, MAX_RESULTS) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((StoredSweep { config, plan, results: Vec::new() }, None));
        }
        Err(source) => return Err(SweepError::Read { path: results_path, source }),
    };
    let lines = results_log::read(&bytes, &plan, config.shard)
        .map_err(|LineError { line, problem }| SweepError::Result { path: results_path, line, problem })?;
    let written = lines.is_complete.then_some(bytes.len() as u64);
    Ok((StoredSweep { config, plan, results: lines.results }, written))
}

/// Reads a model file, and checks that it has the weights with this hash.
fn read_model(path: &Path, hash: Option<&str>) -> Result<Vec<u8>, SweepError> {
    let bytes = operations::read(path, MAX_MODEL)
        .map_err(|source| SweepError::Read { path: path.to_owned(), source })?;
    let model = weights::from_bytes(&bytes);
    let is_it = model.is_ok_and(|model| hash.is_none_or(|hash| weights_hash(&model.parameters) == hash));
    if is_it { Ok(bytes) } else { Err(SweepError::OtherModel { path: path.to_owned() }) }
}

fn read_config(path: &Path) -> Result<SweepConfig, SweepError> {
    let config_path = path.join(CONFIG);
    let bytes = operations::read(&config_path, MAX_CONFIG).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            SweepError::NoSweep { path: path.to_owned() }
        }
        _ => SweepError::Read { path: config_path.clone(), source },
    })?;
    let wrong = |problem| SweepError::Config { path: config_path.clone(), problem };
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
    SweepConfig::from_toml(&text).map_err(wrong)
}

/// Checks that a folder is empty, apart from what a process leaves that is killed before it has written the configuration.
fn check_startable(path: &Path) -> Result<(), SweepError> {
    let cannot_make = |source| SweepError::Make { path: path.to_owned(), source };
    if SweepFiles::is_sweep(path) {
        return Err(SweepError::HoldsASweep { path: path.to_owned() });
    }
    for entry in fs::read_dir(path).map_err(cannot_make)? {
        let name = entry.map_err(cannot_make)?.file_name();
        if name != LOCK && !is_temporary_file_of(&path.join(CONFIG), &name) {
            return Err(SweepError::NotEmpty { path: path.to_owned() });
        }
    }
    Ok(())
}

/// Locks the folder of a sweep, as that of a run.
fn lock(path: &Path) -> Result<File, SweepError> {
    RunDirectory::lock_folder(path).map_err(|error| match error {
        RunError::Write { path, source } => SweepError::Write { path, source },
        _ => SweepError::InProgress { path: path.to_owned() },
    })
}

/// An error of making a folder.
fn made(error: RunError) -> SweepError {
    match error {
        RunError::Make { path, source } => SweepError::Make { path, source },
        error => SweepError::Make { path: PathBuf::new(), source: io::Error::other(error) },
    }
}
