//! `lenet-gpu train`.

mod advice;
mod augmentation;
mod checkpoint_args;
mod ending;
mod find_lr;
mod fingerprint;
mod last_layer;
mod loss;
mod network;
mod optimizer;
mod progress;
mod resume;
mod saver;
mod schedule;
mod serve;
mod session;
mod stopping;
mod target;
mod tensorboard;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;

pub use optimizer::OptimizerKind;

use super::data_args::{DataArgs, LimitArgs};
use super::engine::EngineArgs;
use super::interrupt::Interrupt;
use super::report::{self, RunEnd};
use super::{Ending, Failure, Output, notice, threads};
use crate::data::{ClassCounts, Dataset, ImageSet, Subset};
use crate::engine::{Optimizer, Setup};
use crate::escape::escape;
use crate::model::{Model, ModelInfo};
use crate::train::{
    self, Checkpoint, DataConfig, Listener, Program, RunConfig, RunDirectory, RunError, RunOutcome, RunState,
    TrainingConfig,
};
use crate::wording::{self, count};
use find_lr::Search;
use fingerprint::Fingerprints;
use network::InitialNetwork;
use progress::{Progress, ProgressMode, Run};
use resume::{Now, Resumed};
use saver::{Files, Saver};
use serve::{RunServer, ShownRun};
use session::Session;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu train
          MNIST, three epochs on the best GPU: 98.2 to 98.8 % test accuracy, depending on the seed
  lenet-gpu train --backend cpu --epochs 1.75 --lr 5e-4 --run-dir runs/slow
          on the CPU, for an epoch and three quarters, with its files in runs/slow
  lenet-gpu train --data-dir ~/fashion --limit-train 5000 --json | jq .test_accuracy
          the first 5,000 images of another data set; prints the test accuracy of each epoch
  lenet-gpu train --data-dir photos --validation-split 0.2
          your own images, photos/CLASS/*.png or .jpg; a fifth of each class is held out for testing
  lenet-gpu train --init-from runs/slow --epochs 1
          one more epoch from the weights of an earlier run
  lenet-gpu train --data-dir photos --validation-split 0.2 --init-from runs/slow/model.safetensors --freeze conv
          fine-tuning: only the dense layers are trained, the last one from new weights if the classes differ
  lenet-gpu train --find-lr --optimizer sgd --momentum 0.9
          suggests a learning rate for these options instead of training
  lenet-gpu train --resume runs/slow
          resume an interrupted run, with bit-identical results; add --epochs 5 to extend it

Files of a run:
  config.toml             all options and the device
  metrics.jsonl           one JSON object per epoch; accuracies are fractions, times cover only training
  metrics.csv             the same for spreadsheets
  model.safetensors       the weights after the last epoch, under PyTorch's names
  best.safetensors        the weights of the best epoch on the validation images, or else the test images
  checkpoint.safetensors  the state that --resume needs
  report.html             the run as a page: curves, scores, mistakes, filters, options; `lenet-gpu report` writes it again
  curves.png              the curves of loss and accuracy
  events.out.tfevents.*   with --tensorboard

Ctrl-C saves all files and exits with code 130; a second Ctrl-C exits at once.";

/// Train a network
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    /// Options from a preset; `lenet-gpu presets` lists them [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Options from a file", conflicts_with = "resume")]
    preset: Option<String>,

    /// Options from the [options] table of a file, or of the config.toml in the folder of a run; options on the command
    /// line take precedence [default: none]
    #[arg(
        long,
        value_name = "FILE.toml|RUN",
        help_heading = "Options from a file",
        conflicts_with = "resume"
    )]
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
    find_lr: find_lr::FindLrArgs,

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

    #[command(flatten)]
    tensorboard: tensorboard::TensorBoardArgs,

    #[command(flatten)]
    page: serve::ServeArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Folder for the run's files, new or empty [default: runs/DATASET-DATE-TIME, in UTC]
    #[arg(long, alias = "output", short_alias = 'o', value_name = "DIR", conflicts_with = "resume")]
    run_dir: Option<PathBuf>,

    /// Print one JSON object per epoch on stdout and nothing else; with --target-accuracy, its field `target` has the
    /// time so far
    #[arg(long)]
    json: bool,

    /// Do not write report.html and curves.png at the end
    #[arg(long)]
    no_report: bool,

    /// Progress on stderr; -q implies none
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    progress: ProgressMode,

    /// Show only warnings, errors and the result
    #[arg(short, long)]
    quiet: bool,
}

/// The folder of runs without `--run-dir`.
pub const RUNS: &str = "runs";

/// Trains a network. `options` are all options given, whether typed or from a preset, a file or the resumed run;
/// `started` is when the program started.
pub fn run(
    args: &TrainArgs,
    options: toml::Table,
    started: Instant,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let resumed = args.checkpoint.resume.as_deref().map(Resumed::open).transpose()?;
    let engine_before = resumed.as_ref().and_then(Resumed::engine);
    let optimizer = Optimizer { frozen: args.network.frozen(), ..args.optimizer.optimizer()? };
    let seed = args.schedule.seed;
    args.data.check(&[Subset::Train, Subset::Test])?;
    let server = args.page.listen()?;
    let ((data, test_split), device) = args
        .engine
        .open_concurrently(engine_before, || args.stopping.split(args.data.open()?, &args.limit, seed))?;
    let fingerprints = Fingerprints::of(&data, args.data.origin(test_split));
    let InitialNetwork { network, parameters, weights } = match resumed.as_ref().and_then(Resumed::checkpoint)
    {
        Some(Checkpoint { model, config, .. }) => InitialNetwork {
            network: model.network,
            parameters: model.parameters.clone(),
            weights: config.weights.clone(),
        },
        None => args.network.initial(&data, seed, args.output.quiet)?,
    };
    let (stopping, augmentation) = (args.stopping.stopping(), args.augmentation.augmentation());
    let training = args.schedule.config(data.train.len(), &args.optimizer, stopping, augmentation)?;
    let counts = ClassCounts::of(&data.train.labels, network.classes);
    let class_weights = match resumed.as_ref().and_then(Resumed::checkpoint) {
        Some(Checkpoint { config, .. }) => config.training.class_weights.clone(),
        None => args.loss.class_weights(&counts, data.class_names.as_deref())?,
    };
    let class_weighted = class_weights.is_some();
    let training = TrainingConfig { checkpoint_every: args.checkpoint.every, class_weights, ..training };
    let is_new = resumed.as_ref().and_then(Resumed::checkpoint).is_none();
    let may_warn_of_imbalance = resumed.is_none() && !class_weighted;
    if network.batch_norm {
        check_batches(training.batch_size, data.train.len())?;
    }

    let setup = Setup {
        optimizer,
        loss: args.loss.loss(),
        augmented: augmentation.is_some(),
        class_weighted,
        ..Setup::new(network, training.batch_size)
    };
    let mut opened = device.engine(&setup)?;
    opened.engine.set_parameters(&parameters).map_err(Failure::work)?;
    let device = format!("training on {}: {}", opened.config.name, opened.reason);
    let slug = args.data.slug(data.kind);
    if let Some(range) = args.find_lr.range(&optimizer.rule) {
        if !args.output.quiet {
            notice::note(device);
            notice::note(images_of(&data, args.data.names_a_set()));
        }
        let engine = &mut *opened.engine;
        let search =
            Search { range, engine, data: &data, training: &training, slug: &slug, options: &options };
        return find_lr::run(search, &args.output, output);
    }
    let config = RunConfig {
        program: Program::this(),
        engine: opened.config,
        data: DataConfig {
            name: data.name.clone(),
            train: data.train.len(),
            validation: data.validation.as_ref().map(|images| images.len()),
            test: data.test.len(),
            fit: args.data.conversion().fit,
        },
        network,
        weights,
        training: training.clone(),
        loss: setup.loss,
        optimizer: setup.optimizer,
        options,
    };
    // A network that starts from other weights may have more classes, whose names are unknown.
    let class_names = data.class_names.clone().filter(|names| names.len() == network.classes);
    let before = resumed.as_ref().map(|resumed| resumed.metrics().to_vec()).unwrap_or_default();
    let is_resumed = resumed.is_some();
    let (directory, state) = match resumed {
        None => (new_directory(args, &slug, &config)?, RunState::default()),
        Some(resumed) => {
            let now =
                Now { config: &config, images: fingerprints.get(), class_names: class_names.as_deref() };
            resumed.resume(&now, &mut *opened.engine)?
        }
    };
    if !args.output.quiet {
        notice::note(device);
        notice::note(images_of(&data, args.data.names_a_set()));
        note_resumed_step(&state, training.total_steps(data.train.len()));
    }
    if may_warn_of_imbalance {
        advice::imbalance(&counts, data.class_names.as_deref());
    }

    let run = directory.path().to_owned();
    let interrupt = Interrupt::listen(move || ending::stopped(&run))
        .context("cannot listen for Ctrl-C")
        .map_err(Failure::Work)?;
    let progress = {
        let mode = if args.output.quiet { ProgressMode::None } else { args.output.progress };
        let run = Run {
            device: escape(&config.engine.name).into_owned(),
            config: training.clone(),
            samples: data.train.len(),
            validation: data.validation.as_ref().map(|images| images.len()),
            test: data.test.len(),
        };
        Progress::start(mode, !args.output.json, run, &state, &before)
    };
    let (tensorboard, step_losses) =
        args.tensorboard.start(directory.path(), is_resumed, &config, &state, &data.train).unzip();
    let info = ModelInfo { dataset: Some(slug), fit: Some(data.fit), class_names, ..ModelInfo::default() };
    let shown = server.map(|server| {
        let model = Model { network, parameters: parameters.clone(), info: info.clone() };
        let device = opened.engine.name();
        let (training, data, directory) = (&training, &data, &directory);
        let interrupt = interrupt.clone();
        ShownRun { model, device, training, data, directory, before, interrupt }.serve(server)
    });
    let mut page = shown.transpose()?;
    let files = Files { directory, config, info, fingerprints };
    let saver = Saver::new(files, tensorboard).map_err(threads::cannot_start)?;
    let json = args.output.json.then_some(&mut *output);
    let mut listeners: Vec<Box<dyn Listener>> = vec![Box::new(progress)];
    if let Some(losses) = step_losses {
        listeners.push(Box::new(losses));
    }
    listeners.extend(page.as_ref().map(RunServer::listener));
    let mut session = Session { started, stopping, saver, interrupt, json, listeners };
    let trained = train::train(&mut *opened.engine, &data, &training, state, &mut session);
    if let (Some(page), Ok(summary)) = (&mut page, &trained) {
        page.end(summary.outcome);
    }
    let mut saved = session.finish();
    if let Some(tensorboard) = &mut saved.tensorboard {
        tensorboard.finish(&trained);
    }
    let summary = trained.map_err(|error| ending::failed(&mut saved, error))?;
    ending::save_rest(&mut saved, &summary, &mut *opened.engine)?;
    if summary.outcome != RunOutcome::Interrupted {
        let trained = summary.steps.saturating_mul(training.batch_size as u64);
        advice::result(&summary, &data, trained, class_weighted);
    }
    if !args.output.no_report {
        let files = &saved.files;
        let end = RunEnd {
            run: files.directory.stored(&files.config, &summary.outcome),
            info: files.info(),
            initial: is_new.then_some(parameters),
            engine: &mut *opened.engine,
            test: &data.test,
        };
        report::write_at_the_end(end, args.output.quiet);
    }
    ending::conclude(&summary, &stopping, started, &saved.files, args.output.json, output)
}

/// What the run learns from: "60,000 training and 10,000 test images of MNIST (built in), 10 classes".
fn images_of(data: &Dataset, is_named: bool) -> String {
    let name = match data.kind {
        _ if !is_named => "MNIST (built in)".to_owned(),
        Some(kind) if kind.name() != data.name => format!("{} ({kind})", data.name),
        _ => data.name.clone(),
    };
    let number = |images: &ImageSet| wording::whole(images.len() as u64);
    let validation = data.validation.as_ref().map(|images| format!("{} validation ", number(images)));
    let separator = if validation.is_some() { ", " } else { " " };
    format!(
        "{} training{separator}{}and {} test images of {name}, {}",
        number(&data.train),
        validation.unwrap_or_default(),
        number(&data.test),
        count(data.classes, "class")
    )
}

/// Notes the step from which a run is resumed.
fn note_resumed_step(state: &RunState, total: u64) {
    match state.step {
        0 => {}
        step if step == total => {
            let steps = count(total, "step");
            notice::note(format_args!("the run has already done its {steps}; --epochs extends it"));
        }
        step => notice::note(format_args!("resuming at step {step} of {total}")),
    }
}

/// The folder of a new run.
fn new_directory(args: &TrainArgs, slug: &str, config: &RunConfig) -> Result<RunDirectory, Failure> {
    args.tensorboard.prepare(args.output.run_dir.as_deref())?;
    let directory = match &args.output.run_dir {
        Some(path) => RunDirectory::create(path, config),
        None => RunDirectory::create_timestamped(Path::new(RUNS), slug, config),
    };
    directory.map_err(unusable)
}

/// The failure for a folder that cannot be used: wrong input, unless reading or writing failed.
fn unusable(error: RunError) -> Failure {
    match error {
        RunError::Read { ref source, .. } if source.kind() == ErrorKind::FileTooLarge => {
            Failure::input(error)
        }
        RunError::Read { .. } | RunError::Write { .. } | RunError::File(_) => Failure::work(error),
        _ => Failure::input(error),
    }
}

/// Checks that no batch has a single image. Batch normalisation makes every value of such a batch equal to its mean, so
/// that the outputs of fc1 and fc2 do not depend on the image.
fn check_batches(batch_size: usize, images: usize) -> Result<(), Failure> {
    if batch_size == 1 || images == 1 {
        return Err(Failure::usage(
            "--batch-norm requires batches of more than one image",
            "use a larger --batch-size",
        ));
    }
    if images % batch_size == 1 {
        notice::warning(format_args!(
            "the last batch of each epoch has a single image ({images} images in batches of {batch_size}), from which \
             --batch-norm cannot learn; use another --batch-size"
        ));
    }
    Ok(())
}
