//! PNG and JPEG files, decoded to the channel-first bytes of an [`ImageSet`](crate::data::ImageSet).

use std::io::{self, Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::files::open_regular;

/// The largest file in bytes.
const MAX_FILE_LEN: u64 = 64 << 20;

/// The extensions of image files.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// The largest side of an image, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The largest amount of memory for a decoder in bytes: a small file may claim a huge image.
const MAX_DECODER_MEMORY: u64 = 512 << 20;

/// A decoded image file of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// 1 (grey) or 3 (red, green, blue), whichever the file stores.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// C×H×W bytes, row-major.
    pub pixels: Vec<u8>,
}

/// The reason why a file could not be decoded. The message is a predicate to append to the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),

    /// The path is a folder, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,

    /// The file has no bytes.
    #[error("is empty")]
    Empty,

    /// The file is larger than 64 MiB.
    #[error("has {length} bytes; images may have at most {MAX_FILE_LEN}")]
    TooLarge {
        /// The file's length in bytes.
        length: u64,
    },

    /// The file has another format.
    #[error("is neither PNG nor JPEG")]
    Unknown,

    /// A JPEG file without an end.
    #[error("is truncated")]
    CutOff,

    /// The decoder failed.
    #[error("is damaged, truncated or too large to decode (more than {MAX_SIDE} pixels on a side): {0}")]
    Undecodable(#[source] ImageError),
}

impl ImageFile {
    /// Reads an image file. Its format is detected from its contents, not from its name.
    pub fn read(path: &Path) -> Result<Self, ImageFileError> {
        let opened = open_regular(path).map_err(ImageFileError::Unreadable)?;
        let (file, length) = opened.ok_or(ImageFileError::NotAFile)?;
        if length > MAX_FILE_LEN {
            return Err(ImageFileError::TooLarge { length });
        }
        Self::read_from(file, length as usize)
    }

    /// Reads an image from a stream of about `length` bytes. At most 64 MiB are read.
    pub fn read_from(content: impl Read, length: usize) -> Result<Self, ImageFileError> {
        let mut bytes = Vec::with_capacity(length);
        content.take(MAX_FILE_LEN).read_to_end(&mut bytes).map_err(ImageFileError::Unreadable)?;
        Self::decode(&bytes)
    }

    /// Whether a file's extension is that of an image file. The file is not read.
    pub fn has_image_extension(path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default();
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    }

    /// Decodes the contents of an image file. The EXIF orientation is applied; transparent pixels are blended with
    /// white.
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
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_DECODER_MEMORY);
        reader.limits(limits);
        let decode = || {
            let mut decoder = reader.into_decoder()?;
            let orientation = decoder.orientation()?;
            let mut image = DynamicImage::from_decoder(decoder)?;
            image.apply_orientation(orientation);
            Ok(image)
        };
        decode().map(|image| Self::from_decoded(&image)).map_err(|error| match error {
            ImageError::Unsupported(_) => ImageFileError::Unknown,
            error => ImageFileError::Undecodable(error),
        })
    }

    fn from_decoded(image: &DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        if image.color().has_color() {
            let pixels = image.to_rgba8();
            let plane = |channel: usize| {
                pixels.pixels().map(move |pixel| blend_with_white(pixel.0[channel], pixel.0[3]))
            };
            let pixels = (0..3).flat_map(plane).collect();
            Self { channels: 3, height, width, pixels }
        } else {
            let pixels = image
                .to_luma_alpha8()
                .pixels()
                .map(|pixel| blend_with_white(pixel.0[0], pixel.0[1]))
                .collect();
            Self { channels: 1, height, width, pixels }
        }
    }
}

/// Whether an end marker follows the last start of a scan (ITU-T T.81, annex B). The decoder would fill in missing
/// data without an error.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|two| two == marker);
    let [scan, end] = [[0xff, 0xda], [0xff, 0xd9]].map(last);
    end > scan
}

/// Blends a value with white, rounded to the nearest.
fn blend_with_white(value: u8, alpha: u8) -> u8 {
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
    fn grey_images_have_one_plane_and_colour_images_three() {
        let grey = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 3, 2, ExtendedColorType::L8)).unwrap();
        assert_eq!(grey, ImageFile { channels: 1, height: 2, width: 3, pixels: vec![1, 2, 3, 4, 5, 6] });
        let colour = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 1, 2, ExtendedColorType::Rgb8)).unwrap();
        assert_eq!(colour, ImageFile { channels: 3, height: 2, width: 1, pixels: vec![1, 4, 2, 5, 3, 6] });
    }

    #[test]
    fn transparent_pixels_are_blended_with_white() {
        let pixels = [10, 0, 10, 255, 0, 128];
        let image = ImageFile::decode(&png(&pixels, 3, 1, ExtendedColorType::La8)).unwrap();
        assert_eq!((image.channels, image.pixels), (1, vec![255, 10, 127]));
    }

    #[test]
    fn jpeg_files_are_decoded_and_truncated_ones_rejected() {
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
    fn other_files_and_truncated_png_files_are_rejected() {
        let valid = png(&[7; 64 * 64], 64, 64, ExtendedColorType::L8);
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b"hello, I am a text", "neither PNG nor JPEG"),
            (b"GIF89a rest", "neither PNG nor JPEG"),
            (&valid[..valid.len() / 2], "truncated"),
        ] {
            let message = ImageFile::decode(bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn huge_sizes_are_rejected_before_memory_is_allocated() {
        let mut bytes = png(&[0], 1, 1, ExtendedColorType::L8);
        // The width and height in the header chunk.
        bytes[16..24].copy_from_slice(&[0x00, 0x0f, 0xff, 0xff, 0x00, 0x0f, 0xff, 0xff]);
        assert!(matches!(ImageFile::decode(&bytes), Err(ImageFileError::Undecodable(_))));
    }
}
