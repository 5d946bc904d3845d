//! Resuming a run: what a resumed run keeps, and what may be changed.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::beginning::unusable;
use super::fingerprint::Record;
use crate::cli::{Failure, notice};
use crate::engine::OptimizerState;
use crate::files::read_text;
use crate::train::{
    Checkpoint, DataConfig, EarlierRun, EpochRecord, OpenRunError, RunConfig, RunDirectory, RunState,
    Schedule, TrainingConfig,
};
use crate::wording::count;

/// The run to resume.
pub struct Resumed(EarlierRun);

/// What the resumed run is given, to be compared with the original run.
pub struct Now<'a> {
    pub config: &'a RunConfig,
    pub images: &'a Record,
    pub class_names: Option<&'a [String]>,
    /// Whether the run is a member of a sweep, which may start members again without a word.
    pub is_member: bool,
}

/// A run whose state is restored.
pub struct Restored {
    pub directory: RunDirectory,
    pub state: RunState,
    /// `None` before the first step.
    pub optimizer: Option<OptimizerState>,
}

impl Restored {
    /// A run before its first step.
    pub fn new(directory: RunDirectory) -> Self {
        Self { directory, state: RunState::default(), optimizer: None }
    }
}

/// Options that may differ from the original run: they determine its length and its device.
const MAY_CHANGE: [&str; 13] = [
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
    "kernel-config",
    "plan", // the former name of kernel-config
    "data-dir",
];

impl Resumed {
    /// Opens the folder of a run. Changes nothing in it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::open_with(EarlierRun::open, path)
    }

    /// The same for a rank that trains the run together with rank 0, which locks it for all.
    pub fn follow(path: &Path) -> Result<Self, Failure> {
        Self::open_with(EarlierRun::open_without_lock, path)
    }

    fn open_with(open: fn(&Path) -> Result<EarlierRun, OpenRunError>, path: &Path) -> Result<Self, Failure> {
        let run = open(path).map_err(|error| match error {
            OpenRunError::Run(error) => unusable(error),
            OpenRunError::Checkpoint(error) => Failure::input(error),
        })?;
        if let Some(epoch) = run.lost_best() {
            notice::warning(format_args!(
                "{} has no best.safetensors: the weights of epoch {epoch}, the best so far, are lost",
                path.display()
            ));
        }
        Ok(Self(run))
    }

    /// The last checkpoint; `None` if the run ended before it wrote one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.0.checkpoint()
    }

    /// The records of the epochs that the run completed, of which some may come after the checkpoint.
    pub fn metrics(&self) -> &[EpochRecord] {
        self.0.metrics()
    }

    /// Restores the state of the run in its folder. Its parameters are those of the checkpoint.
    pub fn resume(self, now: &Now) -> Result<Restored, Failure> {
        self.check(now)?;
        let (state, optimizer) = match self.checkpoint() {
            None => (RunState::default(), None),
            Some(Checkpoint { optimizer, state, .. }) => (state.clone(), Some(optimizer.clone())),
        };
        let directory = self.0.resume(now.config).map_err(Failure::work)?;
        Ok(Restored { directory, state, optimizer })
    }

    /// Checks that `now` continues the original run, and notes if results will differ.
    fn check(&self, now: &Now) -> Result<(), Failure> {
        let config = now.config;
        let Some(checkpoint) = self.checkpoint() else {
            self.check_repetition(config)?;
            let run = self.0.path().display();
            if !now.is_member {
                notice::note(format_args!("{run} has no checkpoint: the run starts from the beginning"));
            }
            return Ok(());
        };
        let before = &checkpoint.config;
        if checkpoint.images != now.images.train {
            return Err(Failure::usage(
                format!(
                    "the training images are not those of the original run: {} of {} now, {} of {} then",
                    count(config.data.train, "image"),
                    config.data.name,
                    before.data.train,
                    before.data.name
                ),
                "--data-dir must name the original data; limits and splits must be the same",
            ));
        }
        if let Some(option) = changed_option(before, config) {
            let checkpoint = RunDirectory::checkpoint_path(self.0.path());
            return Err(Failure::usage(
                format!("--{option} differs from the original run"),
                format!(
                    "omit it, or start a new run from these weights with --init-from {}",
                    checkpoint.display()
                ),
            ));
        }
        let sizes = |data: &DataConfig| (data.validation, data.test);
        if sizes(&before.data) != sizes(&config.data) {
            let images = |data: &DataConfig| match data.validation {
                None => count(data.test, "test image"),
                Some(validation) => format!("{validation} validation and {}", count(data.test, "test image")),
            };
            return Err(Failure::usage(
                format!(
                    "the images differ from the original run: {} now, {} then",
                    images(&config.data),
                    images(&before.data)
                ),
                "--data-dir must name the original data; limits and splits must be the same",
            ));
        }
        check_other_images(checkpoint, now)?;
        check_class_names(checkpoint, now)?;
        if adapted(before, config) != *config {
            return Err(Failure::usage(
                format!(
                    "the run was started by lenet-gpu {}; version {} interprets its options differently",
                    before.program.version, config.program.version
                ),
                format!("resume it with version {}", before.program.version),
            ));
        }
        self.check_length(&config.training, config.data.train)?;

        if !before.engine.is_bit_identical_to(&config.engine) {
            notice::note(format_args!(
                "the run was on {} and continues on {}; results will differ in the last bits",
                before.engine.name, config.engine.name
            ));
        }
        Ok(())
    }

    /// Checks that a run without a checkpoint, but with metrics, would have at least the same epochs again. Otherwise the
    /// checkpoint was removed, and what the run has reached would be lost.
    fn check_repetition(&self, config: &RunConfig) -> Result<(), Failure> {
        let Some(last) = self.0.metrics().last() else { return Ok(()) };
        let run = self.0.path().display();
        let path = self.0.path().join("config.toml");
        let text = read_text(&path).with_context(|| format!("cannot read {}", path.display()));
        let before = RunConfig::from_toml(&text.map_err(Failure::Input)?).ok();
        let is_same = before.is_some_and(|before| {
            // The options of config.toml are what this run was started with, so an edit shows in the rest.
            RunConfig { options: config.options.clone(), ..adapted(&before, config) } == *config
        });
        if is_same && config.training.total_steps(config.data.train) >= last.step {
            return Ok(());
        }
        Err(Failure::usage(
            format!(
                "{run} has metrics of {} but no checkpoint, and this run would not repeat them",
                count(last.epoch, "epoch")
            ),
            "restore checkpoint.safetensors and config.toml, or start a new run in another --run-dir",
        ))
    }

    /// Checks that a run of the configured length can have the checkpoint's state.
    fn check_length(&self, config: &TrainingConfig, samples: usize) -> Result<(), Failure> {
        let Some(Checkpoint { state, config: before, .. }) = self.checkpoint() else { return Ok(()) };
        let (total, total_before) = (config.total_steps(samples), before.training.total_steps(samples));
        if total < state.step {
            return Err(Failure::Input(anyhow!(
                "the run has already done {}, more than the {total} of --epochs and --max-steps",
                count(state.step, "step")
            )));
        }
        if total == total_before {
            return Ok(());
        }
        if state.step < state.epochs * config.steps_per_epoch(samples) {
            return Err(Failure::usage(
                format!("the run ended within epoch {} and cannot be extended", state.epochs),
                "--init-from starts a new run from its weights",
            ));
        }
        if config.schedule != Schedule::CONSTANT {
            notice::note(format_args!(
                "the run now has {} instead of {total_before}; the learning-rate schedule follows the new \
                 length",
                count(total, "step")
            ));
        }
        Ok(())
    }
}

