//! Image files, decoded to the channel-first bytes of an [`ImageSet`](crate::data::ImageSet).
//!
//! The size of an image is read from its header, and the memory to decode it is reserved, before anything is allocated
//! for it: a small file may contain a huge image.

mod bmp;
mod gif;
mod jpeg;
mod orient;
mod png;
mod samples;
#[cfg(test)]
mod tests;
mod tiff;
mod webp;

use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::ImageError;
use image::error::UnsupportedErrorKind;

use super::MAX_SIDE;
use crate::files::open_regular;
use crate::memory::{self, OverBudget, Reservation};

/// The largest file in bytes.
const MAX_FILE_LEN: u64 = 64 << 20;

/// The formats that can be read, for messages.
pub const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF or TIFF";

/// The extensions of image files.
pub const EXTENSIONS: [&str; 9] = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff"];

/// The memory for what does not depend on the size of an image: a decoder's tables and windows, in bytes.
const DECODER_MEMORY: u64 = 256 << 10;

/// The most bytes of a file that are buffered before its memory is reserved.
const BUFFER_LEN: u64 = 64 << 10;

/// A decoded image file of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// 1 (grey) or 3 (red, green, blue), as the file stores it. Formats that have colour only or that some programs write
    /// in colour only (BMP, GIF, WebP) are grey if all of their pixels are.
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
    #[error("is not a {FORMATS} file")]
    Unknown,

    /// The file has a format that phones use and that cannot be read.
    #[error("is a HEIC or AVIF file; convert it to JPEG or PNG")]
    Heif,

    /// The file uses a feature of its format that the decoder lacks.
    #[error("is a {format} file of a kind that cannot be read: {feature}; convert it to PNG")]
    Unsupported {
        /// The name of the format.
        format: &'static str,
        /// The feature, in the decoder's words.
        feature: String,
    },

    /// The file ends too early.
    #[error("is truncated")]
    CutOff,

    /// A side of the image is too long.
    #[error("has {width}×{height} pixels; at most {MAX_SIDE} on a side are supported")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// Decoding the image takes more memory than the budget allows.
    #[error("has {width}×{height} pixels, too many to decode: {source}")]
    Memory {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The memory that it takes.
        source: OverBudget,
    },

    /// The decoder failed.
    #[error("is damaged or truncated: {0}")]
    Undecodable(#[source] Box<dyn Error + Send + Sync>),
}

/// The width and height of an image in pixels.
#[derive(Debug, Clone, Copy)]
pub struct ImageSize {
    pub width: u32,
    pub height: u32,
}

impl ImageSize {
    fn checked(width: u32, height: u32) -> Result<Self, ImageFileError> {
        if width.max(height) > MAX_SIDE {
            return Err(ImageFileError::TooManyPixels { width, height });
        }
        if width.min(height) == 0 {
            return Err(undecodable("it has no pixels"));
        }
        Ok(Self { width, height })
    }

    /// The number of pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Computes the bytes that a caller needs to process an image of a size, besides its pixels.
pub type ExtraMemory<'a> = &'a dyn Fn(ImageSize) -> u64;

/// A decoded image and the memory it occupies.
pub struct Decoded {
    pub image: ImageFile,
    /// Working memory for the image and the caller's extra memory.
    pub memory: Reservation<'static>,
}

impl ImageFile {
    /// Reads an image file. Its format is detected from its contents, not from its name. The EXIF orientation is
    /// applied; transparent pixels are blended with white. Of an animation, the first frame is read; of several pages,
    /// the first page.
    ///
    /// # Errors
    /// If the file cannot be read or decoded, or decoding it takes more memory than the budget allows
    /// ([`crate::memory`]).
    pub fn read(path: &Path) -> Result<Self, ImageFileError> {
        Ok(Self::read_with(path, &|_| 0)?.image)
    }

    /// Reads an image from a stream, of which at most 64 MiB are read.
    ///
    /// # Errors
    /// As [`Self::read`], and if there are more bytes.
    pub fn read_from(content: impl Read) -> Result<Self, ImageFileError> {
        Ok(Self::read_from_with(content, &|_| 0)?.image)
    }

