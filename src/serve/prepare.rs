//! Decodes image files that were received.

use std::panic::{self, AssertUnwindSafe};

use super::error::ApiError;
use crate::data::ImageFileError;
use crate::predict::{ImageError, NoDigit, Preparation, PreparedImage};

/// Why an image has no reading.
#[derive(Debug)]
pub enum Unprepared {
    /// It shows no digit.
    NoDigit(NoDigit),
    Failed(ApiError),
}

impl From<Unprepared> for ApiError {
    fn from(error: Unprepared) -> Self {
        match error {
            Unprepared::NoDigit(error) => ImageError::NoDigit(error).into(),
            Unprepared::Failed(error) => error,
        }
    }
}

/// Decodes an image file and finds its digits.
pub fn prepare(preparation: Preparation, file: &[u8]) -> Result<PreparedImage, Unprepared> {
    // A defect of a decoder must not end the server.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| preparation.read_from(file)));
    decoded.unwrap_or_else(|_| Err(ImageFileError::Undecodable("the decoder failed".into()).into())).map_err(
        |error| match error {
            ImageError::NoDigit(error) => Unprepared::NoDigit(error),
            error => Unprepared::Failed(error.into()),
        },
    )
}
