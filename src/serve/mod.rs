//! A local web page: draw or drop an image and see how the network classifies it, or watch a run as it trains.
//!
//! The server is axum on a runtime of one thread, which only moves bytes. Images are decoded and classified on a thread
//! that owns the engine ([`worker`]): the requests that have arrived by the time it is free are answered as one batch.
//!
//! # Pages
//! | request | answer |
//! |---|---|
//! | `GET /` | the drawing page; with a live run, 303 to `/live` |
//! | `GET /draw` | the drawing page, with or without a live run |
//! | `GET /live` | the page of the live run; 404 without one |
//! | `GET /assets/NAME` | style sheets and JavaScript modules, listed in [`assets`] |
//!
//! # API
//! All answers are JSON. `base64` is standard base64 with padding.
//!
//! - `GET /api/status` → `{version, device, training, corrections, max_bytes, preprocessing: "mnist"|"none", model: {id, name, path,
//!   dataset|null, classes: [NAME..], channels, test_accuracy|null, epochs|null, hash|null} | null}`. `corrections` is the folder
//!   that corrected answers are saved in, `max_bytes` the largest image file that is accepted.
//! - `GET /api/models` → `{models: [{id, name, started|null, dataset|null, epochs, test_accuracy|null, state, is_loaded}]}`, the newest
//!   first; times in ISO 8601, UTC. With a live run, its model only.
//! - `POST /api/model`, body `{"id": ID}` → as `/api/status`. 404 for an ID that is not in the list, 422 if the model cannot be
//!   loaded (the previous one stays), 409 with a live run.
//! - `POST /api/predict?detail=true`, body: an image file → `{number, readings: [READING..], reason|null, is_sure, milliseconds, batch}`,
//!   where READING is `{label, class, probability, confidence, is_sure, probabilities: [one for each class], place: {left, top, right,
//!   bottom, line}|null, input: {channels, side, pixels: base64}, layers: [{layer, shape: [C, H, W], min, max, values: base64}]}`.
//!   `pixels` are C×32×32 bytes. `values` are C×H×W bytes, 0 for `min` to 255 for `max`. Layers come with `detail=true`, for the first
//!   four readings, in the network's order; the others and those of ensembles have `[]`. If no digit is found, `readings` is empty and `reason` says so.
//!   `milliseconds` is the time from the request's arrival at the engine's thread to its answer, `batch` the number of
//!   images in the same batch.
//! - `POST /api/corrections?label=CLASS`, body: an image file → `{path, images}`: the network's input for the image is saved as
//!   `path` (32×32 pixels, PNG), and the folder has `images` images. CLASS is one of `model.classes`. 422 if the image shows no digit or
//!   several.
//!
//! With a live run:
//! - `GET /api/run` → `{name, device, state: "running"|"finished"|"stopped"|"interrupted"|"failed", epochs: [`[`EpochRecord`]`..], progress:
//!   {epoch, epochs, images, total_images, loss, accuracy, images_per_second, seconds_left}|null, charts: {loss: html, accuracy: html}|null,
//!   filters: {shape: [6, C, 5, 5], min, max, values: base64}, mistakes: [{label, predicted, probability, pixels: base64, channels,
//!   side}]}`. `label` and `predicted` are indices into `model.classes`. `charts` is null before the first epoch. The mistakes are the surest
//!   wrong answers among the first test images.
//! - `GET /api/events`: server-sent events `progress`, `epoch` and `end`, at most four per second. The data of each is an
//!   object with some of the keys of `/api/run`, whose values replace the previous ones: `progress` has `progress`; `epoch` and `end`
//!   have all. The first event is sent at once, an `epoch` with the current state. The stream ends after `end`.
//! - `POST /api/stop` → 202 `{}`: ends the run as Ctrl-C does.
//!
//! Without a live run these answer 404.
//!
//! # Errors
//! `{"error": "one line"}` with 400 (malformed), 403 (a foreign Host or Origin), 404, 405, 408 (the body came too slowly), 409, 413 (too
//! large), 415 (not an image file), 422 (a damaged image, an unknown class), 500 (the engine failed), 503 (too many at once). Requests
//! that are not HTTP at all get an empty 400, 414 or 431.
//!
//! [`EpochRecord`]: crate::train::EpochRecord

mod answer;
mod assets;
mod corrections;
mod error;
mod events;
mod guard;
mod live;
mod models;
mod prepare;
mod routes;
mod server;
mod upload;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use error::ServeError;
pub use live::{AboutRun, LiveRun, Publisher};
pub use models::{LIVE_ID, Library, ModelEntry};
pub use routes::{App, Source};
pub use server::Server;
pub use worker::{ModelSetting, Usage};

use corrections::Corrections;
use upload::Uploads;
use worker::Worker;

/// What a server offers.
pub struct Site {
    pub source: Source,
    /// The model that is loaded first, and how models are used.
    pub setting: ModelSetting,
    /// The folder of corrected answers. It is created with the first.
    pub corrections: PathBuf,
}

impl Site {
    /// Opens the engine, on a thread of its own, and gets everything ready to answer requests to `server`.
    ///
    /// # Errors
    /// If the engine cannot run the model, a thread cannot start, or the memory budget is too small.
    pub fn open(self, server: &Server) -> Result<App, ServeError> {
        let Self { source, setting, corrections } = self;
        let uploads = Uploads::new()?;
        let live = match &source {
            Source::Live(run) => Some(Arc::clone(run)),
            Source::Library(_) => None,
        };
        Ok(App {
            worker: Worker::start(setting, live)?,
            corrections: Arc::new(Corrections::new(corrections)),
            uploads,
            streams: Arc::new(Semaphore::new(events::MAX_STREAMS)),
            source,
            guard: server.guard(),
            under_way: Arc::default(),
            view: tokio::sync::Mutex::default(),
        })
    }
}
