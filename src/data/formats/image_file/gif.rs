//! The first frame of a GIF.

use std::io::{BufRead, Seek};

use image::codecs::gif::GifDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, Limits};

use super::{Decoded, ExtraMemory, ImageFileError, ImageSize, failed, samples};

const FORMAT: &str = "GIF";

/// The bytes of a pixel while a frame is decoded: the image, the frame, and the frame's palette indices.
const DECODING: u64 = 4 + 4 + 1;

/// Whether a file starts like a GIF.
pub fn is_gif(start: &[u8]) -> bool {
    start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a")
}

/// Decodes a file of `length` bytes.
pub fn decode(
    content: impl BufRead + Seek,
    length: u64,
    extra: ExtraMemory,
) -> Result<Decoded, ImageFileError> {
    let mut decoder = GifDecoder::new(content).map_err(failed(FORMAT))?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::checked(width, height)?;
    // Metadata before the image is kept.
    let memory = super::reserve(size, DECODING * size.pixels() + length, extra)?;
    // A frame may claim to be larger than the image.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(4 * size.pixels());
    decoder.set_limits(limits).map_err(failed(FORMAT))?;
    samples::decode(decoder, FORMAT, Orientation::NoTransforms, memory).map(samples::grey_if_all_are)
}
