//! What the options of a sweep mean: its members, each checked as `train` would check it before anything is trained.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use toml::Table;

use super::args::SweepArgs;
use crate::cli::Failure;
use crate::cli::train::TrainArgs;
use crate::sweep::{Member, Metric, Plan, SweepConfig, SweepFiles};

/// A sweep that can begin or be resumed.
#[derive(Debug)]
pub struct Sweep {
    /// What was asked. Its metric is only known once [`Self::files`] was called.
    pub config: SweepConfig,
    /// All members, also those of other shards.
    pub plan: Plan,
    /// How it is run, which does not affect results.
    pub running: Running,
    /// The metric, if it was typed.
    pub metric: Option<Metric>,
    /// The folder for a new sweep, if it was typed.
    pub run_dir: Option<PathBuf>,
    /// The folder of a resumed sweep.
    pub resumed: Option<SweepFiles>,
}

/// How a sweep is run, which does not affect results.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Number of members at the same time on the CPU; `None`: one for each thread.
    pub jobs: Option<NonZeroUsize>,
    /// Number of members at the same time on a GPU; `None`: chosen by the limits of the device.
    pub population: Option<NonZeroUsize>,
    /// The GPUs, as typed: `0,1` or `all`.
    pub adapter: Option<String>,
    /// Print each member's result as a JSON object on stdout.
    pub json: bool,
    /// Show no progress.
    pub quiet: bool,
}

impl Sweep {
    /// Checks the options. With `--resume`, opens the folder of the sweep.
    pub fn new(args: &SweepArgs) -> Result<Self, Failure> {
        let _ = args;
        todo!()
    }

    /// A sweep over the seed alone, for `train --seeds`: `options` are all other options given.
    pub fn over_seeds(
        options: Table,
        seeds: Vec<u64>,
        run_dir: Option<PathBuf>,
        running: Running,
    ) -> Result<Self, Failure> {
        let _ = (options, seeds, run_dir, running);
        todo!()
    }

    /// The folder of the sweep: created now, or that of the resumed sweep. `has_validation` is whether images are held out
    /// for validation, which decides about the metric. Warns if the metric is measured on the test images.
    pub fn files(&mut self, has_validation: bool) -> Result<SweepFiles, Failure> {
        let _ = has_validation;
        todo!()
    }

    /// The members that this process trains: all, or those of the shard.
    pub fn members(&self) -> Vec<Member> {
        self.config.members(&self.plan).collect()
    }

    /// The options of a member as `train` would have them, and the same as a table for `config.toml`. Its folder is not
    /// among them: [`SweepFiles::member_path`].
    pub fn member(&self, member: Member) -> Result<(TrainArgs, Table), Failure> {
        let _ = member;
        todo!()
    }
}
