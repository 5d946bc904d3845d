//! Decodes image files that were received.

use std::panic::{self, AssertUnwindSafe};

use crate::data::ImageFileError;
use crate::predict::{ImageError, Preparation, PreparedImage};

/// Decodes an image file and finds its digits.
pub fn prepare(preparation: Preparation, file: &[u8]) -> Result<PreparedImage, ImageError> {
    // A defect of a decoder must not end the server.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| preparation.read_from(file)));
    decoded.unwrap_or_else(|_| Err(ImageFileError::Undecodable("the decoder failed".into()).into()))
}
