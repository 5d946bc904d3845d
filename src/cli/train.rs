//! `lenet-gpu train`.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use lenet_gpu::data::Augmentation;
use lenet_gpu::engine::{Adam, Optimizer, Rule, Setup};
use lenet_gpu::model::{Init, LeNet5, ParameterTable, weights};
use lenet_gpu::train::{
    self, Config, DataConfig, EpochRecord, Listener, Plan, Program, Progress, Report, RunDirectory, RunError,
    SoFar, Weights,
};

use super::data::{DataArgs, check_fit};
use super::engine::EngineArgs;
use super::interrupt::Interrupt;
use super::{Ending, Failure, Output, notice, values};

/// The year of the paper that LeNet-5 comes from.
const DEFAULT_SEED: u64 = 1998;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu train
          MNIST, three epochs on the best GPU: 98.2 to 98.8 % on the test images, by seed
  lenet-gpu train --backend cpu --epochs 1.75 --lr 5e-4 --run-dir runs/slow
          on the CPU, the second epoch only to its third quarter, into a folder of that name
  lenet-gpu train --data-dir ~/fashion --limit-train 5000 --json | jq .test_accuracy
          another data set, the first 5,000 images, and a number an epoch
  lenet-gpu train --init-from runs/slow/model.safetensors --epochs 1
          an epoch more from the weights of an earlier run

A run directory holds config.toml (what was run), metrics.jsonl (an object an epoch; accuracies are
fractions, seconds and images_per_second are of training alone) and model.safetensors (weights under
PyTorch's names). Ctrl-C saves the model as it is and ends with exit code 130; a second one ends at once.";

/// Train a network and keep it, with its metrics, in a run directory
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,

    /// Train on the first N images only [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Data")]
    limit_train: Option<NonZeroUsize>,

    /// Test with the first N images only [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Data")]
    limit_test: Option<NonZeroUsize>,

    #[command(flatten)]
    training: TrainingArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
struct TrainingArgs {
    /// Passes over the training images; 1.75 ends after three quarters of the second one's steps
    #[arg(long, value_name = "X", default_value_t = 3.0)]
    #[arg(value_parser = values::epochs, allow_negative_numbers = true)]
    epochs: f64,

    /// Images of a step, 1 to 65536; an epoch's last step may have fewer
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=values::MAX_BATCH_SIZE))]
    batch_size: usize,

    /// Adam's learning rate, above 0
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    #[arg(value_parser = values::positive, allow_negative_numbers = true)]
    lr: f32,

    /// Adam's decay of the first moment, in [0, 1)
    #[arg(long, value_name = "X", default_value_t = Adam::default().beta1)]
    #[arg(value_parser = values::decay, allow_negative_numbers = true)]
    beta1: f32,

    /// Adam's decay of the second moment, in [0, 1)
    #[arg(long, value_name = "X", default_value_t = Adam::default().beta2)]
    #[arg(value_parser = values::decay, allow_negative_numbers = true)]
    beta2: f32,

    /// Adam's ε, added outside the root; above 0
    #[arg(long, value_name = "X", default_value = "1e-8")]
    #[arg(value_parser = values::positive, allow_negative_numbers = true)]
    eps: f32,

    /// Decides the initial weights and the order of the images; 0 to 2^63 - 1
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(0..=values::MAX_INTEGER))]
    seed: u64,

    /// How the initial weights are drawn
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Init::default())]
    init: Init,

    /// Start from the weights in this file instead [default: none]
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "init")]
    init_from: Option<PathBuf>,

    /// See the images in the order in which they are stored [default: a new order each epoch]
    #[arg(long)]
    no_shuffle: bool,

    /// End after this many steps; 0 only initialises and saves [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(0..=values::MAX_INTEGER))]
    max_steps: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Folder for the run's files, new or empty [default: runs/<dataset>-<date>-<time>, in UTC]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,

    /// Print one JSON object an epoch on stdout and nothing else
    #[arg(long)]
    json: bool,

    /// Show no progress; warnings, errors and the result remain
    #[arg(short, long)]
    quiet: bool,
}

/// Where runs go that have no name.
const RUNS: &str = "runs";

