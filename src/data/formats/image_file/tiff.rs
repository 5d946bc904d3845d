//! The first page of a TIFF.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use image::{ExtendedColorType, ImageDecoder, Limits};

use super::{
    Decoded, ExtraMemory, ImageFileError, ImageSize, MAX_FILE_LEN, MAX_SIDE, failed, orient, samples,
    undecodable,
};
use crate::memory;

const FORMAT: &str = "TIFF";

/// The bytes of a value of an array, such as the offsets of the strips, while the decoder reads it.
const VALUE: u64 = 64;

/// The largest number of samples of a pixel.
const MAX_SAMPLES: u64 = 8;

/// The largest number of entries of a directory.
const MAX_ENTRIES: u64 = 4_096;

/// Whether a file starts like a TIFF or a BigTIFF of either byte order.
pub fn is_tiff(start: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|signature| start.starts_with(*signature))
}

/// Decodes a file.
pub fn decode(mut content: impl BufRead + Seek, extra: ExtraMemory) -> Result<Decoded, ImageFileError> {
    let directory = Directory::read(&mut content).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => ImageFileError::CutOff,
        ErrorKind::InvalidData => undecodable("an entry of its directory has a wrong type"),
        _ => ImageFileError::Unreadable(error),
    })?;
    let size = ImageSize::checked(directory.width, directory.height)?;
    directory.check()?;
    content.seek(SeekFrom::Start(0)).map_err(ImageFileError::Unreadable)?;
    let tables = VALUE.saturating_mul(directory.longest);
    let ImageSize { width, height } = size;
    let of_tables =
        memory::borrow(tables).map_err(|source| ImageFileError::Memory { width, height, source })?;
    let mut decoder = TiffDecoder::new(content).map_err(failed(FORMAT))?;
    if decoder.dimensions() != (width, height) {
        return Err(undecodable("its headers contradict each other"));
    }
    let orientation = decoder.orientation().map_err(failed(FORMAT))?;
    // One reservation replaces the other: a thread must not wait for memory while it has some.
    drop(of_tables);

    // The decoder has a buffer of its own, whose pixels are larger than the result's for CMYK.
    let buffer = match decoder.original_color_type() {
        ExtendedColorType::Cmyk8 => 4 * size.pixels(),
        ExtendedColorType::Cmyk16 => 8 * size.pixels(),
        _ => decoder.total_bytes(),
    };
    let planes = 3 * size.pixels() + orient::memory(size, orientation);
    let rows = 4 * MAX_SAMPLES * size_of::<u64>() as u64 * u64::from(width.max(directory.tile_width));
    let needed = (decoder.total_bytes() + buffer.max(planes) + rows).saturating_add(tables);
    let memory = super::reserve(size, needed, extra)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(buffer + MAX_FILE_LEN);
    decoder.set_limits(limits).map_err(failed(FORMAT))?;
    samples::decode(decoder, FORMAT, orientation, memory)
}

/// What the first directory says that decides how much memory the decoder needs.
#[derive(Debug, Default)]
struct Directory {
    width: u32,
    height: u32,
    tile_width: u32,
    samples: u64,
    compression: u64,
    /// The length of the longest array that the decoder reads.
    longest: u64,
}

impl Directory {
    /// Reads the directory, whose entries have 12 bytes, or 20 in a BigTIFF.
    fn read(content: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut start = [0; 8];
        content.read_exact(&mut start)?;
        let (is_little, is_big) = (start[0] == b'I', start.contains(&b'+'));
        let number = |bytes: &[u8]| {
            let digits = bytes.iter().map(|&byte| u64::from(byte));
            let join = |high: u64, low: u64| high << 8 | low;
            if is_little { digits.rev().fold(0, join) } else { digits.fold(0, join) }
        };
        let width = if is_big { 8 } else { 4 };
        let read = |content: &mut dyn Read, width: usize| {
            let mut bytes = [0; 8];
            content.read_exact(&mut bytes[..width])?;
            io::Result::Ok(number(&bytes[..width]))
        };
        let offset = if is_big { read(content, 8)? } else { number(&start[4..]) };
        content.seek(SeekFrom::Start(offset))?;
        let count = read(content, if is_big { 8 } else { 2 })?;
        let mut directory = Self { samples: 1, compression: 1, ..Self::default() };
        for _ in 0..count.min(MAX_ENTRIES) {
            let [tag, kind] = [read(content, 2)?, read(content, 2)?];
            let count = read(content, width)?;
            let mut bytes = [0; 8];
            content.read_exact(&mut bytes[..width])?;
            let value = match kind {
                1 | 7 => number(&bytes[..1]),
                3 => number(&bytes[..2]),
                4 => number(&bytes[..4]),
                16 if is_big => number(&bytes),
                _ if matches!(tag, 256 | 257 | 259 | 277 | 322) => return Err(ErrorKind::InvalidData.into()),
                _ => 0,
            };
            let side = u32::try_from(value).unwrap_or(u32::MAX);
            match tag {
                256 => directory.width = side,
                257 => directory.height = side,
                259 => directory.compression = value,
                277 => directory.samples = value,
                322 => directory.tile_width = side,
                _ => {}
            }
            // The arrays that describe samples, strips, tiles and tables.
            if matches!(tag, 256..=259 | 262 | 273 | 274 | 277..=279 | 284 | 317 | 322..=325 | 338 | 339 | 347 | 530)
            {
                directory.longest = directory.longest.max(count);
            }
        }
        match count <= MAX_ENTRIES {
            true => Ok(directory),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Rejects what would need more memory than the size of the image suggests.
    fn check(&self) -> Result<(), ImageFileError> {
        let unsupported = |feature: String| Err(ImageFileError::Unsupported { format: FORMAT, feature });
        match self {
            // A decoder within the decoder, for images of any size.
            Self { compression: 6 | 7, .. } => unsupported("JPEG compression".to_owned()),
            Self { samples, .. } if *samples > MAX_SAMPLES => {
                unsupported(format!("{samples} samples per pixel"))
            }
            Self { tile_width, .. } if *tile_width > MAX_SIDE => {
                unsupported(format!("tiles of {tile_width} pixels"))
            }
            _ => Ok(()),
        }
    }
}