    /// Decodes the contents of an image file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageFileError> {
        Ok(decode(Cursor::new(bytes), bytes.len() as u64, &|_| 0)?.image)
    }

    /// Reads an image file, and reserves memory for what is done with it.
    pub(crate) fn read_with(path: &Path, extra: ExtraMemory) -> Result<Decoded, ImageFileError> {
        let opened = open_regular(path).map_err(ImageFileError::Unreadable)?;
        let (file, length) = opened.ok_or(ImageFileError::NotAFile)?;
        if length > MAX_FILE_LEN {
            return Err(ImageFileError::TooLarge { length });
        }
        decode(BufReader::with_capacity(length.clamp(1, BUFFER_LEN) as usize, file), length, extra)
    }

    /// Reads an image from a stream, and reserves memory for what is done with it.
    pub(crate) fn read_from_with(content: impl Read, extra: ExtraMemory) -> Result<Decoded, ImageFileError> {
        let mut bytes = Vec::new();
        content.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes).map_err(ImageFileError::Unreadable)?;
        let length = bytes.len() as u64;
        if length > MAX_FILE_LEN {
            return Err(ImageFileError::TooLarge { length });
        }
        decode(Cursor::new(bytes), length, &|size| extra(size) + length)
    }

    /// Whether a file's name is that of an image file. The file is not read. Names that start with `._` belong to
    /// macOS's copies of a file's metadata.
    pub fn has_image_extension(path: &Path) -> bool {
        let (name, extension) = (path.file_name().unwrap_or_default(), path.extension().unwrap_or_default());
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
            && !name.as_encoded_bytes().starts_with(b"._")
    }
}

/// Decodes an image file of `length` bytes.
fn decode(
    mut content: impl BufRead + Seek,
    length: u64,
    extra: ExtraMemory,
) -> Result<Decoded, ImageFileError> {
    let start = content.fill_buf().map_err(ImageFileError::Unreadable)?;
    if start.is_empty() {
        Err(ImageFileError::Empty)
    } else if start.starts_with(png::SIGNATURE) {
        png::decode(content, extra)
    } else if start.starts_with(jpeg::SIGNATURE) {
        jpeg::decode(content, length, extra)
    } else if webp::is_webp(start) {
        webp::decode(content, length, extra)
    } else if gif::is_gif(start) {
        gif::decode(content, length, extra)
    } else if tiff::is_tiff(start) {
        tiff::decode(content, extra)
    } else if bmp::is_bmp(start) {
        bmp::decode(content, extra)
    } else if start.get(4..8) == Some(b"ftyp") {
        Err(ImageFileError::Heif)
    } else {
        Err(ImageFileError::Unknown)
    }
}

/// Reserves memory for an image. `bytes` are those of decoding it.
fn reserve(size: ImageSize, bytes: u64, extra: ExtraMemory) -> Result<Reservation<'static>, ImageFileError> {
    let ImageSize { width, height } = size;
    let needed = bytes.saturating_add(extra(size)).saturating_add(DECODER_MEMORY);
    memory::borrow(needed).map_err(|source| ImageFileError::Memory { width, height, source })
}

/// The failure of one of the `image` crate's decoders.
fn failed(format: &'static str) -> impl Fn(ImageError) -> ImageFileError {
    move |error| match error {
        ImageError::Unsupported(error) => {
            let feature = match error.kind() {
                UnsupportedErrorKind::GenericFeature(feature) => feature.clone(),
                kind => format!("{kind:?}"),
            };
            ImageFileError::Unsupported { format, feature }
        }
        error => undecodable(error),
    }
}

fn undecodable(error: impl Into<Box<dyn Error + Send + Sync>>) -> ImageFileError {
    ImageFileError::Undecodable(error.into())
}

/// Blends a value with white, rounded to the nearest.
fn blend_with_white(value: u8, alpha: u8) -> u8 {
    let [value, alpha] = [value, alpha].map(u32::from);
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
