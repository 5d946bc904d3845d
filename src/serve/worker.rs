//! The thread that owns the engine. Requests that have arrived while it was busy are answered as one batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as std_mpsc};
use std::thread;
use std::time::Instant;

use rayon::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::answer;
use super::error::{ApiError, ServeError};
use super::live::{LiveRun, LiveView, Viewer};
use super::models::ModelEntry;
use super::prepare::prepare;
use super::upload::Upload;
use crate::data::TestTimeAugmentation;
use crate::engine::{Engine, EngineError, Setup};
use crate::model::{Ensemble, Model};
use crate::predict::{Classifier, ImageError, PredictError, Preparation, PreparedImage, Preprocessing};
use crate::train::weights_hash;

/// The most images in a batch.
const MAX_BATCH: usize = 64;

/// The most jobs that wait for the thread.
const MAX_WAITING: usize = 256;

/// The largest number of log-probabilities computed at once. With very many classes, it allows fewer images.
const MAX_LOG_PROBABILITIES: usize = 4 << 20;

/// The number of readings of an image whose layers are shown.
const WATCHED_READINGS: usize = 4;

/// Creates an engine on the chosen device.
pub type OpenEngine = Box<dyn FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError> + Send>;

/// A model or an ensemble, and how models classify images.
pub struct ModelSetting {
    pub ensemble: Ensemble,
    pub entry: ModelEntry,
    pub usage: Usage,
}

/// How models classify images.
pub struct Usage {
    pub open_engine: OpenEngine,
    pub preprocessing: Preprocessing,
    pub views: TestTimeAugmentation,
    /// Below this confidence an answer is not sure; `None` for the default.
    pub min_confidence: Option<f64>,
}

/// The model in use.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    pub entry: ModelEntry,
    pub classes: Arc<[String]>,
    pub channels: usize,
    pub preparation: Preparation,
    pub device: String,
    /// [`weights_hash`] of the model file; `None` for an ensemble.
    pub hash: Option<String>,
}

/// Hands work to the thread.
#[derive(Debug)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    loaded: Arc<Mutex<LoadedModel>>,
}

type Answer<T> = oneshot::Sender<Result<T, ApiError>>;

#[derive(Debug)]
enum Job {
    Read(Read),
    Load(Box<ModelEntry>, Answer<()>),
    View(Answer<LiveView>),
}

/// An image to classify.
#[derive(Debug)]
struct Read {
    image: Upload,
    has_layers: bool,
    arrived: Instant,
    answer: Answer<String>,
}

