//! A member of a sweep: a run in a folder of its own, on images and a device that it shares with others. It prints nothing
//! but warnings.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::beginning::Folder;
use super::ending::Trained;
use super::observers::Observers;
use super::opening::{Meaning, images_of};
use super::resume::Resumed;
use super::{Images, TrainArgs, advice, train};
use crate::cli::engine::EngineArgs;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Failure, notice};
use crate::data::ClassCounts;
use crate::engine::{Engine, EngineError, Setup};
use crate::ranks::{Ranks, Single};
use crate::train::{
    EngineConfig, EpochRecord, Listener, RunDirectory, RunOutcome, StoredRun, TrainingConfig,
};

/// A run that other code trains.
pub struct MemberRun<'a> {
    pub args: &'a TrainArgs,
    /// All options that were given.
    pub options: toml::Table,
    pub images: &'a Images,
    /// Its folder. The run is resumed if there is one.
    pub folder: &'a Path,
    pub interrupt: &'a Interrupt,
}

/// How training has ended: for good, or for now if its listener or the user has interrupted it.
#[derive(Debug)]
pub struct MemberEnd {
    pub outcome: RunOutcome,
    /// The records of all epochs.
    pub epochs: Vec<EpochRecord>,
}

/// Why a member could not be trained.
#[derive(Debug)]
pub struct MemberFailure {
    pub failure: Failure,
    /// The records of the epochs before.
    pub epochs: Vec<EpochRecord>,
    /// Whether the device has failed, which others share.
    pub is_of_device: bool,
}

impl TrainArgs {
    /// The options of the device.
    pub fn engine(&self) -> &EngineArgs {
        &self.engine
    }

    /// Notes the images, and warns if their classes are imbalanced.
    pub fn introduce_images(&self, images: &Images, quiet: bool) {
        let data = &images.data;
        if !quiet {
            notice::note(images_of(data, self.data.names_a_set()));
        }
        advice::imbalance(&ClassCounts::of(&data.train.labels, data.classes), data.class_names.as_deref());
    }

    /// What an engine needs for these options, and how the run is trained. Errors in the options are found here.
    pub fn interpret(&self, images: &Images, quiet: bool) -> Result<(Setup, TrainingConfig), Failure> {
        let meaning = Meaning::of(self, images, None, quiet)?;
        Ok((meaning.setup, meaning.training))
    }
}

impl MemberRun<'_> {
    /// Trains the run, until it ends, `listener` ends it or the user interrupts it. `engine` is called once the folder is
    /// ready, as others may wait for each engine, and the engine is dropped before the files are completed.
    ///
    /// `device` describes the engine.
    pub fn train(
        self,
        device: EngineConfig,
        engine: impl FnOnce(&Setup) -> Result<Box<dyn Engine>, EngineError>,
        listener: Box<dyn Listener + '_>,
    ) -> Result<MemberEnd, MemberFailure> {
        let Self { args, options, images, folder, interrupt } = self;
        let begin = || {
            let has_run = RunDirectory::config_path(folder).exists();
            let resumed = has_run.then(|| Resumed::open(folder)).transpose()?;
            let opening = Meaning::of(args, images, resumed, true)?;
            let opening = opening.on(device, args, options, images.clone());
            let setup = opening.setup;
            let (begun, followed) = opening.begin(args, Folder::Member(folder))?;
            let observers = Observers {
                started: Instant::now(),
                interrupt: interrupt.clone(),
                json: None,
                listeners: vec![listener],
            };
            let session = observers.attach(&begun, followed, args)?;
            Ok((setup, begun, session))
        };
        let (setup, mut begun, mut session) = begin().map_err(|failure| MemberFailure {
            failure,
            epochs: epochs_in(folder),
            is_of_device: false,
        })?;
        let alone: Arc<dyn Ranks> = Arc::new(Single::default());
        let trained = match engine(&setup) {
            Ok(mut engine) => train(&mut begun, &mut *engine, &mut session, &alone),
            Err(error) => Trained { summary: Err(error.into()), weights: Ok(None) },
        };
        let is_of_device = trained.is_failure_of_device();
        let mut saved = session.finish();
        let ended = trained.save(&mut saved);
        let epochs = saved.files.directory.records();
        match ended {
            Ok(summary) => Ok(MemberEnd { outcome: summary.outcome, epochs }),
            Err(failure) => Err(MemberFailure { failure, epochs, is_of_device }),
        }
    }
}

/// The epochs of a run that cannot be resumed, as far as they can be read.
fn epochs_in(folder: &Path) -> Vec<EpochRecord> {
    StoredRun::open(folder).map(|run| run.records).unwrap_or_default()
}
