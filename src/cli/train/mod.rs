//! `lenet-gpu train`.

mod augmentation;
mod loss;
mod network;
mod optimizer;
mod schedule;
mod stopping;
mod target;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, anyhow};
use clap::Args;
use lenet_gpu::engine::Setup;
use lenet_gpu::model::{About, LeNet5, Model};
use lenet_gpu::train::{
    self, Config, DataConfig, EpochRecord, Listener, Program, Progress, Report, RunDirectory, RunError,
    SoFar, Stop, Stopping,
};
use serde::Serialize;

pub use optimizer::OptimizerKind;

use super::data_args::{DataArgs, LimitArgs};
use super::engine::EngineArgs;
use super::interrupt::Interrupt;
use super::{Ending, Failure, Output, notice};
use target::Target;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu train
          MNIST, three epochs on the best GPU: 98.2 to 98.8 % on the test images, by seed
  lenet-gpu train --backend cpu --epochs 1.75 --lr 5e-4 --run-dir runs/slow
          on the CPU, the second epoch only to its third quarter, into a folder of that name
  lenet-gpu train --data-dir ~/fashion --limit-train 5000 --json | jq .test_accuracy
          another data set, the first 5,000 images, and a number an epoch
  lenet-gpu train --data-dir photos --validation-split 0.2
          your own images, photos/CLASS/*.png or .jpg: of each class four fifths to train on, the rest to test with
  lenet-gpu train --init-from runs/slow/model.safetensors --epochs 1
          an epoch more from the weights of an earlier run

A run directory holds config.toml (what was run), metrics.jsonl (an object an epoch; accuracies are
fractions, seconds and images_per_second are of training alone) and model.safetensors (weights under
PyTorch's names). Ctrl-C saves the model as it is and ends with exit code 130; a second one ends at once.";

/// Train a network and keep it, with its metrics, in a run directory
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    /// Options by the name of a recipe; `lenet-gpu presets` shows them [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Recipe")]
    preset: Option<String>,

    /// Options from a file: those in its [options] table, as a preset or a run's config.toml has it; what is
    /// typed counts more [default: none]
    #[arg(long, value_name = "FILE.toml", help_heading = "Recipe")]
    config: Option<PathBuf>,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    limit: LimitArgs,

    #[command(flatten)]
    schedule: schedule::ScheduleArgs,

    #[command(flatten)]
    optimizer: optimizer::OptimizerArgs,

    #[command(flatten)]
    network: network::NetworkArgs,

    #[command(flatten)]
    loss: loss::LossArgs,

    #[command(flatten)]
    stopping: stopping::StoppingArgs,

    #[command(flatten)]
    augmentation: augmentation::AugmentationArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Folder for the run's files, new or empty [default: runs/<dataset>-<date>-<time>, in UTC]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,

    /// Print one JSON object an epoch on stdout and nothing else; with --target-accuracy its `target` has the
    /// time so far
    #[arg(long)]
    json: bool,

    /// Show no progress; warnings, errors and the result remain
    #[arg(short, long)]
    quiet: bool,
}

/// Where runs go that have no name.
const RUNS: &str = "runs";

/// Trains; `options` are those that were typed or came from a preset or a file, and `started` is when the
/// program began.
pub fn run(
    args: &TrainArgs,
    options: toml::Table,
    started: Instant,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let optimizer = args.optimizer.optimizer()?;
    let seed = args.schedule.seed;
    let (data, device) =
        args.engine.ready_beside(|| args.stopping.parts(args.data.open()?, &args.limit, seed))?;
    let (network, parameters) = args.network.network(&data, seed)?;
    let (stopping, augmentation) = (args.stopping.stopping(), args.augmentation.augmentation());
    let plan = args.schedule.plan(data.train.len(), &args.optimizer, stopping, augmentation)?;
    if network.batch_norm {
        check_batches(plan.batch_size, data.train.len())?;
    }

    let setup = Setup {
        optimizer,
        loss: args.loss.loss(),
        augmented: augmentation.is_some(),
        ..Setup::new(network, plan.batch_size)
    };
    let mut opened = device.engine(&setup)?;
    opened.engine.set_parameters(&parameters).map_err(Failure::work)?;
    let told = format!("training on {}: {}", opened.config.name, opened.reason);
    let config = Config {
        program: Program::this(),
        engine: opened.config,
        data: DataConfig {
            name: data.name.clone(),
            train: data.train.len(),
            validation: data.validation.as_ref().map(|part| part.len()),
            test: data.test.len(),
            fit: args.data.conversion().fit,
        },
        network,
        weights: args.network.weights(),
        training: plan.clone(),
        loss: setup.loss,
        optimizer: setup.optimizer,
        options,
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
    // Weights that the network starts from may be of more classes, which then have no names.
    let class_names = data.class_names.clone().filter(|names| names.len() == network.classes);
    let about = About { dataset: Some(args.data.slug()), fit: Some(data.fit), class_names };
    let mut session = Session {
        started,
        stopping,
        network,
        about,
        directory,
        progress,
        interrupt,
        training_seconds: 0.0,
        json: args.output.json.then_some(output),
    };
    let trained = train::train(&mut *opened.engine, &data, &plan, &mut session);
    let Session { directory, progress, about, .. } = session;
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
        if !parameters.iter().all(|parameter| parameter.is_finite()) {
            return Err(Failure::Work(anyhow!(
                "interrupted after step {}, and the weights are not all finite: they were not saved; a lower \
                 --lr usually helps",
                report.steps
            )));
        }
        directory.save_model(&Model { network, parameters, about }).map_err(Failure::work)?;
    }
    conclude(&report, &stopping, started, &model, args.output.json, output)
}

/// Batch normalisation makes every value of a batch of one image equal to its mean, after which fc1's and
/// fc2's outputs say nothing of the image.
fn check_batches(batch_size: usize, images: usize) -> Result<(), Failure> {
    if batch_size == 1 || images == 1 {
        return Err(Failure::Input(anyhow!(
            "--batch-norm learns nothing from one image alone, and a step has 1; take a larger --batch-size"
        )));
    }
    if images % batch_size == 1 {
        notice::warning(format_args!(
            "--batch-norm learns nothing from one image alone, and the last step of each epoch has 1: {images} \
             images in batches of {batch_size}; another --batch-size helps"
        ));
    }
    Ok(())
}

/// The last lines: what the run came to, and where the model is.
fn conclude(
    report: &Report,
    stopping: &Stopping,
    started: Instant,
    model: &Path,
    json: bool,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let model = model.display();
    match report.ending {
        train::Ending::Interrupted => {
            notice::note(format_args!(
                "interrupted after step {}; the model so far is in {model}",
                report.steps
            ));
            return Ok(Ending::Interrupted);
        }
        // Which is told below.
        train::Ending::Stopped(Stop::TestAccuracy(_)) | train::Ending::Finished => {}
        train::Ending::Stopped(stop) => {
            notice::note(format_args!("stopped after {} steps: {stop}", report.steps));
        }
    }
    let target =
        report.last.as_ref().and_then(|record| Target::after(record, stopping, report.seconds, started));
    if let Some(target) = target {
        notice::note(target);
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

/// What listens to a run: its files, its display, and the user who may end it.
struct Session<'a> {
    /// When the program began.
    started: Instant,
    stopping: Stopping,
    network: LeNet5,
    about: About,
    directory: RunDirectory,
    progress: Progress,
    interrupt: Interrupt,
    /// Of the epochs so far.
    training_seconds: f64,
    /// Where each epoch's object goes, if anywhere.
    json: Option<&'a mut Output>,
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
}

impl Listener for Session<'_> {
    fn so_far(&mut self, so_far: &SoFar) -> ControlFlow<()> {
        self.progress.so_far(so_far);
        self.flow()
    }

    fn epoch(&mut self, record: &EpochRecord, parameters: &[f32]) -> Result<ControlFlow<()>, RunError> {
        // The model first: an epoch that stands in the metrics has its weights on the disk.
        let (network, about) = (self.network, self.about.clone());
        self.directory.save_model(&Model { network, parameters: parameters.to_vec(), about })?;
        self.directory.append(record)?;
        self.progress.epoch(record);
        self.training_seconds += record.seconds;
        if let Some(output) = &mut self.json {
            let target = Target::after(record, &self.stopping, self.training_seconds, self.started);
            let line =
                serde_json::to_string(&Line { record, target }).expect("a record has only what JSON can say");
            output
                .line(&line)
                .map_err(|source| RunError::Write { path: "the standard output".into(), source })?;
        }
        Ok(self.flow())
    }
}
