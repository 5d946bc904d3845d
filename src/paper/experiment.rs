//! One training of the paper's section 6, and what is kept of it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use serde::Serialize;

use super::{Open, PaperError};
use crate::data::Dataset;
use crate::engine::{Adam, Clip, Loss, LossKind, Optimizer, Reduction, Rule, Setup, Sgd};
use crate::model::{Init, LeNet5, ParameterTable};
use crate::train::{
    self, Ending, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, RunState, Snapshot,
    Stop, Stopping, TrainingConfig,
};

/// Which of the paper's data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    Mnist,
    Cifar10,
}

impl Set {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::Cifar10 => "CIFAR-10",
        }
    }
}

/// Which of the two optimizers that the paper compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Adam,
    Gd,
}

impl Method {
    pub const BOTH: [Self; 2] = [Self::Adam, Self::Gd];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "Adam",
            Self::Gd => "Gradient descent",
        }
    }

    /// The learning rate of section 6.
    pub fn learning_rate(self) -> f32 {
        match self {
            Self::Adam => 0.01,
            Self::Gd => 0.001,
        }
    }
}

/// How the paper's experiments are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// As section 6 describes them: the whole set in mini-batches, the mean loss, gradients cut to ±5 (dense
    /// layers) and ±1 (convolutions)
    #[default]
    AsDescribed,
    /// As the script prints them: one batch of 32 images, seven to test with, the summed loss, gradients cut
    /// to ±3, parameters to ±1000, Adam's bias corrected twice
    AsListed,
}

/// The paper's batch.
pub const BATCH: usize = 32;

/// Batches that the script tests on.
const LISTED_TEST_BATCHES: usize = 7;

/// Percent of the training accuracy that end a run. The script stops above it, section 6 where it is reached;
/// no share of the script's 32 images is 95 %, so that is the same.
pub const STOP_AT: f64 = 95.0;

impl Manner {
    /// The images that a run in this manner sees.
    pub fn images(self, data: Dataset) -> Dataset {
        match self {
            Self::AsDescribed => data,
            Self::AsListed => {
                data.limited(NonZeroUsize::new(BATCH), NonZeroUsize::new(LISTED_TEST_BATCHES * BATCH))
            }
        }
    }

    fn setup(self, method: Method, network: Variant, data: &Dataset) -> Setup {
        let listed = self == Self::AsListed;
        let rule = match method {
            Method::Adam => Rule::Adam(Adam { correct_twice: listed, ..Adam::default() }),
            Method::Gd => Rule::Sgd(Sgd::default()),
        };
        let (conv, fc) = if listed { (3.0, 3.0) } else { (1.0, 5.0) };
        let clip = Clip { conv: Some(conv), fc: Some(fc), ..Clip::default() };
        let bound = listed.then_some(1e3);
        let reduction = if listed { Reduction::Sum } else { Reduction::Mean };
        Setup {
            optimizer: Optimizer { rule, clip, bound, ..Optimizer::default() },
            loss: Loss { kind: network.loss(), reduction, ..Loss::default() },
            ..Setup::new(network.network(data), BATCH)
        }
    }

    fn plan(self, method: Method, epochs: u32, probes: usize, seed: u64) -> TrainingConfig {
        TrainingConfig {
            epochs: f64::from(epochs),
            batch_size: BATCH,
            learning_rate: method.learning_rate(),
            seed,
            stopping: Stopping { train_accuracy: Some(STOP_AT), ..Stopping::default() },
            probes: if self == Self::AsListed { 1 } else { probes },
            ..TrainingConfig::default()
        }
    }
}

/// What network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Section 6's: with batch normalisation and log-softmax
    Whole,
    /// With batch normalisation, and the likelihood of the raw outputs in place of log-softmax's
    WithoutLogSoftmax,
    /// With neither
    Bare,
}

impl Variant {
    fn network(self, data: &Dataset) -> LeNet5 {
        let plain = LeNet5::new(data.train.channels, data.classes);
        LeNet5 { batch_norm: self != Self::Bare, ..plain }
    }

    fn loss(self) -> LossKind {
        if self == Self::Whole { LossKind::Nll } else { LossKind::RawNll }
    }

