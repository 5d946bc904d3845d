//! The IDX format of MNIST and related data sets: two zero bytes, a byte for the type of the values, a byte for the
//! rank, a big-endian u32 for each dimension, then the values in row-major order (Y. LeCun, C. Cortes, C. Burges,
//! "The MNIST database of handwritten digits").
//!
//! QMNIST's extended labels are a table of 32-bit integers with a row for each image, whose first column is the class.
//!
//! The header is not trusted: its sizes are compared with the size of the file before memory is allocated, and with
//! the number of values read afterwards. The memory budget has to allow them as well.

use std::io::{self, Read};

use super::{MAX_SIDE, ParseError, grow};
use crate::memory::{self, Reservation};

/// The type byte of unsigned bytes, the type of images and labels.
const UNSIGNED_BYTE: u8 = 0x08;

/// The type byte of 32-bit integers, the type of QMNIST's extended labels.
const INTEGER: u8 = 0x0c;

/// The bytes of a label in an image set.
const LABEL_LEN: u64 = size_of::<u16>() as u64;

/// The largest number of value bytes in one file, 4 GiB: a bound on what is decompressed.
const MAX_VALUES: u64 = 1 << 32;

/// Grey images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxImages {
    /// The number of images.
    pub count: usize,
    /// The height of each image in pixels.
    pub height: usize,
    /// The width of each image in pixels.
    pub width: usize,
    /// N×H×W values.
    pub pixels: Vec<u8>,
}

/// Reads a file of images, which has rank 3. `max_len` bounds the number of bytes that the reader can yield.
///
/// # Errors
/// If the reader fails, the bytes are not a valid file, or the images exceed the memory budget.
pub fn read_images(reader: impl Read, max_len: u64) -> Result<IdxImages, IdxError> {
    Ok(hold_images(reader, max_len)?.0)
}

/// Reads a file of labels, which has rank 1. `max_len` bounds the number of bytes that the reader can yield.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(reader: impl Read, max_len: u64) -> Result<Vec<u8>, IdxError> {
    Ok(read(reader, max_len, UNSIGNED_BYTE, ["labels"], 0)?.1)
}

/// Reads a table of 32-bit integers, which has rank 2, and returns its first column: the classes of QMNIST's images.
/// `max_len` bounds the number of bytes that the reader can yield.
///
/// # Errors
/// As [`read_images`], and if a class is negative or larger than 65,535.
pub fn read_class_column(reader: impl Read, max_len: u64) -> Result<Vec<u16>, IdxError> {
    Ok(hold_class_column(reader, max_len)?.0)
}

/// [`read_class_column`] with the memory that is reserved for the classes.
pub(in crate::data) fn hold_class_column(
    reader: impl Read,
    max_len: u64,
) -> Result<(Vec<u16>, Reservation<'static>), IdxError> {
    let ([count, columns], values, memory) =
        read(reader, max_len, INTEGER, ["labels", "columns"], LABEL_LEN)?;
    let (integers, _) = values.as_chunks::<4>();
    let mut classes = Vec::with_capacity(count);
    for (record, &value) in integers.iter().step_by(columns).enumerate() {
        let value = i32::from_be_bytes(value);
        classes.push(u16::try_from(value).map_err(|_| IdxFault::Class { record, value })?);
    }
    drop(values);
    Ok((classes, memory.keep(count as u64 * LABEL_LEN)))
}

/// [`read_images`] with the memory that is reserved for them.
pub(in crate::data) fn hold_images(
    reader: impl Read,
    max_len: u64,
) -> Result<(IdxImages, Reservation<'static>), IdxError> {
    let ([count, height, width], pixels, memory) =
        read(reader, max_len, UNSIGNED_BYTE, ["images", "height", "width"], 0)?;
    Ok((IdxImages { count, height, width, pixels }, memory))
}

/// Reads labels as [`read_labels`] does, widened, with the memory that is reserved for them.
pub(in crate::data) fn hold_labels(
    reader: impl Read,
    max_len: u64,
) -> Result<(Vec<u16>, Reservation<'static>), IdxError> {
    let ([count], labels, memory) = read(reader, max_len, UNSIGNED_BYTE, ["labels"], LABEL_LEN)?;
    let labels = labels.into_iter().map(u16::from).collect();
    Ok((labels, memory.keep(count as u64 * LABEL_LEN)))
}

/// The reason why no images or labels could be read.
pub type IdxError = ParseError<IdxFault>;

impl From<IdxFault> for IdxError {
    fn from(fault: IdxFault) -> Self {
        Self::Format(fault)
    }
}

