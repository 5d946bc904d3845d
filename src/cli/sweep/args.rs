//! The options of `sweep`: its own, and those of `train` that recipes may have.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use toml::Table;

use crate::cli::recipe::{self, TrainOptions};
use crate::cli::values;
use crate::sweep::{Keep, Metric, Shard};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu sweep --vary lr=1e-3,3e-3,1e-2 --vary seed=0..4 --validation-split 0.1
          three learning rates with five seeds each, compared on held-out training images
  lenet-gpu sweep --preset mnist-fast --vary lr=log:1e-3:3e-2 --vary warmup=uniform:0:0.5 --samples 30
          30 random settings on top of a preset
  lenet-gpu sweep --vary batch-size=16,64,256 --vary lr=log:1e-4:1e-1:7 --epochs 9 --halving --validation-split 0.1
          a grid of 21 settings, of which only the best are trained to the end
  lenet-gpu sweep --config sweep.toml
          options from a file, see below
  lenet-gpu sweep --resume runs/sweep-20261129-101500
          resume an interrupted sweep; with --samples 60, a random search gets more settings
  lenet-gpu sweep --config sweep.toml --shard 1/4 --run-dir shards/1
          the first of four parts, for job arrays; `lenet-gpu sweep --merge shards/*` combines them

Values of --vary NAME=VALUES, where NAME is an option of train without its hyphens:
  a,b,c               these values
  0..9                whole numbers, both ends included
  uniform:LOW:HIGH    with --samples: any number in between
  log:LOW:HIGH        with --samples: any number in between, each order of magnitude equally likely
  uniform:LOW:HIGH:N, log:LOW:HIGH:N
                      N evenly spaced numbers
Numbers in between are rounded to 4 significant digits, or to whole numbers if the option takes only these.

The seed is no setting: --vary seed=0..4 repeats every setting with these seeds. Results are means over the seeds, and the \
conclusion says whether the best two settings differ by more than noise. All members hold out the same validation images.

With --vary optimizer=..., members leave out the given options that their optimizer does not have, such as --momentum \
with adam.

--halving compares all settings after a 27th, a 9th and a third of the epochs (as many of these as are whole epochs and \
are needed), by the mean of the metric over the seeds. Each time the best third continues; the others end.

A file for --config, with tables that are all optional:
  [options]            # as for train
  epochs = 3
  [vary]
  lr = [1e-3, 3e-3]    # or \"1e-3,3e-3\"
  momentum = \"uniform:0:0.99\"
  seed = \"0..4\"
  [sweep]
  samples = 20         # also sweep-seed, halving, metric, keep

Files of a sweep:
  sweep.toml           what was asked; `--config FOLDER` repeats it
  sweep.csv            a row for each member that has ended
  sweep.jsonl          the same with all epochs, one JSON object per line
  report.html          the sweep as a page
  model.safetensors    the model of the best member
  members/0000, ...    the run of each member, for all commands that take a run

Ctrl-C saves all files and exits with code 130; --resume continues.";

const ABOUT: &str = "Train many networks with different options, and compare them";

/// What was typed.
#[derive(Debug)]
pub struct SweepArgs {
    pub own: OwnArgs,
    /// The options of `train` that were typed, for all members.
    pub typed: Table,
}

/// The options that only sweeps have.
#[derive(Debug, Args)]
pub struct OwnArgs {
    /// Vary an option of train: lr=1e-3,1e-2, seed=0..9, lr=log:1e-4:1e-1; may be repeated
    #[arg(long, value_name = "NAME=VALUES", help_heading = "Sweep", action = clap::ArgAction::Append)]
    #[arg(conflicts_with = "resume")]
    pub vary: Vec<String>,

    /// Number of settings to draw at random [default: all combinations of the values]
    #[arg(long, value_name = "N", help_heading = "Sweep", value_parser = values::count)]
    #[arg(allow_negative_numbers = true)]
    pub samples: Option<NonZeroUsize>,

    /// Random seed of the settings that --samples draws; 0 to 2^63 - 1 [default: 0]
    #[arg(long, value_name = "N", help_heading = "Sweep", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER), conflicts_with = "resume")]
    pub sweep_seed: Option<u64>,

