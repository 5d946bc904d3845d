//! WebP; the first frame of an animation.

mod codes;
mod container;

use std::io::{BufRead, Cursor, Read, Seek};

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use super::{Decoded, ExtraMemory, ImageFileError, ImageSize, failed, orient, samples, undecodable};
use crate::memory;
use container::Container;

const FORMAT: &str = "WebP";

/// Whether a file starts like a WebP.
pub fn is_webp(start: &[u8]) -> bool {
    start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP")
}

/// Decodes a file of `length` bytes.
pub fn decode(
    mut content: impl BufRead + Seek,
    length: u64,
    extra: ExtraMemory,
) -> Result<Decoded, ImageFileError> {
    let start = content.fill_buf().map_err(ImageFileError::Unreadable)?;
    let [width, height] = Container::size(start).ok_or(ImageFileError::CutOff)?;
    let size = ImageSize::checked(width, height)?;
    let no_memory = |source| ImageFileError::Memory { width, height, source };
    // Looking for the codes takes four bytes for each 4×4 pixels.
    let of_file =
        memory::borrow(length + size.pixels() / 4 + u64::from(width.max(height))).map_err(no_memory)?;
    let mut bytes = Vec::with_capacity(length as usize);
    content.take(length).read_to_end(&mut bytes).map_err(ImageFileError::Unreadable)?;
    let container = Container::read(&bytes).ok_or(ImageFileError::CutOff)?;
    let decoding =
        container.decoder_memory().ok_or_else(|| undecodable("its headers contradict each other"))?;
    let orientation = container.orientation();
    // One reservation replaces the other: a thread must not wait for memory while it has some.
    drop(of_file);

    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed(FORMAT))?;
    if decoder.dimensions() != (size.width, size.height) {
        return Err(undecodable("its headers contradict each other"));
    }
    // The decoder has copies of parts of the file.
    let planes = 3 * size.pixels() + orient::memory(size, orientation);
    let needed = 3 * length + decoder.total_bytes() + decoding.max(planes);
    let memory = super::reserve(size, needed, extra)?;
    samples::decode(decoder, FORMAT, orientation, memory).map(samples::grey_if_all_are)
}
