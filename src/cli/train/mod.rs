//! `lenet-gpu train`, in stages: `opening` turns the options into images, an engine and a configuration; `beginning`
//! creates the folder; `observers` attaches the observers; `ending` saves the rest and reports the result.

mod advice;
mod augmentation;
mod beginning;
mod checkpoint_args;
mod ending;
mod find_lr;
mod fingerprint;
mod followers;
mod images;
mod last_layer;
mod loss;
mod member;
mod network;
mod observers;
mod opening;
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

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

pub use optimizer::OptimizerKind;

use super::data_args::{DataArgs, LimitArgs};
use super::engine::{EngineArgs, Opened};
use super::sweep::{self, Running};
use super::{Ending, Failure, Output, job, values};
use crate::engine::Engine;
use crate::ranks::Ranks;
use beginning::{Begun, Folder};
use ending::Trained;
use opening::{Opening, introduce};
use progress::ProgressMode;
use session::Session;

pub use images::Images;
pub use member::{MemberEnd, MemberFailure, MemberRun};

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
  lenet-gpu train --seeds 5 --run-dir runs/five
          five networks with the seeds 1998 to 2002: the mean and the range of their test accuracies
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
  events.out.tfevents.*   the run for TensorBoard, with --tensorboard
  failure.txt             the error that ended the run, if one did

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

    /// Train N networks, several at the same time, with consecutive seeds from --seed, and print the mean, the standard
    /// deviation and the range of their test accuracies; a sweep over the seed, in a folder like that of
    /// `lenet-gpu sweep` [default: one network]
    #[arg(long, value_name = "N", value_parser = values::count, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    #[arg(conflicts_with_all = ["resume", "find_lr", "serve", "tensorboard", "no_report", "progress"])]
    seeds: Option<NonZeroUsize>,
}

impl TrainArgs {
    /// Checks what can be checked without the images: that the options are ones of the optimizer and of the schedule.
    pub fn check(&self) -> Result<(), Failure> {
        self.optimizer.optimizer()?;
        self.schedule.schedule()?;
        Ok(())
    }
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
    if let Some(seeds) = args.seeds {
        return args.train_seeds(seeds, options, started, output);
    }
    let ranks = job::ranks();
    let opened = Opening::open(args, options).and_then(|opened| {
        let rule = &opened.0.config.optimizer.rule;
        if ranks.size() > 1 && args.find_lr.range(rule).is_some() {
            return Err(Failure::usage("--find-lr runs in one process", "start it without mpirun"));
        }
        Ok(opened)
    });
    let (opening, Opened { mut engine, config: device, reason }, server) = job::agree(opened)?;
    if ranks.size() > 1 {
        followers::check(&opening, &*ranks)?;
    }
    if ranks.rank() > 0 {
        return followers::follow(opening, &mut *engine, ranks);
    }
    if let Some(range) = args.find_lr.range(&opening.config.optimizer.rule) {
        introduce(args, &device.name, &reason, &opening.images.data);
        return find_lr::run(range, opening, &mut *engine, &args.output, output);
    }
    let begin = opening.begin(args, Folder::Run(args.output.run_dir.as_deref()));
    let (mut begun, followed) = job::agree(begin)?;
    introduce(args, &device.name, &reason, &begun.data);
    begun.note(followed.is_resumed, args.output.quiet);
    let json = args.output.json.then_some(&mut *output);
    let attached = observers::attach(&begun, followed, args, server, started, json);
    let (mut session, page) = job::agree(attached)?;
    let trained = train(&mut begun, &mut *engine, &mut session, &ranks);
    let is_known = trained.is_known_to_other_ranks();
    if let (Some(page), Ok(summary)) = (&page, &trained.summary) {
        page.end(summary.outcome);
    }
    let saved = session.finish();
    // The page is dropped after this, because dropping it waits for the browsers that show it.
    let ending = ending::end(begun, &mut *engine, trained, saved, &args.output, started, output);
    if is_known { job::agree(ending) } else { ending }
}

impl TrainArgs {
    /// Trains a network for each of several seeds.
    fn train_seeds(
        &self,
        number: NonZeroUsize,
        options: toml::Table,
        started: Instant,
        output: &mut Output,
    ) -> Result<Ending, Failure> {
        let OutputArgs { run_dir, json, quiet, .. } = &self.output;
        let running = Running { json: *json, quiet: *quiet, ..Running::default() };
        let first = self.schedule.seed;
        sweep::seeds::train(options, first, number, run_dir.clone(), running, started, output)
    }
}

/// Trains a run that has begun, on an engine of its setup, together with the same run of the other ranks.
fn train(
    begun: &mut Begun,
    engine: &mut dyn Engine,
    session: &mut Session,
    ranks: &Arc<dyn Ranks>,
) -> Trained {
    let summary = begun.train(engine, session, ranks);
    let weights = match summary {
        Ok(_) => session.unsaved_weights(engine),
        Err(_) => Ok(None),
    };
    Trained { summary, weights }
}
