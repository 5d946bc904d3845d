//! Writes a run's files on a separate thread: on a fast GPU an epoch takes less time than writing a checkpoint.

use std::io;
use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::anyhow;

use super::fingerprint::Fingerprint;
use super::progress::Progress;
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

/// A run's files, and how much of the run is in them.
pub struct Saved {
    pub files: Files,
    /// The step of the last checkpoint.
    pub checkpoint: Option<u64>,
    /// Whether the last model was saved.
    pub model: bool,
    progress: Progress,
}

/// A run's files, and the part of their content that stays the same.
pub struct Files {
    pub directory: RunDirectory,
    pub config: RunConfig,
    pub info: ModelInfo,
    pub images: Fingerprint,
}

struct Job {
    /// The metrics, at the end of an epoch.
    record: Option<EpochRecord>,
    state: RunState,
    parameters: Vec<f32>,
    optimizer: OptimizerState,
}

impl Saver {
    /// Starts the writing thread. `state` is what an earlier process has saved of the run.
    pub fn new(files: Files, state: &RunState, progress: Progress) -> io::Result<Self> {
        let (jobs, received) = sync_channel(QUEUE_LENGTH);
        let checkpoint = (state.step > 0).then_some(state.step);
        let saved = Saved { files, checkpoint, model: state.last.is_some(), progress };
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
        Model { network: self.config.network, parameters, info: self.info.clone() }
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
        let model = self.files.model(parameters);
        // The model comes first: the weights of every epoch in the metrics are on the disk. The checkpoint comes last:
        // the files of every epoch that it counts are written.
        if let Some(record) = record {
            self.model = self.check_saved(self.files.directory.save_model(&model));
            if state.last_is_best() {
                let info = ModelInfo { selected: state.best, ..model.info.clone() };
                self.check_saved(self.files.directory.save_best(&Model { info, ..model.clone() }));
            }
            let appended = self.files.directory.append(&record);
            self.check_saved(appended);
        }
        // Numbers that are not finite end the run at the next step; the checkpoint before them stays.
        if is_finite(&model, &optimizer) {
            let step = state.step;
            let Files { directory, config, images, .. } = &self.files;
            let (config, images) = (config.clone(), images.get().to_owned());
            let saved = directory.save_checkpoint(&Checkpoint { model, optimizer, state, config, images });
            if self.check_saved(saved) {
                self.checkpoint = Some(step);
            }
        }
    }

    /// Returns whether a file was saved, and warns if it was not. The run continues, as the disk may have room again
    /// later.
    fn check_saved(&self, saved: Result<(), RunError>) -> bool {
        let Err(error) = saved else { return true };
        let error = anyhow!(error);
        self.progress.suspend(|| {
            notice::warning(format_args!("{error:#}; the run continues and tries again later"));
        });
        false
    }
}

fn is_finite(model: &Model, optimizer: &OptimizerState) -> bool {
    let all = [&model.parameters, &optimizer.first_moment, &optimizer.second_moment];
    all.iter().all(|values| values.iter().all(|value| value.is_finite()))
}
