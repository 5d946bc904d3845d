//! The options of `sweep`: its own, and those of `train` that recipes may have.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use toml::Table;

use crate::cli::recipe;
use crate::cli::values;

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
    /// Vary an option of `train`; may be repeated: NAME=A,B,C tries these values, NAME=0..9 whole numbers, NAME=log:LOW:HIGH
    /// and NAME=uniform:LOW:HIGH draw numbers with --samples, and with a third number, the count, are evenly spaced
    #[arg(long, value_name = "NAME=VALUES", help_heading = "Sweep", action = clap::ArgAction::Append)]
    pub vary: Vec<String>,

    /// Number of settings to draw at random [default: all combinations of the values]
    #[arg(long, value_name = "N", help_heading = "Sweep", value_parser = values::count)]
    #[arg(allow_negative_numbers = true)]
    pub samples: Option<NonZeroUsize>,

    /// Folder of the sweep, new or empty [default: runs/sweep-DATE-TIME, in UTC]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub run_dir: Option<PathBuf>,
}

impl Args for SweepArgs {
    fn augment_args(command: Command) -> Command {
        recipe::with_options(OwnArgs::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SweepArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { own: OwnArgs::from_arg_matches(matches)?, typed: recipe::options_in(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