    /// What is to be said of it after an optimizer's name.
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::WithoutLogSoftmax => " without log-softmax",
            Self::Bare => " without log-softmax and batch normalisation",
        }
    }
}

/// One training, to be made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Experiment {
    pub set: Set,
    pub method: Method,
    pub manner: Manner,
    pub network: Variant,
    pub seed: u64,
    /// At most.
    pub epochs: u32,
    /// Looks at both accuracies within an epoch.
    pub probes: usize,
}

/// What a training came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    #[serde(flatten)]
    pub experiment: Experiment,
    pub looks: Vec<Look>,
    pub epochs: Vec<EpochRecord>,
    /// Whether the stopping rule ended it.
    pub stopped: bool,
    /// Of training alone.
    pub seconds: f64,
}

/// Both accuracies at one place of a run; fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Look {
    /// Epochs done, with the part of the last one.
    pub epoch: f64,
    pub step: u64,
    /// Over the steps since the last look.
    pub train_accuracy: f64,
    /// Over the whole test part.
    pub test_accuracy: f64,
}

impl Run {
    /// The last epoch's record.
    ///
    /// # Panics
    /// Never: a run that was kept has an epoch at the least.
    pub fn last(&self) -> &EpochRecord {
        self.epochs.last().expect("a run that is kept has been through an epoch")
    }

    /// The first look whose training accuracy is at least `accuracy`.
    pub fn first_at(&self, accuracy: f64) -> Option<&Look> {
        self.looks.iter().find(|look| look.train_accuracy >= accuracy)
    }
}

/// Who is told how an experiment goes.
pub trait Watcher {
    /// Breaking ends the experiments.
    fn so_far(&mut self, experiment: &Experiment, so_far: &EpochProgress) -> ControlFlow<()>;

    fn epoch(&mut self, experiment: &Experiment, record: &EpochRecord);
}

impl Experiment {
    /// For people: "MNIST, Adam, seed 1998".
    pub fn name(&self) -> String {
        let (set, method, variant) = (self.set.name(), self.method.name(), self.network.name());
        format!("{set}, {method}{variant}, seed {}", self.seed)
    }

    /// Trains on an engine of its own.
    pub fn run(&self, open: &mut Open, data: &Dataset, watcher: &mut dyn Watcher) -> Result<Run, PaperError> {
        let setup = self.manner.setup(self.method, self.network, data);
        let mut engine = open(&setup)?;
        let plan = self.manner.plan(self.method, self.epochs, self.probes, self.seed);
        let table = ParameterTable::new(&setup.network);
        engine.set_parameters(&Init::Pytorch.arena(&table, self.seed))?;

        let steps_per_epoch = plan.steps_per_epoch(data.train.len()) as f64;
        let mut notes =
            Notes { experiment: self, watcher, steps_per_epoch, looks: Vec::new(), epochs: Vec::new() };
        let report = train::train(&mut *engine, data, &plan, RunState::default(), &mut notes)?;
        if report.ending == Ending::Interrupted {
            return Err(PaperError::Interrupted);
        }
        let Notes { looks, epochs, .. } = notes;
        let stopped = matches!(report.ending, Ending::Stopped(Stop::TrainAccuracy(_)));
        Ok(Run { experiment: *self, looks, epochs, stopped, seconds: report.seconds })
    }
}

/// Takes down what a run says.
struct Notes<'a> {
    experiment: &'a Experiment,
    watcher: &'a mut dyn Watcher,
    steps_per_epoch: f64,
    looks: Vec<Look>,
    epochs: Vec<EpochRecord>,
}

impl Listener for Notes<'_> {
    fn so_far(&mut self, so_far: &EpochProgress) -> ControlFlow<()> {
        self.watcher.so_far(self.experiment, so_far)
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.watcher.epoch(self.experiment, record);
        self.epochs.push(record.clone());
        Ok(ControlFlow::Continue(()))
    }

    fn probe(&mut self, probe: &ProgressEvaluation) {
        self.looks.push(Look {
            epoch: probe.step as f64 / self.steps_per_epoch,
            step: probe.step,
            train_accuracy: probe.train.accuracy(),
            test_accuracy: probe.test.accuracy(),
        });
    }
}
