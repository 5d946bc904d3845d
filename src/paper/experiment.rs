//! One training run of section 6 of the paper.

use std::ops::ControlFlow;

use super::{Method, NetworkVariant, PaperDataset, PaperError, Protocol};
use crate::data::Dataset;
use crate::engine::{Engine, Setup};
use crate::model::{Init, ParameterTable};
use crate::train::{
    self, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, RunOutcome, RunState, Snapshot,
    StopReason,
};

/// An experiment: what to train and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experiment {
    /// The data set.
    pub dataset: PaperDataset,
    /// The optimizer.
    pub method: Method,
    /// How closely to follow the paper's script.
    pub protocol: Protocol,
    /// The network.
    pub network: NetworkVariant,
    /// Seed of the initial weights and the order of the images.
    pub seed: u64,
    /// Maximum number of epochs.
    pub epochs: u32,
    /// Number of times per epoch that both accuracies are measured.
    pub evaluations_per_epoch: usize,
}

/// A completed experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The experiment.
    pub experiment: Experiment,
    /// The accuracies measured within and at the end of epochs.
    pub measurements: Vec<Measurement>,
    /// The metrics of each epoch; at least one.
    pub epochs: Vec<EpochRecord>,
    /// Whether the run reached the training accuracy at which runs stop.
    pub stopped: bool,
    /// Seconds spent training.
    pub seconds: f64,
}

/// Training and test accuracy at one point of a run, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Epochs trained so far, with a fractional part within an epoch.
    pub epoch: f64,
    /// Steps done so far.
    pub step: u64,
    /// Accuracy over the training steps since the previous measurement.
    pub train_accuracy: f64,
    /// Accuracy over the whole test set.
    pub test_accuracy: f64,
}

impl Run {
    /// The record of the last epoch.
    ///
    /// # Panics
    /// If there are no epochs. Runs that experiments return have at least one.
    pub fn last(&self) -> &EpochRecord {
        self.epochs.last().expect("a run has at least one epoch")
    }

    /// The first measurement whose training accuracy is at least `accuracy`.
    pub fn first_at(&self, accuracy: f64) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.train_accuracy >= accuracy)
    }
}

/// Receives the progress of experiments, of which several run at the same time, and can end the study.
pub trait ExperimentListener: Sync {
    /// Called when the outcomes of more steps are known. [`ControlFlow::Break`] ends the study.
    fn progress(&self, experiment: &Experiment, progress: &EpochProgress) -> ControlFlow<()>;

    /// Called after each epoch.
    fn epoch(&self, experiment: &Experiment, record: &EpochRecord);
}

impl Experiment {
    /// The display name, such as "MNIST, Adam, seed 1998".
    pub fn name(&self) -> String {
        let (dataset, method, suffix) = (self.dataset.name(), self.method.name(), self.network.suffix());
        format!("{dataset}, {method}{suffix}, seed {}", self.seed)
    }

    /// The setup of its engine, for these images.
    pub(super) fn setup(&self, data: &Dataset) -> Setup {
        self.protocol.setup(self.method, self.network, data)
    }

    /// Runs the experiment on an engine that was created for its setup.
    ///
    /// # Errors
    /// Returns an error if training fails or if the listener ends the study.
    pub(super) fn run(
        &self,
        engine: &mut dyn Engine,
        data: &Dataset,
        listener: &dyn ExperimentListener,
    ) -> Result<Run, PaperError> {
        let config =
            self.protocol.training_config(self.method, self.epochs, self.evaluations_per_epoch, self.seed);
        let table = ParameterTable::new(&self.setup(data).network);
        engine.set_parameters(&Init::Pytorch.arena(&table, self.seed))?;

        let mut recorder = Recorder {
            experiment: self,
            listener,
            steps_per_epoch: config.steps_per_epoch(data.train.len()) as f64,
            measurements: Vec::new(),
            epochs: Vec::new(),
        };
        let summary = train::train(engine, data, &config, RunState::default(), &mut recorder)?;
        if summary.outcome == RunOutcome::Interrupted {
            return Err(PaperError::Interrupted);
        }
        let Recorder { measurements, epochs, .. } = recorder;
        let stopped = matches!(summary.outcome, RunOutcome::Stopped(StopReason::TrainAccuracy(_)));
        Ok(Run { experiment: *self, measurements, epochs, stopped, seconds: summary.seconds })
    }
}

/// Records the results of a run and forwards its progress.
struct Recorder<'a> {
    experiment: &'a Experiment,
    listener: &'a dyn ExperimentListener,
    steps_per_epoch: f64,
    measurements: Vec<Measurement>,
    epochs: Vec<EpochRecord>,
}

impl Listener for Recorder<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        self.listener.progress(self.experiment, progress)
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.listener.epoch(self.experiment, record);
        self.epochs.push(record.clone());
        Ok(ControlFlow::Continue(()))
    }

    fn evaluated(&mut self, evaluation: &ProgressEvaluation) {
        self.measurements.push(Measurement {
            epoch: evaluation.step as f64 / self.steps_per_epoch,
            step: evaluation.step,
            train_accuracy: evaluation.train.accuracy(),
            test_accuracy: evaluation.test.accuracy(),
        });
    }
}
