//! Server-sent events: the live run as it changes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};

use super::error::ApiError;
use super::live::{LiveRun, Versions};
use super::routes::App;

/// The most streams at once.
pub const MAX_STREAMS: usize = 16;

/// The least time between two events.
const INTERVAL: Duration = Duration::from_millis(250);

/// The time after which a comment keeps a silent connection alive.
const SILENCE: Duration = Duration::from_secs(15);

/// A body whose parts are sent as they are produced.
struct Events {
    parts: mpsc::Receiver<Bytes>,
    /// Counts the stream until its connection is closed.
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// Answers with the events of a run.
pub fn stream(app: Arc<App>, run: Arc<LiveRun>) -> Result<Response, ApiError> {
    let permit = Arc::clone(&app.streams).try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::busy("too many pages follow the run"))?;
    let (sender, parts) = mpsc::channel(1);
    // Ends when the receiver, the body, is dropped.
    tokio::spawn(async move { send(&app, &run, &sender).await });
    let body = Body::new(Events { parts, _permit: permit });
    Ok(([(CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// Sends events until the run or the connection ends. Changes that come quickly are joined.
async fn send(app: &App, run: &LiveRun, events: &mpsc::Sender<Bytes>) -> Option<()> {
    let mut changes = run.subscribe();
    let mut sent = None;
    loop {
        let now = *changes.borrow_and_update();
        if let Some(event) = event(app, sent, now).await {
            events.send(event.into()).await.ok()?;
            sent = Some(now);
            sleep(INTERVAL).await;
        }
        if now.has_ended {
            return None;
        }
        if timeout(SILENCE, changes.changed()).await.is_err() {
            events.send(Bytes::from_static(b":\n\n")).await.ok()?;
        }
    }
}

/// The event for what has changed.
async fn event(app: &App, sent: Option<Versions>, now: Versions) -> Option<String> {
    let (name, data) = match sent {
        Some(sent) if sent == now => return None,
        Some(sent) if sent.epoch == now.epoch => ("progress", format!("{{\"progress\":{}}}", app.progress())),
        _ => (if now.has_ended { "end" } else { "epoch" }, app.run().await.ok()?),
    };
    Some(format!("event: {name}\ndata: {data}\n\n"))
}
