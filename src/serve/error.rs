//! Answers to requests that fail.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::data::ImageFileError;
use crate::predict::{ImageError, PredictError};

/// Why the server could not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Listening on the address failed.
    #[error("cannot listen on {address}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },

    /// The runtime or a thread cannot start, or the listener fails.
    #[error("the server cannot run")]
    Run(#[from] std::io::Error),

    /// The memory for uploads exceeds the budget.
    #[error("the server cannot receive images")]
    Memory(#[from] crate::memory::OverBudget),

    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] PredictError),
}

/// The status and the one line that a failed request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: StatusCode,
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Display) -> Self {
        Self { status, message: message.to_string() }
    }

    pub fn bad_request(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn forbidden(message: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub fn not_found(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn unprocessable(message: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub fn busy(message: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub fn internal(message: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        let status = match &error {
            ImageError::File(
                ImageFileError::Unknown | ImageFileError::Heif | ImageFileError::Unsupported { .. },
            ) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ImageError::File(
                ImageFileError::TooLarge { .. }
                | ImageFileError::TooManyPixels { .. }
                | ImageFileError::Memory { .. },
            ) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, format_args!("the image {error}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = format!("{}\n", json!({ "error": self.message }));
        let json = [(CONTENT_TYPE, "application/json")];
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                (self.status, json, [(RETRY_AFTER, "1")], body).into_response()
            }
            status => (status, json, body).into_response(),
        }
    }
}
