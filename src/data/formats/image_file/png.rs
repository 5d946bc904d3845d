//! PNG, decoded row by row, so that the file's samples of up to 8 bytes a pixel are never in memory together.

use std::io::{BufRead, Seek};

use image::metadata::Orientation;
use png::{BitDepth, Decoder, Limits, Reader, Transformations};

use super::{
    Decoded, ExtraMemory, ImageFile, ImageFileError, ImageSize, blend_with_white, orient, samples::narrow,
    undecodable,
};

/// The first bytes of a file.
pub const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The memory for metadata, in bytes.
const MAX_METADATA: usize = 1 << 20;

/// The number of rows that the decoder keeps.
const ROWS: u64 = 4;

/// Decodes a file.
pub fn decode(content: impl BufRead + Seek, extra: ExtraMemory) -> Result<Decoded, ImageFileError> {
    let mut decoder = Decoder::new_with_limits(content, Limits { bytes: MAX_METADATA });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(undecodable)?;
    let size = ImageSize::checked(header.width, header.height)?;
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(undecodable)?;

    let layout = Layout::of(&reader);
    let exif = reader.info().exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let orientation = exif.unwrap_or(Orientation::NoTransforms);
    let stored = u64::from(size.height) * layout.row_len(size) as u64;
    let samples = if reader.info().interlaced { stored } else { ROWS * layout.row_len(size) as u64 };
    let planes = size.pixels() * layout.planes() as u64;
    let memory = super::reserve(size, samples + planes + orient::memory(size, orientation), extra)?;

    let (width, height) = (size.width as usize, size.height as usize);
    let mut pixels = vec![0; width * height * layout.planes()];
    let mut first = 0;
    let mut convert = |row: &[u8]| {
        layout.convert(row, &mut pixels, first, width * height);
        first += width;
    };
    if reader.info().interlaced {
        let mut frame = vec![0; stored as usize];
        reader.next_frame(&mut frame).map_err(undecodable)?;
        frame.chunks_exact(layout.row_len(size)).for_each(convert);
    } else {
        while let Some(row) = reader.next_row().map_err(undecodable)? {
            convert(row.data());
        }
    }
    let image = ImageFile { channels: layout.planes(), height, width, pixels };
    Ok(Decoded { image: orient::apply(image, orientation), memory })
}

/// How a pixel's samples are stored in a row.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Grey, grey and alpha, red green blue, or those and alpha.
    samples: usize,
    /// Whether samples have 16 bits, big-endian, instead of 8.
    is_wide: bool,
}

impl Layout {
    /// Palettes and samples of fewer than 8 bits have been expanded.
    fn of<R: BufRead + Seek>(reader: &Reader<R>) -> Self {
        let (colour, depth) = reader.output_color_type();
        Self { samples: colour.samples(), is_wide: depth == BitDepth::Sixteen }
    }

    /// The number of planes of the image.
    fn planes(self) -> usize {
        if self.samples < 3 { 1 } else { 3 }
    }

    /// The number of bytes of a row.
    fn row_len(self, size: ImageSize) -> usize {
        size.width as usize * self.samples * if self.is_wide { 2 } else { 1 }
    }

    /// Writes a row to each plane, from pixel `at` on. Planes have `plane` pixels.
    fn convert(self, row: &[u8], pixels: &mut [u8], at: usize, plane: usize) {
        match (self.samples, self.is_wide) {
            (1, false) => pixels[at..][..row.len()].copy_from_slice(row),
            (2, false) => convert_row::<2, 1>(row, pixels, at, plane),
            (3, false) => convert_row::<3, 1>(row, pixels, at, plane),
            (_, false) => convert_row::<4, 1>(row, pixels, at, plane),
            (1, true) => convert_row::<1, 2>(row, pixels, at, plane),
            (2, true) => convert_row::<2, 2>(row, pixels, at, plane),
            (3, true) => convert_row::<3, 2>(row, pixels, at, plane),
            (_, true) => convert_row::<4, 2>(row, pixels, at, plane),
        }
    }
}

/// Converts a row of pixels of `SAMPLES` samples of `BYTES` bytes each; with two or four samples, the last one is alpha.
fn convert_row<const SAMPLES: usize, const BYTES: usize>(
    row: &[u8],
    pixels: &mut [u8],
    at: usize,
    plane: usize,
) {
    let (colours, has_alpha) = (if SAMPLES < 3 { 1 } else { 3 }, SAMPLES.is_multiple_of(2));
    for (index, pixel) in row.chunks_exact(SAMPLES * BYTES).enumerate() {
        let sample = |sample: usize| match BYTES {
            1 => pixel[sample],
            _ => narrow(u16::from_be_bytes([pixel[2 * sample], pixel[2 * sample + 1]])),
        };
        for colour in 0..colours {
            let value = sample(colour);
            pixels[colour * plane + at + index] =
                if has_alpha { blend_with_white(value, sample(SAMPLES - 1)) } else { value };
        }
    }
}
