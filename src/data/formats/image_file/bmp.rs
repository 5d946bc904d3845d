//! BMP.

use std::io::{BufRead, Seek};

use image::ImageDecoder;
use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;

use super::{Decoded, ExtraMemory, ImageFileError, ImageSize, failed, samples};

const FORMAT: &str = "BMP";

/// The lengths of the second header in all versions of the format.
const HEADERS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// Whether a file starts like a BMP. Its first two bytes alone could start a text.
pub fn is_bmp(start: &[u8]) -> bool {
    let header = start.get(14..18).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    start.starts_with(b"BM") && header.is_some_and(|header| HEADERS.contains(&header))
}

/// Decodes a file.
pub fn decode(content: impl BufRead + Seek, extra: ExtraMemory) -> Result<Decoded, ImageFileError> {
    let decoder = BmpDecoder::new(content).map_err(failed(FORMAT))?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::checked(width, height)?;
    // The samples and the planes.
    let memory = super::reserve(size, decoder.total_bytes() + 3 * size.pixels(), extra)?;
    samples::decode(decoder, FORMAT, Orientation::NoTransforms, memory).map(samples::grey_if_all_are)
}
