//! JPEG.

use std::io::{self, BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;

use super::{Decoded, ExtraMemory, ImageFile, ImageFileError, ImageSize, orient, samples, undecodable};

/// The start of a file and of its first marker.
pub const SIGNATURE: &[u8] = b"\xff\xd8\xff";

/// The number of rows of samples that the decoder keeps of each component while it scales them, with 2 bytes a sample.
const ROWS: u64 = 96;

/// Decodes a file of `length` bytes.
pub fn decode(
    mut content: impl BufRead + Seek,
    length: u64,
    extra: ExtraMemory,
) -> Result<Decoded, ImageFileError> {
    let frame =
        Frame::read(&mut content).map_err(ImageFileError::Unreadable)?.ok_or(ImageFileError::CutOff)?;
    let size = ImageSize::checked(frame.width, frame.height)?;
    // The decoder has a copy of the file. The image may be turned, and its samples are interleaved at first.
    let planes = if frame.sampling.len() == 1 { 1 } else { 3 };
    let images = size.pixels() * if planes == 1 { 2 } else { 2 * planes };
    let memory = super::reserve(size, 2 * length + frame.decoder_memory() + images, extra)?;

    content.seek(SeekFrom::Start(0)).map_err(ImageFileError::Unreadable)?;
    let mut bytes = Vec::with_capacity(length as usize);
    content.take(length).read_to_end(&mut bytes).map_err(ImageFileError::Unreadable)?;
    if !is_whole(&bytes) {
        return Err(ImageFileError::CutOff);
    }
    let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(undecodable)?;
    let colour = decoder.color_type();
    if decoder.dimensions() != (size.width, size.height)
        || usize::from(colour.channel_count()) > frame.sampling.len()
    {
        return Err(undecodable("its headers contradict each other"));
    }
    let orientation = decoder.orientation().map_err(undecodable)?;
    let mut interleaved = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut interleaved).map_err(undecodable)?;
    let (width, height) = (size.width as usize, size.height as usize);
    let (channels, pixels) = samples::to_planes(interleaved, colour);
    let image = ImageFile { channels, height, width, pixels };
    Ok(Decoded { image: orient::apply(image, orientation), memory })
}

/// What a file's headers say before the first scan (ITU-T T.81, annex B).
#[derive(Debug)]
struct Frame {
    width: u32,
    height: u32,
    /// The horizontal and the vertical sampling factor of each component.
    sampling: Vec<[u64; 2]>,
    /// Whether the coefficients of all scans are collected before any sample is computed.
    collects: bool,
}

impl Frame {
    /// Reads the segments up to the first scan. `None` if the file ends before it.
    fn read(content: &mut (impl BufRead + Seek)) -> io::Result<Option<Self>> {
        match Self::read_to_scan(content) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            frame => frame,
        }
    }

    fn read_to_scan(content: &mut (impl BufRead + Seek)) -> io::Result<Option<Self>> {
        let mut frame: Option<Self> = None;
        loop {
            match next_marker(content)? {
                // Start of frame, except those for tables and for reserved use.
                marker @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                    let segment = segment(content)?;
                    let [_, h1, h0, w1, w0, count, components @ ..] = &segment[..] else { return Ok(None) };
                    let sampling = components.as_chunks().0.iter().take((*count).into());
                    let [height, width] = [[*h1, *h0], [*w1, *w0]].map(u16::from_be_bytes).map(u32::from);
                    frame = Some(Self {
                        width,
                        height,
                        sampling: sampling
                            .map(|&[_, it, _]: &[u8; 3]| [it >> 4, it & 15].map(u64::from))
                            .collect(),
                        collects: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
                    });
                }
                0xda => {
                    let in_scan = segment(content)?.first().map_or(0, |&count| count.into());
                    let Some(frame) = frame else { return Ok(None) };
                    return Ok(Some(Self {
                        collects: frame.collects || in_scan < frame.sampling.len(),
                        ..frame
                    }));
                }
                // Markers without a segment: fill bytes, restarts, start and end of the image.
                0x01 | 0xd0..=0xd9 => {}
                _ => skip_segment(content)?,
            }
        }
    }

    /// The memory that the decoder needs besides its result: rows of samples, and coefficients of 2 bytes if it collects
    /// them, in whole blocks of 8×8.
    fn decoder_memory(&self) -> u64 {
        let largest =
            |axis: usize| self.sampling.iter().map(|factors| factors[axis]).max().unwrap_or(1).max(1);
        let (across, down) = (largest(0), largest(1));
        let width = u64::from(self.width).next_multiple_of(8 * across);
        let height = u64::from(self.height).next_multiple_of(8 * down);
        let coefficients = |&[h, v]: &[u64; 2]| width * height * h.max(1) * v.max(1) / (across * down);
        let collected = if self.collects { self.sampling.iter().map(coefficients).sum() } else { 0 };
        2 * (collected + ROWS * width * self.sampling.len() as u64)
    }
}

/// Finds the next marker: a byte 0xff, or several, and another one. Like the decoder, it takes 0 for a fill byte too.
fn next_marker(content: &mut impl Read) -> io::Result<u8> {
    let mut byte = || read_array(content).map(|[byte]| byte);
    while byte()? != 0xff {}
    loop {
        match byte()? {
            0x00 | 0xff => {}
            marker => return Ok(marker),
        }
    }
}

/// Reads a segment after its marker.
fn segment(content: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u16::from_be_bytes(read_array(content)?).saturating_sub(2);
    let mut bytes = vec![0; length.into()];
    content.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip_segment(content: &mut (impl BufRead + Seek)) -> io::Result<()> {
    let length = u16::from_be_bytes(read_array(content)?).saturating_sub(2);
    content.seek_relative(length.into())
}

fn read_array<const LEN: usize>(content: &mut impl Read) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    content.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Whether an end marker follows the last start of a scan (ITU-T T.81, annex B). The decoder would fill in missing
/// data without an error.
fn is_whole(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|two| two == marker);
    let [scan, end] = [[0xff, 0xda], [0xff, 0xd9]].map(last);
    end > scan
}
