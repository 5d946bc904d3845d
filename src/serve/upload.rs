//! Receives the body of a request: an image file.
//!
//! The memory of all bodies together is bounded. A body waits until there is room for it, and must then arrive in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::ApiError;
use crate::memory::{self, OverBudget, Reservation};

/// The largest image file, in bytes: more than cameras and phones make.
pub const MAX_BODY: usize = 20 << 20;

/// The memory for all bodies together, in bytes.
const MAX_BODIES: u64 = 64 << 20;

/// The unit of memory that bodies reserve, in bytes.
const UNIT: usize = 64 << 10;

/// How long a body may wait for memory, and how long it may then take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a body that is too large is still received, in bytes, and for how long. Closing the connection at once would
/// end the browser's request before it reads the answer.
const MAX_DISCARDED: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Memory for bodies.
#[derive(Debug)]
pub struct Uploads {
    memory: Reservation<'static>,
    units: Arc<Semaphore>,
}

/// A body that was received, and its share of the memory.
#[derive(Debug)]
pub struct Upload {
    pub bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl Uploads {
    /// Reserves the memory for bodies.
    pub fn new() -> Result<Self, OverBudget> {
        // Decoding an image takes several times the memory of its file.
        let memory = memory::hold(MAX_BODIES.min(memory::limit() / 4).max(UNIT as u64))?;
        let units = Arc::new(Semaphore::new(memory.bytes() as usize / UNIT));
        Ok(Self { memory, units })
    }

    /// The largest body, in bytes.
    pub fn max_body(&self) -> usize {
        MAX_BODY.min(self.memory.bytes() as usize / UNIT * UNIT)
    }

    /// Receives an image file.
    pub async fn image(&self, headers: &HeaderMap, body: Body) -> Result<Upload, ApiError> {
        let media_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        if let Some(media_type) = media_type
            && !media_type.starts_with("image/")
            && !["application/octet-stream", ""].contains(&media_type)
        {
            discard(headers, body).await;
            let message = "the body must be an image file, with the type image/png, image/jpeg or similar";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        self.receive(headers, body, self.max_body()).await
    }

    /// Receives a body of at most `limit` bytes.
    pub async fn receive(&self, headers: &HeaderMap, body: Body, limit: usize) -> Result<Upload, ApiError> {
        let declared = declared_len(headers);
        if declared.is_some_and(|length| length > limit) {
            discard(headers, body).await;
            return Err(too_large(limit));
        }
        let units = declared.unwrap_or(limit).div_ceil(UNIT).max(1) as u32;
        let permits = Arc::clone(&self.units).acquire_many_owned(units);
        let memory = match timeout(PATIENCE, permits).await {
            Ok(Ok(permits)) => permits,
            _ => return Err(ApiError::busy("too many images at once; try again")),
        };
        let received = timeout(PATIENCE, collect(body, declared.unwrap_or(0), limit)).await;
        let bytes = received.map_err(|_| {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body of the request did not arrive in time")
        })??;
        if bytes.is_empty() {
            return Err(ApiError::bad_request("the body is empty"));
        }
        Ok(Upload { bytes, _memory: memory })
    }
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than {}", memory::Size(limit as u64));
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn declared_len(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

async fn collect(mut body: Body, expected: usize, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(expected);
    while let Some(frame) = next_frame(&mut body).await {
        let frame = frame.map_err(|_| ApiError::bad_request("the body of the request is cut off"))?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn discard(headers: &HeaderMap, mut body: Body) {
    if declared_len(headers).is_none_or(|length| length > MAX_DISCARDED) {
        return;
    }
    let all = async { while let Some(Ok(_)) = next_frame(&mut body).await {} };
    // Whether it ended in time or not, the answer is the same.
    let _ = timeout(DISCARD_TIME, all).await;
}
