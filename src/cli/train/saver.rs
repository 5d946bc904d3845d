//! Writes a run's files on a separate thread: on a fast GPU an epoch takes less time than writing a checkpoint.

use std::io;
use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::fingerprint::Fingerprints;
use super::tensorboard::TensorBoard;
use crate::cli::failure::one_line;
use crate::cli::notice;
use crate::engine::OptimizerState;
use crate::model::{Model, ModelInfo};
use crate::train::{Checkpoint, EpochRecord, RunConfig, RunDirectory, RunError, RunState, Snapshot};

/// The number of snapshots that may wait while another is written. If the disk falls behind further, training waits.
const QUEUE_LENGTH: usize = 1;

/// Hands snapshots to the writing thread.
pub struct Saver {
    jobs: SyncSender<Job>,
    writer: JoinHandle<Saved>,
}

/// A run's files, and what could not be written.
pub struct Saved {
    pub files: Files,
    pub tensorboard: Option<TensorBoard>,
    /// Why some files are not written yet.
    unwritten: Vec<String>,
}

/// A run's files, and the part of their content that stays the same.
pub struct Files {
    pub directory: RunDirectory,
    pub config: RunConfig,
    /// Without the source, which has fingerprints that may not be known yet.
    pub info: ModelInfo,
    pub fingerprints: Fingerprints,
}

struct Job {
    /// The metrics, at the end of an epoch.
    record: Option<EpochRecord>,
    state: RunState,
    parameters: Vec<f32>,
    optimizer: OptimizerState,
}

impl Saver {
    /// Starts the writing thread.
    pub fn new(files: Files, tensorboard: Option<TensorBoard>) -> io::Result<Self> {
        let (jobs, received) = sync_channel(QUEUE_LENGTH);
        let saved = Saved { files, tensorboard, unwritten: Vec::new() };
        Ok(Self { jobs, writer: thread::Builder::new().spawn(|| saved.save_all(received))? })
    }

    /// Queues a snapshot, with the metrics if it is the end of an epoch.
    pub fn save(&self, record: Option<&EpochRecord>, snapshot: &Snapshot) {
        let Snapshot { state, parameters, optimizer } = *snapshot;
        let job = Job {
            record: record.cloned(),
            state: state.clone(),
            parameters: parameters.to_vec(),
            optimizer: optimizer.clone(),
        };
        // There is no receiver only if the writer has panicked, which `finish` passes on.
        let _ = self.jobs.send(job);
    }

    /// Waits until everything is written.
    pub fn finish(self) -> Saved {
        drop(self.jobs);
        self.writer.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }
}

impl Files {
    /// A model with these parameters.
    pub fn model(&self, parameters: Vec<f32>) -> Model {
        Model { network: self.config.network, parameters, info: self.info() }
    }

    /// What models of the run record of their data.
    pub fn info(&self) -> ModelInfo {
        let source = Some(self.fingerprints.get().source.clone());
        ModelInfo { source, ..self.info.clone() }
    }
}

impl Saved {
    fn save_all(mut self, jobs: Receiver<Job>) -> Self {
        for job in jobs {
            self.save(job);
        }
        self
    }

    fn save(&mut self, job: Job) {
        let Job { record, state, parameters, optimizer } = job;
        let RunConfig { training, data, .. } = &self.files.config;
        let is_last = state.step >= training.total_steps(data.train);
        let model = self.files.model(parameters);
        let Files { directory, config, fingerprints, .. } = &mut self.files;
        if let Some(record) = record {
            // Before the checkpoint, so that no epoch is missing that a resumed run does not repeat.
            if let Some(tensorboard) = &mut self.tensorboard {
                tensorboard.epoch(&record, &model.parameters);
            }
            directory.set_model(&model);
            directory.append(&record);
        }
        // Numbers that are not finite end the run at the next step; the checkpoint before them stays.
        if is_finite(&model, &optimizer) {
            let (config, images) = (config.clone(), fingerprints.get().train.clone());
            directory.set_checkpoint(&Checkpoint { model, optimizer, state, config, images });
        }
        let failures = directory.write();
        self.warn(&failures, is_last);
    }

    /// Warns of files that could not be written, once for each reason. The run continues, as the disk may have room
    /// again later. After the last step, `ending` tries once more and reports what is left.
    fn warn(&mut self, failures: &[RunError], is_last: bool) {
        let again = if is_last {
            "trying once more"
        } else {
            "it will be tried again, at the latest at the end of the run"
        };
        let unwritten: Vec<String> = failures.iter().map(|failure| one_line(failure)).collect();
        for failure in unwritten.iter().filter(|&failure| !self.unwritten.contains(failure)) {
            notice::warning(format_args!("{failure}; {again}"));
        }
        if unwritten.is_empty() && !self.unwritten.is_empty() {
            notice::warning("all files are up to date again");
        }
        self.unwritten = unwritten;
    }
}

fn is_finite(model: &Model, optimizer: &OptimizerState) -> bool {
    let all = [&model.parameters, &optimizer.first_moment, &optimizer.second_moment];
    all.iter().all(|values| values.iter().all(|value| value.is_finite()))
}