impl Worker {
    /// Starts the thread with a model, and waits until its engine is ready. With a live run, its latest weights are used.
    pub fn start(setting: ModelSetting, live: Option<Arc<LiveRun>>) -> Result<Self, ServeError> {
        let (jobs, received) = mpsc::channel(MAX_WAITING);
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        // The engine is created on its thread: some cannot be moved to another.
        thread::Builder::new().name("engine".to_owned()).spawn(move || {
            let ModelSetting { ensemble, entry, mut usage } = setting;
            match State::new(&mut usage, entry, &ensemble) {
                Ok((state, loaded)) => {
                    let loaded = Arc::new(Mutex::new(loaded));
                    let viewer = live.map(Viewer::new);
                    let engine = Thread { usage, state, loaded: Arc::clone(&loaded), viewer };
                    // The receiver waits for this.
                    let _ = ready.send(Ok(loaded));
                    engine.run(received);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        let loaded = is_ready.recv().map_err(|_| std::io::Error::other("the engine's thread ended"))??;
        Ok(Self { jobs, loaded })
    }

    /// The model in use.
    pub fn loaded(&self) -> LoadedModel {
        lock(&self.loaded).clone()
    }

    /// Classifies an image file, and returns the answer as JSON.
    pub async fn read(&self, image: Upload, has_layers: bool) -> Result<String, ApiError> {
        self.ask(|answer| Job::Read(Read { image, has_layers, arrived: Instant::now(), answer })).await
    }

    /// Replaces the model.
    pub async fn load(&self, entry: ModelEntry) -> Result<(), ApiError> {
        self.ask(|answer| Job::Load(Box::new(entry), answer)).await
    }

    /// Draws the present state of a live run.
    pub async fn view(&self) -> Result<LiveView, ApiError> {
        self.ask(Job::View).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(job(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ApiError::busy("too many requests at once; try again"),
            mpsc::error::TrySendError::Closed(_) => ApiError::internal("the engine's thread ended"),
        })?;
        answered.await.unwrap_or_else(|_| Err(ApiError::internal("the engine's thread failed")))
    }
}

fn lock(loaded: &Mutex<LoadedModel>) -> MutexGuard<'_, LoadedModel> {
    // The value is replaced as a whole.
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
struct Thread {
    usage: Usage,
    state: State,
    loaded: Arc<Mutex<LoadedModel>>,
    /// Draws the live run, if there is one.
    viewer: Option<Viewer>,
}

/// A model and its engine.
struct State {
    classifier: Classifier,
    min_confidence: f64,
    max_batch: usize,
    /// The version of a live run's weights.
    version: u64,
}

impl State {
    fn new(
        usage: &mut Usage,
        entry: ModelEntry,
        ensemble: &Ensemble,
    ) -> Result<(Self, LoadedModel), PredictError> {
        let Model { network, info, parameters } = ensemble.lead();
        let classes: Vec<String> = (0..network.classes).map(|label| info.class(label)).collect();
        let preparation = Preparation::new(ensemble.lead(), usage.preprocessing)?;
        let hash = (!ensemble.is_several()).then(|| weights_hash(parameters));
        let classifier = Classifier::of_ensemble(ensemble, |setup| (usage.open_engine)(setup))?;
        let classifier = classifier.with_preparation(preparation).with_views(usage.views);
        let loaded = LoadedModel {
            entry,
            classes: classes.into(),
            channels: network.channels,
            preparation,
            device: classifier.device(),
            hash,
        };
        let min_confidence = usage.min_confidence.unwrap_or(classifier.min_confidence());
        let logs = network.classes * ensemble.members().len() * usage.views.count();
        let max_batch = MAX_BATCH.min(MAX_LOG_PROBABILITIES / logs).max(1);
        Ok((Self { classifier, min_confidence, max_batch, version: 0 }, loaded))
    }
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            match job {
                Job::Read(first) => {
                    let mut batch = vec![first];
                    while batch.len() < self.state.max_batch && next.is_none() {
                        match jobs.try_recv() {
                            Ok(Job::Read(read)) => batch.push(read),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.read(batch);
                }
                Job::Load(entry, answer) => {
                    let _ = answer.send(self.load(*entry));
                }
                Job::View(answer) => {
                    let no_run = || ApiError::not_found("no run is shown");
                    let _ = answer.send(self.viewer.as_mut().map(Viewer::view).ok_or_else(no_run));
                }
            }
        }
    }

    /// Classifies a batch and answers each of its requests. The answer to a client that has disconnected is discarded.
    fn read(&mut self, batch: Vec<Read>) {
        // Skips the requests of clients that have disconnected.
        let batch: Vec<Read> = batch.into_iter().filter(|read| !read.answer.is_closed()).collect();
        let preparation = self.state.classifier.preparation();
        let classifier = &self.state.classifier;
        let is_mean = classifier.models().len() > 1 || classifier.views().is_some();
        let prepared: Vec<_> = batch.par_iter().map(|read| prepare(preparation, &read.image.bytes)).collect();
        let read: Vec<(&PreparedImage, usize)> = batch
            .iter()
            .zip(&prepared)
            .filter_map(|(read, prepared)| {
                // The layers of one model for one view do not explain the answer of several.
                let watched = if read.has_layers && !is_mean { WATCHED_READINGS } else { 0 };
                Some((prepared.as_ref().ok()?, watched))
            })
            .collect();
        let readings = self
            .follow_live_run()
            .and_then(|()| self.state.classifier.read_batch_with_layers(&read))
            .map_err(engine_failure);
        let mut readings = match readings {
            Ok(readings) => readings.into_iter(),
            Err(error) => {
                for (read, prepared) in batch.into_iter().zip(prepared) {
                    let own = prepared.err().map(ApiError::from);
                    let _ = read.answer.send(Err(own.unwrap_or_else(|| error.clone())));
                }
                return;
            }
        };
        let count = batch.len();
        for (read, prepared) in batch.into_iter().zip(prepared) {
            let images = answer::Batch { images: count, arrived: read.arrived };
            let answered = match prepared {
                Ok(image) => {
                    readings.next().ok_or_else(|| ApiError::internal("the image was not read")).map(|read| {
                        answer::read(&self.state.classifier, self.state.min_confidence, &image, read, images)
                    })
                }
                Err(ImageError::NoDigit(reason)) => Ok(answer::nothing(reason, images)),
                Err(error) => Err(error.into()),
            };
            let _ = read.answer.send(answered);
        }
    }

    /// Takes over the latest weights of a live run.
    fn follow_live_run(&mut self) -> Result<(), PredictError> {
        let Some(viewer) = &self.viewer else { return Ok(()) };
        let (version, parameters) = viewer.run().parameters();
        if version != self.state.version {
            self.state.classifier.set_parameters(&parameters)?;
            self.state.version = version;
        }
        Ok(())
    }

    fn load(&mut self, entry: ModelEntry) -> Result<(), ApiError> {
        let ensemble = Ensemble::load(entry.paths()).map_err(ApiError::unprocessable)?;
        let (state, loaded) = State::new(&mut self.usage, entry, &ensemble).map_err(|error| match error {
            PredictError::Engine(EngineError::Device(_)) => engine_failure(error),
            error => ApiError::unprocessable(error),
        })?;
        self.state = state;
        *lock(&self.loaded) = loaded;
        Ok(())
    }
}

/// The answer if the engine fails.
fn engine_failure(error: PredictError) -> ApiError {
    ApiError::internal(match error {
        PredictError::NonFinite { .. } => {
            "the predicted probabilities are not finite; the model's weights are too large or corrupt"
                .to_owned()
        }
        error => error.to_string(),
    })
}