pub fn run(args: &TrainArgs, output: &mut Output) -> Result<Ending, Failure> {
    let data = args
        .data
        .open()?
        .limited(args.limit_train.map(NonZeroUsize::get), args.limit_test.map(NonZeroUsize::get));
    let (network, parameters) = match &args.training.init_from {
        Some(file) => {
            let (network, parameters) = weights::load(file).map_err(Failure::input)?;
            check_fit(network, data.train.channels, data.classes)?;
            (network, parameters)
        }
        None => {
            let network = LeNet5::new(data.train.channels, data.classes);
            let parameters = args.training.init.arena(&ParameterTable::new(&network), args.training.seed);
            (network, parameters)
        }
    };
    let plan = args.training.plan();

    // A batch is never larger than the set, so neither is what the engine allocates for one.
    let batch_size = plan.batch_size.min(data.train.len());
    let setup = Setup {
        optimizer: Optimizer { rule: Rule::Adam(args.training.adam()), ..Optimizer::default() },
        ..Setup::new(network, batch_size)
    };
    let mut opened = args.engine.open(&setup)?;
    opened.engine.set_parameters(&parameters).map_err(Failure::work)?;
    let told = format!("training on {}: {}", opened.config.name, opened.reason);
    let config = Config {
        program: Program::this(),
        engine: opened.config,
        data: DataConfig {
            name: data.name.clone(),
            train: data.train.len(),
            test: data.test.len(),
            fit: args.data.conversion().fit,
        },
        network,
        weights: args.training.weights(),
        training: plan.clone(),
        loss: setup.loss,
        optimizer: setup.optimizer,
        augmentation: Augmentation::default(),
    };
    let directory = match &args.output.run_dir {
        Some(path) => RunDirectory::named(path, &config),
        None => RunDirectory::unnamed(Path::new(RUNS), &args.data.slug(), &config),
    }
    .map_err(|error| match error {
        RunError::Write { .. } | RunError::File(_) => Failure::work(error),
        _ => Failure::input(error),
    })?;
    if !args.output.quiet {
        notice::note(told);
    }

    // From here on there is something to save.
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C").map_err(Failure::Work)?;
    let progress = if args.output.quiet || args.output.json {
        Progress::silent()
    } else {
        Progress::new(&plan, data.train.len())
    };
    let mut session =
        Session { network, directory, progress, interrupt, json: args.output.json.then_some(output) };
    let trained = train::train(&mut *opened.engine, &data, &plan, &mut session);
    let Session { directory, progress, .. } = session;
    progress.end();
    let model = directory.model_path();
    let report = trained.map_err(|error| {
        if model.exists() {
            notice::note(format_args!("the weights of the last whole epoch are in {}", model.display()));
        }
        Failure::work(error)
    })?;

    // Else the last epoch has saved them.
    if report.ending == train::Ending::Interrupted || report.last.is_none() {
        let parameters = opened.engine.parameters().map_err(Failure::work)?;
        directory.save_model(network, &parameters).map_err(Failure::work)?;
    }
    conclude(&report, &model, args.output.json, output)
}

/// The last line: what the run came to, and where the model is.
fn conclude(report: &Report, model: &Path, json: bool, output: &mut Output) -> Result<Ending, Failure> {
    let model = model.display();
    if report.ending == train::Ending::Interrupted {
        notice::note(format_args!("interrupted after step {}; the model so far is in {model}", report.steps));
        return Ok(Ending::Interrupted);
    }
    let line = match &report.last {
        Some(record) => {
            format!("test accuracy {:.2} %; the model is in {model}", 100.0 * record.test_accuracy)
        }
        None => format!("no step was asked for; the initial weights are in {model}"),
    };
    if !json {
        output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    }
    Ok(Ending::Done)
}

impl TrainingArgs {
    fn plan(&self) -> Plan {
        Plan {
            epochs: self.epochs,
            max_steps: self.max_steps,
            batch_size: self.batch_size,
            learning_rate: self.lr,
            seed: self.seed,
            shuffle: !self.no_shuffle,
        }
    }

    fn adam(&self) -> Adam {
        Adam { beta1: self.beta1, beta2: self.beta2, eps: self.eps }
    }

    fn weights(&self) -> Weights {
        self.init_from.clone().map_or(Weights::Init(self.init), Weights::InitFrom)
    }
}

/// What listens to a run: its files, its display, and the user who may end it.
struct Session<'a> {
    network: LeNet5,
    directory: RunDirectory,
    progress: Progress,
    interrupt: Interrupt,
    /// Where each epoch's object goes, if anywhere.
    json: Option<&'a mut Output>,
}

impl Listener for Session<'_> {
    fn so_far(&mut self, so_far: &SoFar) -> ControlFlow<()> {
        self.progress.so_far(so_far);
        if self.interrupt.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, record: &EpochRecord, parameters: &[f32]) -> Result<(), RunError> {
        // The model first: an epoch that stands in the metrics has its weights on the disk.
        self.directory.save_model(self.network, parameters)?;
        self.directory.append(record)?;
        self.progress.epoch(record);
        if let Some(output) = &mut self.json {
            let line = serde_json::to_string(record).expect("a record has only what JSON can say");
            output
                .line(&line)
                .map_err(|source| RunError::Write { path: "the standard output".into(), source })?;
        }
        Ok(())
    }
}
