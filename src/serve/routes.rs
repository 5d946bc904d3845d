//! The routes, as the [module documentation](super) describes them.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::assets;
use super::corrections::{Corrections, Saved};
use super::error::ApiError;
use super::events;
use super::guard::{Guard, confine};
use super::live::{LiveRun, LiveView};
use super::models::Library;
use super::upload::Uploads;
use super::worker::{LoadedModel, Worker};
use crate::version::VERSION;

/// The largest body that is JSON, in bytes.
const MAX_JSON: usize = 64 << 10;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub worker: Worker,
    pub corrections: Arc<Corrections>,
    pub uploads: Uploads,
    pub streams: Arc<Semaphore>,
    pub source: Source,
    pub guard: Guard,
    /// Has one more owner for each request that is under way.
    pub under_way: Arc<()>,
    /// The last view of the live run.
    pub view: tokio::sync::Mutex<Option<Arc<LiveView>>>,
}

/// Where the model comes from.
#[derive(Debug)]
pub enum Source {
    /// A model file, chosen from a library.
    Library(Arc<Library>),
    /// The run that trains in this process.
    Live(Arc<LiveRun>),
}

type Json = Result<Response, ApiError>;

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/draw", get(draw))
        .route("/live", get(live))
        .route("/assets/{name}", get(asset))
        .route("/api/status", get(status))
        .route("/api/models", get(models))
        .route("/api/model", post(load))
        .route("/api/predict", post(predict))
        .route("/api/corrections", post(correct))
        .route("/api/run", get(run))
        .route("/api/events", get(follow))
        .route("/api/stop", post(stop))
        .fallback(async || ApiError::not_found("no such page"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not support the method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// Checks each request, and confines each answer.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _under_way = Arc::clone(&app.under_way);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let checked = app.guard.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    confine(response.headers_mut());
    let milliseconds = 1e3 * started.elapsed().as_secs_f64();
    log::info!("{method} {path}: {} in {milliseconds:.1} ms", response.status().as_u16());
    response
}

fn json_response(json: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

async fn index(State(app): State<Arc<App>>) -> Response {
    match app.source {
        Source::Live(_) => (StatusCode::SEE_OTHER, [(LOCATION, "/live")]).into_response(),
        Source::Library(_) => Html(assets::INDEX).into_response(),
    }
}

async fn draw() -> Response {
    Html(assets::INDEX).into_response()
}

async fn live(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    app.live()?;
    Ok(Html(assets::LIVE).into_response())
}

async fn asset(request: Request) -> Result<Response, ApiError> {
    // Compared as it is in the request: names need no decoding.
    let name = request.uri().path().strip_prefix("/assets/").unwrap_or_default();
    let asset = assets::find(name).ok_or_else(|| ApiError::not_found("no such file"))?;
    Ok(([(CONTENT_TYPE, asset.media_type())], asset.content).into_response())
}

async fn status(State(app): State<Arc<App>>) -> Json {
    Ok(json_response(app.status().to_string()))
}

async fn models(State(app): State<Arc<App>>) -> Json {
    let loaded = app.loaded().entry;
    let models = match &app.source {
        Source::Live(_) => vec![loaded.clone()],
        Source::Library(library) => {
            let library = Arc::clone(library);
            blocking(move || library.list()).await?
        }
    };
    let models: Vec<Value> = models
        .iter()
        .map(|model| {
            let mut listed = model.to_json();
            listed["is_loaded"] = (model.id == loaded.id).into();
            listed
        })
        .collect();
    Ok(json_response(json!({ "models": models }).to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRequest {
    id: String,
}

async fn load(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Json {
    let body = app.uploads.receive(&headers, body, MAX_JSON).await?;
    let ModelRequest { id } = serde_json::from_slice(&body.bytes)
        .map_err(|_| ApiError::bad_request("the body must be {\"id\": \"...\"}"))?;
    let Source::Library(library) = &app.source else {
        return Err(ApiError::new(StatusCode::CONFLICT, "the model of the run that is training is in use"));
    };
    let library = Arc::clone(library);
    let entry = blocking(move || library.find(&id)).await?;
    app.worker.load(entry.ok_or_else(|| ApiError::not_found("no such model"))?).await?;
    Ok(json_response(app.status().to_string()))
}

#[derive(Deserialize)]
struct PredictQuery {
    #[serde(default)]
    detail: bool,
}

async fn predict(
    State(app): State<Arc<App>>,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Json {
    let Query(PredictQuery { detail }) =
        query.map_err(|_| ApiError::bad_request("detail must be true or false"))?;
    let image = app.uploads.image(&headers, body).await?;
    Ok(json_response(app.worker.read(image, detail).await?))
}

#[derive(Deserialize)]
struct CorrectionQuery {
    label: String,
}

async fn correct(
    State(app): State<Arc<App>>,
    query: Result<Query<CorrectionQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Json {
    let Query(CorrectionQuery { label }) =
        query.map_err(|_| ApiError::bad_request("label must be the name of a class"))?;
    let loaded = app.worker.loaded();
    let label = loaded.classes.iter().position(|class| *class == label);
    let label = label.ok_or_else(|| ApiError::unprocessable("the model has no such class"))?;
    let image = app.uploads.image(&headers, body).await?;
    let corrections = Arc::clone(&app.corrections);
    let Saved { path, images } = blocking(move || corrections.save(&loaded, label, &image.bytes)).await??;
    Ok(json_response(json!({ "path": path.to_string_lossy(), "images": images }).to_string()))
}

async fn run(State(app): State<Arc<App>>) -> Json {
    Ok(json_response(app.run().await?))
}

async fn follow(State(app): State<Arc<App>>) -> Json {
    let run = Arc::clone(app.live()?);
    events::stream(app, run)
}

async fn stop(State(app): State<Arc<App>>) -> Json {
    app.live()?.stop();
    Ok((StatusCode::ACCEPTED, json_response("{}".to_owned())).into_response())
}

/// Runs work that blocks on another thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let failed = |error| ApiError::internal(format_args!("the server failed: {error}"));
    spawn_blocking(work).await.map_err(failed)
}

impl App {
    /// The name of the device.
    pub fn device(&self) -> String {
        self.worker.loaded().device
    }

    fn live(&self) -> Result<&Arc<LiveRun>, ApiError> {
        match &self.source {
            Source::Live(run) => Ok(run),
            Source::Library(_) => Err(ApiError::not_found("no run is training here")),
        }
    }

    /// The model in use, with the present state of a live run.
    fn loaded(&self) -> LoadedModel {
        let mut loaded = self.worker.loaded();
        if let Source::Live(run) = &self.source {
            loaded.entry.state = run.state_name();
            if let Some(last) = run.last() {
                loaded.entry.epochs = Some(last.epoch);
                loaded.entry.test_accuracy = Some(last.test_accuracy);
                loaded.hash = Some(last.weights_hash);
            }
        }
        loaded
    }

    fn status(&self) -> Value {
        let LoadedModel { entry, classes, channels, preparation, device, hash } = self.loaded();
        json!({
            "version": VERSION,
            "device": device,
            "training": matches!(self.source, Source::Live(_)),
            "corrections": self.corrections.folder().to_string_lossy(),
            "max_bytes": self.uploads.max_body(),
            "preprocessing": preparation.name(),
            "model": {
                "id": entry.id,
                "name": entry.name,
                "path": entry.path.to_string_lossy(),
                "dataset": entry.dataset,
                "classes": &classes[..],
                "channels": channels,
                "test_accuracy": entry.test_accuracy,
                "epochs": entry.epochs,
                "hash": hash,
            },
        })
    }

    /// Whether no request is under way and no page follows the run.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.under_way) == 1 && self.streams.available_permits() == events::MAX_STREAMS
    }

    /// The live run, redrawn if it has changed.
    pub async fn run(&self) -> Result<String, ApiError> {
        let run = self.live()?;
        // Locked while the view is drawn: requests in the meantime get the same view.
        let mut last = self.view.lock().await;
        let view = match &*last {
            Some(view) if view.version == run.version() => Arc::clone(view),
            _ => {
                let view = Arc::new(self.worker.view().await?);
                *last = Some(Arc::clone(&view));
                view
            }
        };
        Ok(view.with_progress(&self.progress()))
    }

    /// The progress of the live run as JSON.
    pub fn progress(&self) -> String {
        let progress = self.live().ok().and_then(|run| run.progress());
        json!(progress).to_string()
    }
}
