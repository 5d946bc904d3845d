//! A run that trains in this process, for the page that shows it.
//!
//! The training thread only copies numbers ([`Publisher`]); everything that is drawn is computed by the server
//! ([`Viewer`]), and only while a page is open.

mod publisher;
mod viewer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

pub use publisher::Publisher;
pub use viewer::{LiveView, Viewer};

use crate::data::ImageSet;
use crate::model::LeNet5;
use crate::train::EpochRecord;

/// A run that trains in this process.
pub struct LiveRun {
    about: AboutRun,
    state: Mutex<State>,
    versions: watch::Sender<Versions>,
}

/// What stays the same during a run.
pub struct AboutRun {
    /// The name of the run's folder.
    pub name: String,
    /// The name of the device that trains.
    pub device: String,
    pub network: LeNet5,
    /// Number of epochs of the whole run, including a partial last one.
    pub epochs: u64,
    /// Number of images that the whole run trains on, counting an image once for each epoch.
    pub total_images: u64,
    pub test: Arc<ImageSet>,
    /// Ends the run between two steps.
    pub stop: Box<dyn Fn() + Send + Sync>,
}

/// What changes during a run.
#[derive(Debug, Clone)]
struct State {
    /// `running`, or how the run ended.
    name: &'static str,
    records: Vec<EpochRecord>,
    progress: Option<Progress>,
    /// The weights at the end of the last epoch, at first those that the run starts with.
    parameters: Arc<[f32]>,
}

/// Numbers that grow with each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Versions {
    /// Of the progress within an epoch.
    pub progress: u64,
    /// Of everything else.
    pub epoch: u64,
    /// Whether the run has ended, so that nothing will change any more.
    pub has_ended: bool,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Progress {
    pub epoch: u64,
    pub epochs: u64,
    /// Images trained on since the run began.
    pub images: u64,
    pub total_images: u64,
    /// Mean loss and accuracy of the epoch's training images so far.
    pub loss: f64,
    pub accuracy: f64,
    pub images_per_second: f64,
    /// Estimate of the training time that is left, without evaluations.
    pub seconds_left: f64,
}

impl fmt::Debug for LiveRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRun")
            .field("name", &self.about.name)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

impl LiveRun {
    /// A run that is about to train. `records` are the epochs before, if it was resumed.
    pub fn new(about: AboutRun, records: Vec<EpochRecord>, parameters: Vec<f32>) -> Self {
        let state = State { name: "running", records, progress: None, parameters: parameters.into() };
        Self { about, state: Mutex::new(state), versions: watch::Sender::new(Versions::default()) }
    }

    /// Announces how the run ended: `finished`, `stopped`, `interrupted` or `failed`.
    pub fn end(&self, how: &'static str) {
        self.state().name = how;
        self.versions.send_modify(|versions| {
            versions.epoch += 1;
            versions.has_ended = true;
        });
    }

    /// Whether the end has been announced.
    pub fn has_ended(&self) -> bool {
        self.versions.borrow().has_ended
    }

    /// Ends the run as Ctrl-C does.
    pub fn stop(&self) {
        (self.about.stop)();
    }

    /// Announces changes.
    pub fn subscribe(&self) -> watch::Receiver<Versions> {
        self.versions.subscribe()
    }

    /// The version of everything but the progress.
    pub fn version(&self) -> u64 {
        self.versions.borrow().epoch
    }

    pub fn progress(&self) -> Option<Progress> {
        self.state().progress
    }

    /// The weights at the end of the last epoch, and their version.
    pub fn parameters(&self) -> (u64, Arc<[f32]>) {
        // The version is read first, so that at worst the same weights are loaded twice.
        let version = self.version();
        (version, Arc::clone(&self.state().parameters))
    }

    /// The last completed epoch.
    pub fn last(&self) -> Option<EpochRecord> {
        self.state().records.last().cloned()
    }

    /// `running`, or how the run ended.
    pub fn state_name(&self) -> &'static str {
        self.state().name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