/// Checks that the test and the validation images are those of the original run, if its checkpoint records them.
fn check_other_images(checkpoint: &Checkpoint, now: &Now) -> Result<(), Failure> {
    let Some(before) = &checkpoint.model.info.source else { return Ok(()) };
    let source = &now.images.source;
    let what = match (before.test == source.test, before.validation == source.validation) {
        (true, true) => return Ok(()),
        (false, _) => "test",
        (true, false) => "validation",
    };
    Err(Failure::usage(
        format!("the {what} images of {} are not those of the original run", now.config.data.name),
        "--data-dir must name the original data",
    ))
}

/// Checks that the classes have the names of the original run, if both have names.
fn check_class_names(checkpoint: &Checkpoint, now: &Now) -> Result<(), Failure> {
    let (Some(before), Some(names)) = (&checkpoint.model.info.class_names, now.class_names) else {
        return Ok(());
    };
    match before.iter().zip(names).enumerate().find(|(_, (before, now))| before != now) {
        Some((class, (before, now))) => Err(Failure::usage(
            format!("class {class} is {now:?}, but {before:?} in the original run"),
            "rename the class folder, or start a new run with --init-from",
        )),
        None => Ok(()),
    }
}

/// An option that must not change and did.
fn changed_option<'a>(before: &'a RunConfig, now: &'a RunConfig) -> Option<&'a str> {
    let names = before.options.keys().chain(now.options.keys()).map(String::as_str);
    names
        .filter(|name| !MAY_CHANGE.contains(name))
        .find(|&name| before.options.get(name) != now.options.get(name))
}

/// The original config, with everything that may change taken from the new one.
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
