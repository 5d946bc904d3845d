//! A run that was left is taken up again.

use std::path::Path;

use crate::train::{Checkpoint, EngineConfig, RunConfig, RunDirectory, Schedule, TrainingConfig};
use anyhow::anyhow;

use super::unfit;
use crate::cli::{Failure, notice};

/// A run that was left, and what it left.
pub struct Resumed {
    pub directory: RunDirectory,
    /// None where the run was ended before it could write one.
    pub checkpoint: Option<Checkpoint>,
}

/// Options that may be others than before: they decide how long and on what a run goes on, not what it is.
const MAY_CHANGE: [&str; 12] = [
    "epochs",
    "max-steps",
    "early-stop-train-accuracy",
    "target-accuracy",
    "patience",
    "checkpoint-every",
    "backend",
    "adapter",
    "residency",
    "kernels",
    "plan",
    "data-dir",
];

impl Resumed {
    /// Takes up the folder of a run.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let directory = RunDirectory::reopen(path).map_err(unfit)?;
        let checkpoint = match Checkpoint::load(&RunDirectory::checkpoint_path(path)) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) if error.is_missing() => {
                notice::note(format_args!("{} has no checkpoint yet: the run begins again", path.display()));
                None
            }
            Err(error) => return Err(Failure::input(error)),
        };
        Ok(Self { directory, checkpoint })
    }

    /// What computed before.
    pub fn engine(&self) -> Option<&EngineConfig> {
        self.checkpoint.as_ref().map(|checkpoint| &checkpoint.config.engine)
    }

    /// Whether the run as it is now goes on with what it was, and how.
    pub fn check(&self, config: &RunConfig, images: &str) -> Result<(), Failure> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        let before = &checkpoint.config;
        if checkpoint.images != images {
            return Err(Failure::Input(anyhow!(
                "the {} images of {} are not the {} of {} that the run was trained on; --data-dir must lead to \
                 those, and what limits them must be as it was",
                config.data.train,
                config.data.name,
                before.data.train,
                before.data.name
            )));
        }
        if let Some(option) = changed_option(before, config) {
            return Err(Failure::Input(anyhow!(
                "--{option} is another than the run began with, and a run that goes on keeps it; leave it out, or \
                 start a new run from these weights with --init-from {}",
                RunDirectory::checkpoint_path(self.directory.path()).display()
            )));
        }
        if adapted(before, config) != *config {
            return Err(Failure::Input(anyhow!(
                "the run was begun by lenet-gpu {}, by whose options it was another than by those of this version, \
                 {}; that version goes on with it",
                before.program.version,
                config.program.version
            )));
        }
        self.check_length(&config.training, config.data.train)?;

        if !before.engine.is_bit_identical_to(&config.engine) {
            notice::note(format_args!(
                "the run was on {} and goes on on {}: it comes to other bits than it would have there",
                before.engine.name, config.engine.name
            ));
        }
        Ok(())
    }

    /// Whether a run of this length can stand where the checkpoint does.
    fn check_length(&self, plan: &TrainingConfig, samples: usize) -> Result<(), Failure> {
        let Some(Checkpoint { state: standing, config: before, .. }) = &self.checkpoint else {
            return Ok(());
        };
        let (total, total_before) = (plan.total_steps(samples), before.training.total_steps(samples));
        if total < standing.step {
            return Err(Failure::Input(anyhow!(
                "the run has done {} steps already, and by --epochs and --max-steps it would have {total}",
                standing.step
            )));
        }
        if total == total_before {
            return Ok(());
        }
        if standing.step < standing.epochs * plan.steps_per_epoch(samples) {
            return Err(Failure::Input(anyhow!(
                "the run ended within epoch {}, so it cannot be made longer; start a new one from its weights with \
                 --init-from",
                standing.epochs
            )));
        }
        if plan.schedule != Schedule::CONSTANT {
            notice::note(format_args!(
                "the run has {total} steps now and had {total_before}: the rates to come follow from the new length"
            ));
        }
        Ok(())
    }
}

/// An option that decides what a run is and is another now.
fn changed_option<'a>(before: &'a RunConfig, now: &'a RunConfig) -> Option<&'a str> {
    let names = before.options.keys().chain(now.options.keys()).map(String::as_str);
    names
        .filter(|name| !MAY_CHANGE.contains(name))
        .find(|&name| before.options.get(name) != now.options.get(name))
}

/// The config before with all that may change as it is now.
fn adapted(before: &RunConfig, now: &RunConfig) -> RunConfig {
    let TrainingConfig { epochs, max_steps, stopping, checkpoint_every, .. } = now.training;
    let mut config = before.clone();
    config.program = now.program.clone();
    config.engine = now.engine.clone();
    config.data.name = now.data.name.clone();
    config.options = now.options.clone();
    config.training = TrainingConfig { epochs, max_steps, stopping, checkpoint_every, ..config.training };
    config
}

/// The command that goes on with a run.
pub fn command(run: &Path) -> String {
    let shown = run.display().to_string();
    let plain = shown.chars().all(|letter| letter.is_alphanumeric() || "/.-_:\\".contains(letter));
    if plain {
        format!("lenet-gpu train --resume {shown}")
    } else {
        format!("lenet-gpu train --resume '{shown}'")
    }
}
