//! `metrics.jsonl`: one line per epoch. The lines are also kept in memory, so that the file can be restored.

use std::io;
use std::path::{Path, PathBuf};

use super::RunError;
use super::appended_file::AppendedFile;
use super::stored_run::state_after;
use crate::files::operations;
use crate::train::{EpochRecord, RunConfig, RunState};
use crate::wording::count;

/// The largest metrics that are read, in bytes: those of some three million epochs.
const MAX_METRICS: u64 = 1 << 30;

/// The metrics of a run in progress.
#[derive(Debug)]
pub(super) struct MetricsLog(AppendedFile);

impl MetricsLog {
    /// Creates an empty file. Fails if there is one: of two runs that start in a directory, only one succeeds.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        operations::create_new(&path)?;
        Ok(Self(AppendedFile::written(path, Vec::new())))
    }

    pub fn append(&mut self, record: &EpochRecord) {
        let mut line = serde_json::to_vec(record).expect("a record can be represented in JSON");
        line.push(b'\n');
        self.0.append(&line);
    }

    /// The metrics of all epochs.
    pub fn records(&self) -> Vec<EpochRecord> {
        let lines = self.0.content().split(|&byte| byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    pub fn is_written(&self) -> bool {
        self.0.is_written()
    }

    /// Writes what is not yet written, and flushes it to disk.
    pub fn write(&mut self) -> Result<(), RunError> {
        self.0.write()
    }

    /// Reads the file and compares it with the lines. If they differ, the next write replaces the file.
    pub fn read_back(&mut self) -> Result<(), RunError> {
        self.0.read_back()
    }
}

/// The metrics of an earlier process.
#[derive(Debug)]
pub(super) struct ReadMetrics {
    path: PathBuf,
    /// `None` if the file does not exist.
    bytes: Option<Vec<u8>>,
    records: Vec<EpochRecord>,
    /// The end of each record's line in the file.
    ends: Vec<usize>,
}

impl ReadMetrics {
    /// Reads and checks all lines.
    pub fn read(path: PathBuf) -> Result<Self, RunError> {
        let bytes = match operations::read(&path, MAX_METRICS) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(RunError::Read { path, source }),
        };
        let mut read = Self { path, bytes: None, records: Vec::new(), ends: Vec::new() };
        let mut end = 0;
        for (index, line) in
            bytes.iter().flat_map(|bytes| bytes.split_inclusive(|&byte| byte == b'\n')).enumerate()
        {
            end += line.len();
            match parse(line) {
                Ok(record) if record.epoch == index as u64 + 1 => {
                    read.records.push(record);
                    read.ends.push(end);
                }
                Ok(record) => {
                    let problem = format!("has epoch {} instead of epoch {}", record.epoch, index + 1);
                    return Err(read.line_error(index, problem));
                }
                // The process was killed, or the disk was full, while this line was written.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(problem) => return Err(read.line_error(index, problem)),
            }
        }
        Ok(Self { bytes, ..read })
    }

    pub fn records(&self) -> &[EpochRecord] {
        &self.records
    }

    pub fn into_records(self) -> Vec<EpochRecord> {
        self.records
    }

    /// Checks that the state of a checkpoint follows from the metrics of its epochs.
    pub fn check(&self, state: &RunState, config: &RunConfig, checkpoint: &Path) -> Result<(), RunError> {
        let epochs = usize::try_from(state.epochs).unwrap_or(usize::MAX);
        let Some(records) = self.records.get(..epochs) else {
            let problem =
                if self.bytes.as_ref().is_some_and(|bytes| bytes.len() > self.end(self.records.len())) {
                    "is incomplete"
                } else {
                    "is missing"
                };
            let problem = format!("{problem}, and the checkpoint counts {}", count(epochs, "epoch"));
            return Err(self.line_error(self.records.len(), problem));
        };
        let (training, samples) = (&config.training, config.data.train);
        let per_epoch = training.steps_per_epoch(samples);
        for (index, record) in records.iter().enumerate() {
            let first = per_epoch.saturating_mul(index as u64);
            let last = first.saturating_add(per_epoch);
            // Only the last epoch of a run can be shorter.
            let expected = if index + 1 == epochs { first + 1..=last } else { last..=last };
            if !expected.contains(&record.step) {
                let problem =
                    format!("has step {}, and epoch {} ends at step {last}", record.step, index + 1);
                return Err(self.line_error(index, problem));
            }
        }
        if records.last() != state.last.as_ref() {
            let problem = format!("differs from the checkpoint's metrics of epoch {epochs}");
            return Err(self.line_error(epochs.saturating_sub(1), problem));
        }
        if !follows_from(state, records) {
            return Err(RunError::Mismatch { path: checkpoint.to_owned(), epochs: state.epochs });
        }
        Ok(())
    }

    /// Removes the lines after those of the first `epochs` epochs, and completes the last one.
    pub fn resume(self, epochs: u64) -> Result<MetricsLog, RunError> {
        let end = self.end(usize::try_from(epochs).unwrap_or(usize::MAX));
        let Self { path, bytes, .. } = self;
        let is_missing = bytes.is_none();
        let bytes = bytes.unwrap_or_default();
        let mut content = bytes[..end].to_vec();
        if content.last().is_some_and(|&byte| byte != b'\n') {
            content.push(b'\n');
        }
        let is_written = !is_missing && content == bytes;
        let file = if is_written { AppendedFile::written } else { AppendedFile::new };
        let mut log = MetricsLog(file(path, content));
        log.write()?;
        Ok(log)
    }

    /// The end of the first lines.
    fn end(&self, lines: usize) -> usize {
        self.ends[..lines.min(self.ends.len())].last().copied().unwrap_or(0)
    }

    fn line_error(&self, index: usize, problem: String) -> RunError {
        RunError::Metrics { path: self.path.clone(), line: index + 1, problem }
    }
}

/// Returns whether the epochs with these records lead to a state.
fn follows_from(state: &RunState, records: &[EpochRecord]) -> bool {
    let mut replayed = state_after(records);
    // These do not follow from whole epochs.
    let RunState { step, tally, initial_loss, epoch_seconds, seconds, .. } = *state;
    let sum = epoch_seconds + records.iter().map(|record| record.seconds).sum::<f64>();
    (replayed.step, replayed.tally, replayed.initial_loss) = (step, tally, initial_loss);
    (replayed.epoch_seconds, replayed.seconds) = (epoch_seconds, seconds);
    // The run adds the seconds up in another order.
    replayed == *state && (seconds - sum).abs() <= 1e-6 * (1.0 + sum)
}

/// Parses a line.
fn parse(line: &[u8]) -> Result<EpochRecord, String> {
    let record: EpochRecord =
        serde_json::from_slice(line).map_err(|error| format!("is not an epoch's metrics: {error}"))?;
    record.check().map_err(|error| format!("is not an epoch's metrics: {error}"))?;
    Ok(record)
}
