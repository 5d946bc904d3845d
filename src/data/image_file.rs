//! One image file, PNG or JPEG, as bytes that a [`ImageSet`](super::ImageSet) could hold: grey or of three channels, by
//! what the file is.

use std::io::{self, Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::files::open_regular;

/// The largest file that is read, in bytes.
const MOST_FILE_BYTES: u64 = 64 << 20;

/// What the names of image files end with.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// The largest side of an image, in pixels.
const MOST_SIDE: u32 = 16_384;

/// The most memory that a decoder takes, in bytes: a small file may claim a huge image.
const MOST_MEMORY: u64 = 512 << 20;

/// An image of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// C×H×W.
    pub pixels: Vec<u8>,
}

/// Why a file is not an image that is understood.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),

    #[error("is not a regular file")]
    NotAFile,

    #[error("is empty")]
    Empty,

    #[error("has {length} bytes, and images are read up to {MOST_FILE_BYTES}")]
    TooLarge { length: u64 },

    #[error("is neither PNG nor JPEG")]
    Unknown,

    #[error("is cut off")]
    CutOff,

    #[error("is damaged, cut off or too large to decode ({MOST_SIDE} pixels a side at most): {0}")]
    Undecodable(#[source] ImageError),
}

impl ImageFile {
    /// Reads an image file. What it is is told by its content, whatever its name.
    pub fn read(path: &Path) -> Result<Self, ImageFileError> {
        let opened = open_regular(path).map_err(ImageFileError::Unreadable)?;
        let (file, length) = opened.ok_or(ImageFileError::NotAFile)?;
        if length > MOST_FILE_BYTES {
            return Err(ImageFileError::TooLarge { length });
        }
        Self::read_from(file, length as usize)
    }

    /// Reads an image file's content, of about `length` bytes and no more than a file may have.
    pub fn read_from(content: impl Read, length: usize) -> Result<Self, ImageFileError> {
        let mut bytes = Vec::with_capacity(length);
        content.take(MOST_FILE_BYTES).read_to_end(&mut bytes).map_err(ImageFileError::Unreadable)?;
        Self::decode(&bytes)
    }

    /// Whether a file is an image by its name, which is all that is looked at.
    pub fn is_named_so(path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default();
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    }

    /// Decodes an image file's content. A photograph is turned as its camera was held; what shows through is white,
    /// as on paper.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageFileError> {
        if bytes.is_empty() {
            return Err(ImageFileError::Empty);
        }
        let mut reader =
            ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(ImageFileError::Unreadable)?;
        if reader.format().is_none() {
            return Err(ImageFileError::Unknown);
        }
        if reader.format() == Some(ImageFormat::Jpeg) && !is_whole_jpeg(bytes) {
            return Err(ImageFileError::CutOff);
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_SIDE);
        limits.max_image_height = Some(MOST_SIDE);
        limits.max_alloc = Some(MOST_MEMORY);
        reader.limits(limits);
        let decode = || {
            let mut decoder = reader.into_decoder()?;
            let orientation = decoder.orientation()?;
            let mut image = DynamicImage::from_decoder(decoder)?;
            image.apply_orientation(orientation);
            Ok(image)
        };
        decode().map(|image| Self::of(&image)).map_err(|error| match error {
            ImageError::Unsupported(_) => ImageFileError::Unknown,
            error => ImageFileError::Undecodable(error),
        })
    }

    fn of(image: &DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        if image.color().has_color() {
            let pixels = image.to_rgba8();
            let plane =
                |channel: usize| pixels.pixels().map(move |pixel| on_white(pixel.0[channel], pixel.0[3]));
            let pixels = (0..3).flat_map(plane).collect();
            Self { channels: 3, height, width, pixels }
        } else {
            let pixels =
                image.to_luma_alpha8().pixels().map(|pixel| on_white(pixel.0[0], pixel.0[1])).collect();
            Self { channels: 1, height, width, pixels }
        }
    }
}

/// Whether an end follows the last scan that begins (ITU-T T.81, annex B): the decoder makes up what is missing.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|two| two == marker);
    let [scan, end] = [[0xff, 0xda], [0xff, 0xd9]].map(last);
    end > scan
}

/// A value seen through its transparency before white, rounded to the nearest.
fn on_white(value: u8, alpha: u8) -> u8 {
    let [value, alpha] = [value, alpha].map(u32::from);
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};

    use super::*;

    fn png(pixels: &[u8], width: u32, height: u32, kind: ExtendedColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(pixels, width, height, kind).unwrap();
        bytes
    }

    #[test]
    fn a_grey_image_has_one_channel_and_a_coloured_one_three_planes() {
        let grey = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 3, 2, ExtendedColorType::L8)).unwrap();
        assert_eq!(grey, ImageFile { channels: 1, height: 2, width: 3, pixels: vec![1, 2, 3, 4, 5, 6] });
        let colour = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 1, 2, ExtendedColorType::Rgb8)).unwrap();
        assert_eq!(colour, ImageFile { channels: 3, height: 2, width: 1, pixels: vec![1, 4, 2, 5, 3, 6] });
    }

    #[test]
    fn what_is_transparent_is_seen_before_white() {
        let pixels = [10, 0, 10, 255, 0, 128];
        let image = ImageFile::decode(&png(&pixels, 3, 1, ExtendedColorType::La8)).unwrap();
        assert_eq!((image.channels, image.pixels), (1, vec![255, 10, 127]));
    }

    #[test]
    fn a_jpeg_is_read_to_within_its_losses_and_half_of_one_is_refused() {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95)
            .write_image(&[200; 64], 8, 8, ExtendedColorType::L8)
            .unwrap();
        let image = ImageFile::decode(&bytes).unwrap();
        assert_eq!((image.channels, image.height, image.width), (1, 8, 8));
        assert!(image.pixels.iter().all(|pixel| pixel.abs_diff(200) <= 2), "{:?}", image.pixels);
        for len in [bytes.len() - 1, bytes.len() - 2, bytes.len() / 2] {
            assert!(ImageFile::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn what_is_no_image_or_half_of_one_is_refused_with_the_reason() {
        let sound = png(&[7; 64 * 64], 64, 64, ExtendedColorType::L8);
        for (bytes, says) in [
            (&b""[..], "is empty"),
            (b"hello, I am a text", "neither PNG nor JPEG"),
            (b"GIF89a rest", "neither PNG nor JPEG"),
            (&sound[..sound.len() / 2], "cut off"),
        ] {
            let message = ImageFile::decode(bytes).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn an_image_that_claims_more_pixels_than_are_read_is_refused_before_memory_is_taken() {
        let mut bytes = png(&[0], 1, 1, ExtendedColorType::L8);
        // Width and height in the header chunk, whose checksum follows.
        bytes[16..24].copy_from_slice(&[0x00, 0x0f, 0xff, 0xff, 0x00, 0x0f, 0xff, 0xff]);
        assert!(matches!(ImageFile::decode(&bytes), Err(ImageFileError::Undecodable(_))));
    }
}
