//! The IDX format, in which MNIST and its likes are stored: two zero bytes, a byte for the type of
//! the values, a byte for the rank, a big-endian u32 for each dimension, then the values in row-major
//! order (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits").
//!
//! Nothing that a header claims is believed: it is held against what the file can hold before memory
//! is taken for it, and against what the file did hold after.

use std::io::{self, Read};

/// The type byte of unsigned bytes, the only type that images and labels have.
const UNSIGNED_BYTE: u8 = 0x08;

/// The most bytes that one file's values may take, 4 GiB: a bound on what is unpacked.
const MAX_VALUES: u64 = 1 << 32;

/// The most bytes that are allocated on the word of a header. A larger file grows the buffer as its
/// bytes come in.
const MAX_PREALLOCATED: u64 = 64 << 20;

/// Grey images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxImages {
    /// Number of images.
    pub count: usize,
    pub height: usize,
    pub width: usize,
    /// N×H×W values.
    pub pixels: Vec<u8>,
}

/// Reads a file of images, which has rank 3. `longest` is the most bytes that the reader can give.
pub fn read_images(reader: impl Read, longest: u64) -> Result<IdxImages, IdxError> {
    let ([count, height, width], pixels) = read(reader, longest, ["images", "height", "width"])?;
    Ok(IdxImages { count, height, width, pixels })
}

/// Reads a file of labels, which has rank 1. `longest` is the most bytes that the reader can give.
pub fn read_labels(reader: impl Read, longest: u64) -> Result<Vec<u8>, IdxError> {
    let (_, labels) = read(reader, longest, ["labels"])?;
    Ok(labels)
}

/// Why a reader gave no images or labels.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The bytes could not be read at all.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] IdxFault),
}

/// What is wrong with the bytes of an IDX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdxFault {
    #[error("the header of {needed} bytes is cut off after {held}; fetch the file again")]
    HeaderCutOff { held: usize, needed: usize },

    #[error(
        "the magic number is {:#010x}, and that of an IDX file of {what} is {:#010x}; this is another file",
        u32::from_be_bytes(*found), u32::from_be_bytes(*expected)
    )]
    Magic { found: [u8; 4], expected: [u8; 4], what: &'static str },

    #[error(
        "the type byte in the magic number is {found:#04x}, and only {UNSIGNED_BYTE:#04x}, unsigned \
         bytes, is understood; store the values as bytes of 0 to 255"
    )]
    Type { found: u8 },

    #[error(
        "the rank byte in the magic number is {found}, and that of {what} is {expected}; \
         perhaps images and labels are swapped"
    )]
    Rank { found: u8, expected: u8, what: &'static str },

    #[error("the header's field {field} is 0; a data set has at least one image of at least one pixel")]
    Zero { field: &'static str },

    #[error(
        "the header's fields {dimensions} claim more than {MAX_VALUES} bytes of values; fetch the file again"
    )]
    TooLarge { dimensions: String },

    #[error(
        "the header's fields {dimensions} claim {claimed} bytes of values, and the file has {bound}{held}; \
         it is cut off, so fetch it again"
    )]
    ValuesCutOff { dimensions: String, claimed: u64, bound: &'static str, held: u64 },

    #[error(
        "the file goes on after the {claimed} bytes of values that the header's fields {dimensions} claim; \
         fetch it again"
    )]
    Trailing { dimensions: String, claimed: u64 },
}

/// Reads a file whose rank is the number of `fields`, the names of its dimensions; the first one names
/// what it holds.
fn read<const RANK: usize>(
    mut reader: impl Read,
    longest: u64,
    fields: [&'static str; RANK],
) -> Result<([usize; RANK], Vec<u8>), IdxError> {
    let header_len = 4 + 4 * RANK;
    let mut header = Vec::with_capacity(header_len);
    reader.by_ref().take(header_len as u64).read_to_end(&mut header)?;
    check_magic(&header, RANK as u8, fields[0])?;
    if header.len() < header_len {
        return Err(IdxFault::HeaderCutOff { held: header.len(), needed: header_len }.into());
    }

    let (quads, _) = header[4..].as_chunks();
    let sizes: [u32; RANK] = std::array::from_fn(|axis| u32::from_be_bytes(quads[axis]));
    if let Some(axis) = sizes.iter().position(|&size| size == 0) {
        return Err(IdxFault::Zero { field: fields[axis] }.into());
    }
    let dimensions = || {
        let named: Vec<_> = fields.iter().zip(sizes).map(|(field, size)| format!("{field} {size}")).collect();
        named.join(", ")
    };
    let claimed = sizes
        .iter()
        .try_fold(1u64, |product, &size| product.checked_mul(u64::from(size)))
        .filter(|&product| product <= MAX_VALUES && usize::try_from(product).is_ok())
        .ok_or_else(|| IdxFault::TooLarge { dimensions: dimensions() })?;
    let cut_off = |bound, held| IdxFault::ValuesCutOff { dimensions: dimensions(), claimed, bound, held };
    let most = longest.saturating_sub(header_len as u64);
    if claimed > most {
        return Err(cut_off("at most ", most).into());
    }

    let mut values = Vec::with_capacity(claimed.min(MAX_PREALLOCATED) as usize);
    // One byte more, which must not be there. Asking for it also has gzip's checksum looked at.
    let held = reader.take(claimed + 1).read_to_end(&mut values)? as u64;
    if held < claimed {
        return Err(cut_off("", held).into());
    }
    if held > claimed {
        return Err(IdxFault::Trailing { dimensions: dimensions(), claimed }.into());
    }
    // Each size is at most the product, as none is 0, and the product fits.
    Ok((sizes.map(|size| size as usize), values))
}

/// Holds the first four bytes against those of an unsigned-byte file of this rank.
fn check_magic(header: &[u8], rank: u8, what: &'static str) -> Result<(), IdxFault> {
    let expected = [0, 0, UNSIGNED_BYTE, rank];
    let Some(&found) = header.first_chunk() else {
        return Err(IdxFault::HeaderCutOff { held: header.len(), needed: 4 + 4 * usize::from(rank) });
    };
    match found {
        _ if found == expected => Ok(()),
        [0, 0, UNSIGNED_BYTE, other] => Err(IdxFault::Rank { found: other, expected: rank, what }),
        [0, 0, other, 1..=4] => Err(IdxFault::Type { found: other }),
        _ => Err(IdxFault::Magic { found, expected, what }),
    }
}
