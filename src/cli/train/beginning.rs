//! The beginning of a run: its folder, new or that of the resumed run, and the notes before the first step.

use std::io::ErrorKind;
use std::mem;
use std::path::Path;
use std::sync::Arc;

use super::opening::Opening;
use super::resume::{Now, Restored, Resumed};
use super::saver::Files;
use super::{RUNS, TrainArgs, advice};
use crate::cli::{Failure, notice};
use crate::data::{ClassCounts, Dataset};
use crate::engine::{Engine, EngineError, OptimizerState};
use crate::model::ModelInfo;
use crate::ranks::{Agreed, Ranks, Single};
use crate::train::{
    EpochRecord, Listener, RunConfig, RunDirectory, RunError, RunState, RunSummary, TrainError,
    TrainingConfig, train,
};
use crate::wording::count;

/// A run that is ready for its next step, once an engine has its state.
pub struct Begun {
    pub data: Dataset,
    pub counts: ClassCounts,
    pub training: TrainingConfig,
    /// The weights before the next step.
    pub parameters: Vec<f32>,
    /// The optimizer's state before the next step; `None` before the first.
    pub optimizer: Option<OptimizerState>,
    /// Whether the weights are those that the run started from.
    pub is_at_start: bool,
    pub state: RunState,
}

/// What the observers of a run need.
pub struct Followed {
    pub files: Files,
    pub is_resumed: bool,
    /// The epochs of the resumed run, of which some may be repeated.
    pub before: Vec<EpochRecord>,
}

/// Which folder a run has.
#[derive(Debug, Clone, Copy)]
pub enum Folder<'a> {
    /// The one that the user has named; `None` for a new one in [`RUNS`].
    Run(Option<&'a Path>),
    /// That of a member of a sweep.
    Member(&'a Path),
}

impl Opening {
    /// Creates the folder of the run, or restores the state of the resumed one.
    pub fn begin(self, args: &TrainArgs, folder: Folder) -> Result<(Begun, Followed), Failure> {
        let Self { resumed, images, counts, parameters, config, slug, .. } = self;
        let data = images.data;
        // A network that starts from other weights may have more classes, whose names are unknown.
        let class_names = data.class_names.clone().filter(|names| names.len() == config.network.classes);
        let is_resumed = resumed.is_some();
        let is_at_start = resumed.as_ref().is_none_or(|resumed| resumed.checkpoint().is_none());
        let before = resumed.as_ref().map(|resumed| resumed.metrics().to_vec()).unwrap_or_default();
        let Restored { directory, state, optimizer } = match resumed {
            None => Restored::new(new_directory(args, folder, &slug, &config)?),
            Some(resumed) => resumed.resume(&Now {
                config: &config,
                images: images.fingerprints.get(),
                class_names: class_names.as_deref(),
                is_member: matches!(folder, Folder::Member(_)),
            })?,
        };
        let training = config.training.clone();
        let info =
            ModelInfo { dataset: Some(slug), fit: Some(data.fit), class_names, ..ModelInfo::default() };
        let files = Files { directory, config, info, fingerprints: images.fingerprints };
        let begun = Begun { data, counts, training, parameters, optimizer, is_at_start, state };
        Ok((begun, Followed { files, is_resumed, before }))
    }
}

impl Begun {
    /// The run without its folder, for a rank that trains it together with rank 0.
    pub fn follow(opening: Opening) -> Self {
        let Opening { resumed, images, counts, parameters, config, .. } = opening;
        let checkpoint = resumed.as_ref().and_then(Resumed::checkpoint);
        Self {
            data: images.data,
            counts,
            training: config.training,
            parameters,
            optimizer: checkpoint.map(|checkpoint| checkpoint.optimizer.clone()),
            is_at_start: checkpoint.is_none(),
            state: checkpoint.map(|checkpoint| checkpoint.state.clone()).unwrap_or_default(),
        }
    }

    /// Gives an engine the state of the run.
    pub fn load(&mut self, engine: &mut dyn Engine) -> Result<(), EngineError> {
        engine.set_parameters(&self.parameters)?;
        self.optimizer.take().map_or(Ok(()), |optimizer| engine.set_optimizer_state(&optimizer))
    }

    /// Trains the run on an engine, together with the other ranks. Afterwards the engine works alone.
    pub fn train(
        &mut self,
        engine: &mut dyn Engine,
        listener: &mut dyn Listener,
        ranks: &Arc<dyn Ranks>,
    ) -> Result<RunSummary, TrainError> {
        self.load(engine)?;
        engine.set_ranks(Arc::clone(ranks))?;
        let state = mem::take(&mut self.state);
        let listener = &mut Agreed::new(&**ranks, listener);
        let summary = train(engine, &self.data, &self.training, state, listener)?;
        engine.set_ranks(Arc::new(Single::default()))?;
        Ok(summary)
    }

    /// Notes what the user should know before the first step.
    pub fn note(&self, is_resumed: bool, quiet: bool) {
        if !quiet {
            note_resumed_step(&self.state, self.training.total_steps(self.data.train.len()));
        }
        if !is_resumed && self.training.class_weights.is_none() {
            advice::imbalance(&self.counts, self.data.class_names.as_deref());
        }
    }
}

/// The folder of a new run.
fn new_directory(
    args: &TrainArgs,
    folder: Folder,
    slug: &str,
    config: &RunConfig,
) -> Result<RunDirectory, Failure> {
    let path = match folder {
        Folder::Run(path) => path,
        Folder::Member(path) => Some(path),
    };
    args.tensorboard.prepare(path)?;
    let directory = match path {
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