/// What is wrong with the bytes of an IDX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum IdxFault {
    /// The file ends within its header.
    #[error("the {needed}-byte header is truncated after {actual} bytes; download the file again")]
    HeaderCutOff { actual: usize, needed: usize },

    /// The file has another format.
    #[error(
        "the magic number is {:#010x}, but an IDX file of {what} starts with {:#010x}; this file has another format",
        u32::from_be_bytes(*found), u32::from_be_bytes(*expected)
    )]
    Magic { found: [u8; 4], expected: [u8; 4], what: &'static str },

    /// The values have another type.
    #[error(
        "the type byte in the magic number is {found:#04x}; only {expected:#04x} ({}) is supported, so convert the values \
         to that type",
        if *expected == INTEGER { "32-bit integers" } else { "unsigned bytes" }
    )]
    Type { found: u8, expected: u8 },

    /// The rank does not fit the contents.
    #[error(
        "the rank byte in the magic number is {found}, but {what} have rank {expected}; \
         the files of images and labels may be swapped"
    )]
    Rank { found: u8, expected: u8, what: &'static str },

    /// A class in a table of labels is out of range.
    #[error("the class at record {record} (from 0) is {value}; classes are numbers from 0 to 65535")]
    Class { record: usize, value: i32 },

    /// A dimension is 0.
    #[error("the header field {field} is 0; a data set has at least one image of at least one pixel")]
    Zero { field: &'static str },

    /// The dimensions imply more than 4 GiB.
    #[error(
        "the header fields {dimensions} imply more than {MAX_VALUES} bytes of values; download the file again"
    )]
    TooLarge { dimensions: String },

    /// A side of the images is too long.
    #[error("the header fields are {dimensions}; at most {MAX_SIDE} pixels on a side are supported")]
    Side { dimensions: String },

    /// The file ends within its values.
    #[error(
        "the header fields {dimensions} imply {claimed} bytes of values, but the file has {bound}{actual}; \
         it is truncated, so download it again"
    )]
    ValuesCutOff { dimensions: String, claimed: u64, bound: &'static str, actual: u64 },

    /// The file continues after its values.
    #[error(
        "the file continues after the {claimed} bytes of values that the header fields {dimensions} imply; \
         download it again"
    )]
    Trailing { dimensions: String, claimed: u64 },
}

/// Reads a file whose rank is the number of `fields`, the names of its dimensions. The first name is that of the
/// file's contents. Returns the dimensions, the bytes of the values and the memory that is reserved: for the values, and
/// `extra` bytes for each image or label.
fn read<const RANK: usize>(
    mut reader: impl Read,
    max_len: u64,
    value_type: u8,
    fields: [&'static str; RANK],
    extra: u64,
) -> Result<([usize; RANK], Vec<u8>, Reservation<'static>), IdxError> {
    let header_len = 4 + 4 * RANK;
    let mut header = Vec::with_capacity(header_len);
    reader.by_ref().take(header_len as u64).read_to_end(&mut header)?;
    check_magic(&header, value_type, RANK as u8, fields[0])?;
    if header.len() < header_len {
        return Err(IdxFault::HeaderCutOff { actual: header.len(), needed: header_len }.into());
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
    let value_len = if value_type == INTEGER { 4 } else { 1 };
    let claimed = sizes
        .iter()
        .try_fold(value_len, |product: u64, &size| product.checked_mul(u64::from(size)))
        .filter(|&product| product <= MAX_VALUES && usize::try_from(product).is_ok())
        .ok_or_else(|| IdxFault::TooLarge { dimensions: dimensions() })?;
    let cut_off = |bound, actual| IdxFault::ValuesCutOff { dimensions: dimensions(), claimed, bound, actual };
    let most = max_len.saturating_sub(header_len as u64);
    if claimed > most {
        return Err(cut_off("at most ", most).into());
    }

    if RANK == 3 && sizes[1..].iter().any(|&side| side > MAX_SIDE) {
        return Err(IdxFault::Side { dimensions: dimensions() }.into());
    }

    let memory = memory::hold(claimed + extra * u64::from(sizes[0]))?;
    let mut values = Vec::new();
    while (values.len() as u64) < claimed {
        let room = grow(&mut values, claimed as usize) as u64;
        if (reader.by_ref().take(room).read_to_end(&mut values)? as u64) < room {
            return Err(cut_off("", values.len() as u64).into());
        }
    }
    // Requesting another byte detects trailing bytes and makes the gzip decoder verify its checksum.
    if io::copy(&mut reader.take(1), &mut io::sink())? > 0 {
        return Err(IdxFault::Trailing { dimensions: dimensions(), claimed }.into());
    }
    // No size is 0, so each is at most the product, which fits a usize.
    Ok((sizes.map(|size| size as usize), values, memory))
}

/// Checks the first four bytes of a file of this type and rank.
fn check_magic(header: &[u8], value_type: u8, rank: u8, what: &'static str) -> Result<(), IdxFault> {
    let expected = [0, 0, value_type, rank];
    let Some(&found) = header.first_chunk() else {
        return Err(IdxFault::HeaderCutOff { actual: header.len(), needed: 4 + 4 * usize::from(rank) });
    };
    match found {
        _ if found == expected => Ok(()),
        [0, 0, found, other] if found == value_type => {
            Err(IdxFault::Rank { found: other, expected: rank, what })
        }
        [0, 0, found, 1..=4] => Err(IdxFault::Type { found, expected: value_type }),
        _ => Err(IdxFault::Magic { found, expected, what }),
    }
}
