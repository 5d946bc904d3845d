//! Brings a run's files to the disk, on a thread of its own: an epoch on a fast GPU is over sooner than a disk has
//! written a checkpoint.

use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::engine::OptimizerState;
use crate::model::{Model, ModelInfo};
use crate::train::{
    Checkpoint, EpochRecord, Progress, RunConfig, RunDirectory, RunError, RunState, Snapshot,
};
use anyhow::anyhow;

use super::fingerprint::Fingerprint;
use crate::cli::notice;

/// Snapshots that may wait for the disk, beside the one that is being written. Where it is slower than that, training
/// waits.
const WAITING: usize = 1;

/// Takes what is to be kept.
pub struct Keeper {
    jobs: SyncSender<Job>,
    writer: JoinHandle<Kept>,
}

/// A run's files, and how much of the run is in them.
pub struct Kept {
    pub files: Files,
    /// The step of the last checkpoint.
    pub checkpoint: Option<u64>,
    /// Whether the last model that was to be saved was.
    pub model: bool,
    progress: Progress,
}

/// A run's files and what stands in each of them beside the numbers.
pub struct Files {
    pub directory: RunDirectory,
    pub config: RunConfig,
    pub about: ModelInfo,
    pub images: Fingerprint,
}

struct Job {
    /// Where an epoch has ended.
    record: Option<EpochRecord>,
    standing: RunState,
    parameters: Vec<f32>,
    optimizer: OptimizerState,
}

impl Keeper {
    /// Begins with what an earlier process has kept: `standing` is where it left the run.
    pub fn new(files: Files, standing: &RunState, progress: Progress) -> Self {
        let (jobs, received) = sync_channel(WAITING);
        let checkpoint = (standing.step > 0).then_some(standing.step);
        let kept = Kept { files, checkpoint, model: standing.last.is_some(), progress };
        Self { jobs, writer: thread::spawn(|| kept.keep_all(received)) }
    }

    /// Keeps how a run stands; at an epoch's end there is a record of it.
    pub fn keep(&self, record: Option<&EpochRecord>, snapshot: &Snapshot) {
        let Snapshot { state: standing, parameters, optimizer } = *snapshot;
        let job = Job {
            record: record.cloned(),
            standing: standing.clone(),
            parameters: parameters.to_vec(),
            optimizer: optimizer.clone(),
        };
        // There is no receiver only where the writer has panicked, which `end` tells of.
        let _ = self.jobs.send(job);
    }

    /// Waits until all is written that can be.
    pub fn end(self) -> Kept {
        drop(self.jobs);
        self.writer.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }
}

impl Files {
    /// A model of these parameters.
    pub fn model(&self, parameters: Vec<f32>) -> Model {
        Model { network: self.config.network, parameters, about: self.about.clone() }
    }
}

impl Kept {
    fn keep_all(mut self, jobs: Receiver<Job>) -> Self {
        for job in jobs {
            self.keep(job);
        }
        self
    }

    fn keep(&mut self, job: Job) {
        let Job { record, standing, parameters, optimizer } = job;
        let model = self.files.model(parameters);
        // The model first: an epoch that stands in the metrics has its weights on the disk. The checkpoint last: what
        // it counts as done is there.
        if let Some(record) = record {
            self.model = self.told(self.files.directory.save_model(&model));
            if standing.last_is_best() {
                let about = ModelInfo { selected: standing.best, ..model.about.clone() };
                self.told(self.files.directory.save_best(&Model { about, ..model.clone() }));
            }
            let appended = self.files.directory.append(&record);
            self.told(appended);
        }
        // Else the step that finds it ends the run, and the checkpoint before is the last good one.
        if is_finite(&model, &optimizer) {
            let step = standing.step;
            let Files { directory, config, images, .. } = &self.files;
            let (config, images) = (config.clone(), images.get().to_owned());
            let saved =
                directory.save_checkpoint(&Checkpoint { model, optimizer, state: standing, config, images });
            if self.told(saved) {
                self.checkpoint = Some(step);
            }
        }
    }

    /// Tells of what could not be kept. The run goes on: there may be room again by the next time.
    fn told(&self, saved: Result<(), RunError>) -> bool {
        let Err(error) = saved else { return true };
        let error = anyhow!(error);
        self.progress
            .aside(|| notice::warning(format_args!("{error:#}; the run goes on and tries again later")));
        false
    }
}

fn is_finite(model: &Model, optimizer: &OptimizerState) -> bool {
    let all = [&model.parameters, &optimizer.first_moment, &optimizer.second_moment];
    all.iter().all(|values| values.iter().all(|value| value.is_finite()))
}
