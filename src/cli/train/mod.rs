//! `lenet-gpu train`.

mod augmentation;
mod checkpoint_args;
mod ending;
mod fingerprint;
mod keeper;
mod loss;
mod network;
mod optimizer;
mod resume;
mod schedule;
mod session;
mod stopping;
mod target;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::engine::{Engine, Setup};
use crate::model::ModelInfo;
use crate::train::{
    self, Checkpoint, DataConfig, Program, Progress, RunConfig, RunDirectory, RunError, RunState,
    TrainingConfig,
};
use anyhow::{Context, anyhow};
use clap::Args;

pub use optimizer::OptimizerKind;

use super::data_args::{DataArgs, LimitArgs};
use super::engine::EngineArgs;
use super::interrupt::Interrupt;
use super::{Ending, Failure, Output, notice};
use fingerprint::Fingerprint;
use keeper::{Files, Keeper};
use resume::Resumed;
use session::Session;

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
  lenet-gpu train --resume runs/slow
          goes on with a run that was interrupted, to the same bits; --epochs 5 makes it longer

A run directory holds config.toml (what was run), metrics.jsonl (an object an epoch; accuracies are
fractions, seconds and images_per_second are of training alone), model.safetensors (weights under
PyTorch's names), best.safetensors (those of the best epoch by the held-back images, else by the test's) and
checkpoint.safetensors (all that --resume needs). Ctrl-C saves all of it as it is and ends with exit code 130; a
second one ends at once.";

/// Train a network and keep it, with its metrics, in a run directory
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    /// Options by the name of a recipe; `lenet-gpu presets` shows them [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Recipe", conflicts_with = "resume")]
    preset: Option<String>,

    /// Options from a file: those in its [options] table, as a preset or a run's config.toml has it; what is
    /// typed counts more [default: none]
    #[arg(long, value_name = "FILE.toml", help_heading = "Recipe", conflicts_with = "resume")]
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
    checkpoint: checkpoint_args::CheckpointArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Folder for the run's files, new or empty [default: runs/<dataset>-<date>-<time>, in UTC]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
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

/// Trains; `options` are those that were typed or came from a preset, a file or the run that goes on, and `started` is
/// when the program began.
pub fn run(
    args: &TrainArgs,
    options: toml::Table,
    started: Instant,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let resumed = args.checkpoint.resume.as_deref().map(Resumed::open).transpose()?;
    let before = resumed.as_ref().and_then(Resumed::engine);
    let optimizer = args.optimizer.optimizer()?;
    let seed = args.schedule.seed;
    let (data, device) = args
        .engine
        .open_concurrently(before, || args.stopping.parts(args.data.open()?, &args.limit, seed))?;
    let images = Fingerprint::of(&data.train);
    let (network, parameters) = match resumed.as_ref().and_then(|resumed| resumed.checkpoint.as_ref()) {
        Some(Checkpoint { model, .. }) => (model.network, model.parameters.clone()),
        None => args.network.network(&data, seed)?,
    };
    let (stopping, augmentation) = (args.stopping.stopping(), args.augmentation.augmentation());
    let plan = args.schedule.plan(data.train.len(), &args.optimizer, stopping, augmentation)?;
    let plan = TrainingConfig { checkpoint_every: args.checkpoint.every, ..plan };
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
    let config = RunConfig {
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
    let (directory, standing) = match resumed {
        None => (new_directory(args, &config)?, RunState::default()),
        Some(resumed) => take_up(resumed, &config, &images, &mut *opened.engine)?,
    };
    if !args.output.quiet {
        notice::note(told);
        tell_how_far(&standing, plan.total_steps(data.train.len()));
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
    let about =
        ModelInfo { dataset: Some(args.data.slug()), fit: Some(data.fit), class_names, selected: None };
    let files = Files { directory, config, about, images };
    let keeper = Keeper::new(files, &standing, progress.clone());
    let json = args.output.json.then_some(&mut *output);
    let mut session = Session { started, stopping, keeper, progress, interrupt, json };
    let trained = train::train(&mut *opened.engine, &data, &plan, standing, &mut session);
    session.progress.end();
    let mut kept = session.keeper.end();
    let report = trained.map_err(|error| ending::failed(&kept, error))?;
    ending::save_the_rest(&mut kept, &report, &mut *opened.engine)?;
    ending::conclude(&report, &stopping, started, &kept.files, args.output.json, output)
}

/// Tells where a run goes on.
fn tell_how_far(standing: &RunState, total: u64) {
    match standing.step {
        0 => {}
        step if step == total => {
            notice::note(format_args!("the run has done all of its {total} steps; --epochs makes it longer"));
        }
        step => notice::note(format_args!("going on from step {step} of {total}")),
    }
}

/// The folder of a new run.
fn new_directory(args: &TrainArgs, config: &RunConfig) -> Result<RunDirectory, Failure> {
    let made = match &args.output.run_dir {
        Some(path) => RunDirectory::create(path, config),
        None => RunDirectory::create_timestamped(Path::new(RUNS), &args.data.slug(), config),
    };
    made.map_err(unfit)
}

/// A folder in which no run can begin or go on: another one helps, unless it is the disk.
fn unfit(error: RunError) -> Failure {
    match error {
        RunError::Write { .. } | RunError::File(_) => Failure::work(error),
        _ => Failure::input(error),
    }
}

/// Brings an engine, which has the run's parameters, and a folder to where the run was left.
fn take_up(
    resumed: Resumed,
    config: &RunConfig,
    images: &Fingerprint,
    engine: &mut dyn Engine,
) -> Result<(RunDirectory, RunState), Failure> {
    resumed.check(config, images.get())?;
    let Resumed { mut directory, checkpoint } = resumed;
    let standing = match checkpoint {
        None => RunState::default(),
        Some(Checkpoint { optimizer, state: standing, .. }) => {
            engine.set_optimizer_state(&optimizer).map_err(Failure::work)?;
            standing
        }
    };
    directory.truncate_metrics(standing.epochs).map_err(Failure::work)?;
    directory.save_config(config).map_err(Failure::work)?;
    Ok((directory, standing))
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