    /// Successive halving: train only the best third of the settings further, several times
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Sweep")]
    #[arg(conflicts_with = "resume")]
    pub halving: Option<bool>,

    /// How members are compared, after the last epoch [default: validation-accuracy, or test-accuracy if no images are held
    /// out]
    #[arg(long, value_enum, value_name = "METRIC", help_heading = "Sweep", conflicts_with = "resume")]
    pub metric: Option<Metric>,

    /// Whose folders to keep [default: all]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Sweep", conflicts_with = "resume")]
    pub keep: Option<Keep>,

    /// Train only part K of N parts of the sweep
    #[arg(long, value_name = "K/N", help_heading = "Sweep", value_parser = Shard::parse)]
    #[arg(conflicts_with = "resume")]
    pub shard: Option<Shard>,

    /// Combine the parts of a sweep, which were trained with --shard, in --run-dir
    #[arg(long, value_name = "SWEEP", help_heading = "Sweep", num_args = 1.., action = clap::ArgAction::Append)]
    #[arg(conflicts_with_all = ["vary", "samples", "sweep_seed", "halving", "metric", "keep", "shard", "resume"])]
    #[arg(conflicts_with_all = ["preset", "config"])]
    pub merge: Vec<PathBuf>,

    /// Resume the sweep in this folder, with its options; its device may be changed [default: a new sweep]
    #[arg(long, value_name = "SWEEP", help_heading = "Sweep")]
    pub resume: Option<PathBuf>,

    /// Options from a preset; `lenet-gpu presets` lists them [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Options from a file", conflicts_with = "resume")]
    pub preset: Option<String>,

    /// Options from a file with the tables [options], [vary] and [sweep], or from the folder of a sweep or a run; options on
    /// the command line take precedence [default: none]
    #[arg(long, value_name = "FILE.toml|SWEEP|RUN", help_heading = "Options from a file")]
    #[arg(conflicts_with = "resume")]
    pub config: Option<PathBuf>,

    /// Number of members to train at the same time on the CPU [default: one per thread]
    #[arg(long, short, value_name = "N", help_heading = "Device", value_parser = values::count)]
    #[arg(allow_negative_numbers = true)]
    pub jobs: Option<NonZeroUsize>,

    /// Number of members to train at the same time on a GPU, in the same dispatches [default: as many as its limits allow]
    #[arg(long, value_name = "N", help_heading = "Device", value_parser = values::count)]
    #[arg(allow_negative_numbers = true)]
    pub population: Option<NonZeroUsize>,

    /// GPUs to use: their indices in `lenet-gpu devices` or parts of their names, separated by commas, or `all`
    /// [default: the best]
    #[arg(long, value_name = "INDEX|NAME,...", help_heading = "Device")]
    pub adapter: Option<String>,

    /// Folder of the sweep, new or empty [default: runs/sweep-DATE-TIME, in UTC]
    #[arg(long, alias = "output", short_alias = 'o', value_name = "DIR", help_heading = "Output")]
    #[arg(conflicts_with = "resume")]
    pub run_dir: Option<PathBuf>,

    /// Print one JSON object per member that has ended on stdout, and at last one for the sweep
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Show only warnings, errors and the result
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

impl ValueEnum for Metric {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::ValidationAccuracy, Self::ValidationLoss, Self::TestAccuracy, Self::TestLoss]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.name().into())
    }
}

impl ValueEnum for Keep {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::All, Self::Best]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        use clap::builder::PossibleValue;
        Some(match self {
            Self::All => PossibleValue::new("all").help("Those of all members"),
            Self::Best => PossibleValue::new("best").help("That of the best member"),
        })
    }
}

impl Args for SweepArgs {
    fn augment_args(command: Command) -> Command {
        let command = TrainOptions::add_to(OwnArgs::augment_args(command));
        command.about(ABOUT).after_help(AFTER_HELP)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SweepArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let own = OwnArgs::from_arg_matches(matches)?;
        let mut typed = recipe::options_in(matches);
        // The sweep has an option of the same name.
        typed.remove("adapter");
        Ok(Self { own, typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
