//! The beginning of a run: its folder, new or that of the resumed run, and the notes before the first step.

use std::io::ErrorKind;
use std::path::Path;

use super::opening::Opening;
use super::resume::Now;
use super::saver::Files;
use super::{RUNS, TrainArgs, advice};
use crate::cli::{Failure, notice};
use crate::data::Dataset;
use crate::engine::Engine;
use crate::model::ModelInfo;
use crate::serve::Server;
use crate::train::{EpochRecord, RunConfig, RunDirectory, RunError, RunState, TrainingConfig};
use crate::wording::count;

/// A run that is ready for its next step.
pub struct Begun {
    pub engine: Box<dyn Engine>,
    pub data: Dataset,
    pub training: TrainingConfig,
    /// The weights before the next step.
    pub parameters: Vec<f32>,
    /// Whether these are the weights that the run started from.
    pub is_at_start: bool,
    pub state: RunState,
}

/// What the observers of a run need.
pub struct Followed {
    pub files: Files,
    pub is_resumed: bool,
    /// The epochs of the resumed run, of which some may be repeated.
    pub before: Vec<EpochRecord>,
    pub server: Option<Server>,
}

impl Opening {
    /// Creates the folder of the run, or restores the state of the resumed one.
    pub fn begin(mut self, args: &TrainArgs) -> Result<(Begun, Followed), Failure> {
        // A network that starts from other weights may have more classes, whose names are unknown.
        let classes = self.config.network.classes;
        let class_names = self.data.class_names.clone().filter(|names| names.len() == classes);
        let resumed = self.resumed.take();
        let is_resumed = resumed.is_some();
        let is_at_start = resumed.as_ref().is_none_or(|resumed| resumed.checkpoint().is_none());
        let before = resumed.as_ref().map(|resumed| resumed.metrics().to_vec()).unwrap_or_default();
        let (directory, state) = match resumed {
            None => (new_directory(args, &self.slug, &self.config)?, RunState::default()),
            Some(resumed) => {
                let now = Now {
                    config: &self.config,
                    images: self.fingerprints.get(),
                    class_names: class_names.as_deref(),
                };
                resumed.resume(&now, &mut *self.engine)?
            }
        };
        self.introduce(args);
        let Self { server, data, counts, fingerprints, engine, parameters, config, slug, .. } = self;
        let training = config.training.clone();
        if !args.output.quiet {
            note_resumed_step(&state, training.total_steps(data.train.len()));
        }
        if !is_resumed && training.class_weights.is_none() {
            advice::imbalance(&counts, data.class_names.as_deref());
        }
        let info =
            ModelInfo { dataset: Some(slug), fit: Some(data.fit), class_names, ..ModelInfo::default() };
        let files = Files { directory, config, info, fingerprints };
        let begun = Begun { engine, data, training, parameters, is_at_start, state };
        Ok((begun, Followed { files, is_resumed, before, server }))
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
pub fn unusable(error: RunError) -> Failure {
    match error {
        RunError::Read { ref source, .. } if source.kind() == ErrorKind::FileTooLarge => {
            Failure::input(error)
        }
        RunError::Read { .. } | RunError::Write { .. } | RunError::File(_) => Failure::work(error),
        _ => Failure::input(error),
    }
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
