//! What listens to a run: its files, its display, and the user who may end it.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::anyhow;
use lenet_gpu::engine::{Engine, OptimizerState};
use lenet_gpu::model::{About, Model};
use lenet_gpu::train::{
    Checkpoint, Config, Ending, EpochRecord, Listener, Progress, Report, RunDirectory, RunError, Snapshot,
    SoFar, Standing, Stopping, TrainError,
};
use serde::Serialize;

use super::fingerprint::Fingerprint;
use super::resume;
use super::target::Target;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Failure, Output, notice};

pub struct Session<'a> {
    /// When the program began.
    pub started: Instant,
    pub stopping: Stopping,
    pub config: Config,
    pub about: About,
    pub images: Fingerprint,
    pub directory: RunDirectory,
    pub progress: Progress,
    pub interrupt: Interrupt,
    /// Where each epoch's object goes, if anywhere.
    pub json: Option<&'a mut Output>,
    /// What is on the disk.
    pub kept: Kept,
}

/// How much of a run is on the disk.
#[derive(Debug, Default)]
pub struct Kept {
    /// The step of the last checkpoint.
    pub checkpoint: Option<u64>,
    /// Whether the last model that was to be saved was.
    pub model: bool,
}

/// What `--json` prints of an epoch.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl Session<'_> {
    fn flow(&self) -> ControlFlow<()> {
        if self.interrupt.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn model(&self, parameters: &[f32]) -> Model {
        let (network, about) = (self.config.network, self.about.clone());
        Model { network, parameters: parameters.to_vec(), about }
    }

    /// Tells of what could not be kept. The run goes on: there may be room again by the next time.
    fn keep(&self, saved: Result<(), RunError>) -> bool {
        let Err(error) = saved else { return true };
        let error = anyhow!(error);
        self.progress
            .aside(|| notice::warning(format_args!("{error:#}; the run goes on and tries again later")));
        false
    }

    /// Writes the checkpoint, unless it would be of no use.
    fn save_checkpoint(&mut self, snapshot: &Snapshot) {
        let &Snapshot { standing, parameters, optimizer } = snapshot;
        if !is_finite(parameters, optimizer) {
            // The step that finds it ends the run.
            return;
        }
        let checkpoint = Checkpoint {
            model: self.model(parameters),
            optimizer: optimizer.clone(),
            standing: standing.clone(),
            config: self.config.clone(),
            images: self.images.get().to_owned(),
        };
        if self.keep(self.directory.save_checkpoint(&checkpoint)) {
            self.kept.checkpoint = Some(standing.step);
        }
    }

    /// After a run that ended by itself or was interrupted: what is not on the disk yet is brought there.
    pub fn finish(&mut self, report: &Report, engine: &mut dyn Engine) -> Result<(), Failure> {
        let interrupted = report.ending == Ending::Interrupted;
        // Else the last epoch has saved it.
        if interrupted || !self.kept.model {
            let parameters = engine.parameters().map_err(Failure::work)?;
            if !parameters.iter().all(|parameter| parameter.is_finite()) {
                return Err(Failure::Work(anyhow!(
                    "interrupted after step {}, and the weights are not all finite: they were not saved; a lower \
                     --lr usually helps",
                    report.steps
                )));
            }
            self.directory.save_model(&self.model(&parameters)).map_err(Failure::work)?;
        }
        self.directory.flush().map_err(Failure::work)?;
        if interrupted && self.kept.checkpoint != Some(report.steps) {
            return Err(Failure::Work(anyhow!(
                "interrupted after step {}, of which there is no checkpoint{}; the model is in {}",
                report.steps,
                self.kept
                    .checkpoint
                    .map_or(String::new(), |step| format!(", the last one is of step {step}")),
                self.directory.model_path().display()
            )));
        }
        Ok(())
    }

    /// After a run that failed.
    pub fn tell_what_is_kept(&self, error: TrainError) -> Failure {
        let run = self.directory.path();
        if let Some(step) = self.kept.checkpoint {
            let checkpoint = RunDirectory::checkpoint_path(run);
            let how = if error.is_of_the_numbers() {
                format!("--init-from {} starts a new run from there", checkpoint.display())
            } else {
                format!("to go on from there: {}", resume::command(run))
            };
            notice::note(format_args!("the last checkpoint is of step {step}; {how}"));
        }
        Failure::work(error)
    }

    fn save_best(&mut self, model: Model, standing: &Standing) {
        let about = About { selected: standing.best, ..model.about };
        self.keep(self.directory.save_best(&Model { about, ..model }));
    }
}

impl Listener for Session<'_> {
    fn so_far(&mut self, so_far: &SoFar) -> ControlFlow<()> {
        self.progress.so_far(so_far);
        self.flow()
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        // The model first: an epoch that stands in the metrics has its weights on the disk. The checkpoint last: what
        // it counts as done is there.
        let model = self.model(snapshot.parameters);
        self.kept.model = self.keep(self.directory.save_model(&model));
        if snapshot.standing.last_is_best() {
            self.save_best(model, snapshot.standing);
        }
        let appended = self.directory.append(record);
        self.keep(appended);
        self.save_checkpoint(snapshot);
        self.progress.epoch(record);
        if let Some(output) = &mut self.json {
            let seconds = snapshot.standing.seconds;
            let target = Target::after(record, &self.stopping, seconds, self.started);
            let line =
                serde_json::to_string(&Line { record, target }).expect("a record has only what JSON can say");
            output
                .line(&line)
                .map_err(|source| RunError::Write { path: "the standard output".into(), source })?;
        }
        Ok(self.flow())
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.save_checkpoint(snapshot);
    }
}

fn is_finite(parameters: &[f32], optimizer: &OptimizerState) -> bool {
    let OptimizerState { first_moment, second_moment, .. } = optimizer;
    [parameters, first_moment, second_moment]
        .iter()
        .all(|values| values.iter().all(|value| value.is_finite()))
}
