//! The binary formats of CIFAR-10 and CIFAR-100: records of a label byte, or of a byte for the coarse and one for the
//! fine label, then 1,024 bytes of red, 1,024 of green and 1,024 of blue, row by row (A. Krizhevsky, "The CIFAR-10
//! dataset").
//!
//! There is no header, so a file is valid if its length is a multiple of the record length. This is checked before
//! memory is allocated.

use std::io::{self, Read};

use super::grow;
use crate::data::ImageSet;

const CHANNELS: usize = 3;
const SIDE: usize = 32;

/// The length of one image in bytes.
pub(in crate::data) const IMAGE_LEN: usize = CHANNELS * SIDE * SIDE;

/// The records of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CifarRecord {
    /// A label, then the image.
    Cifar10,
    /// A coarse label, which is not used, a fine label, then the image.
    Cifar100,
}

impl CifarRecord {
    /// The number of bytes before the image; the last one is the class.
    const fn label_bytes(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }

    /// The length of one record in bytes.
    pub const fn length(self) -> usize {
        self.label_bytes() + IMAGE_LEN
    }
}

/// The largest file in bytes, 4 GiB: a bound on allocations if a file system reports more than it stores, as it does
/// for sparse files.
const MAX_LEN: u64 = 1 << 32;

/// The reason why no images could be read.
#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    /// The reader failed, or ended before the given length.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not a valid file.
    #[error(transparent)]
    Format(#[from] CifarFault),
}

/// What is wrong with a file of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum CifarFault {
    /// The file has no bytes.
    #[error("the file is empty; it needs at least one record of {record} bytes")]
    Empty { record: u64 },

    /// The file ends within a record.
    #[error(
        "the file has {length} bytes, not a multiple of the record length {record}: {rest} bytes are left over after \
         {whole} records; download it again"
    )]
    RecordCutOff { length: u64, record: u64, whole: u64, rest: u64 },

    /// The file is larger than 4 GiB.
    #[error("the file has {length} bytes; at most {MAX_LEN} are supported, so split it into several files")]
    TooLarge { length: u64 },
}

/// An empty set of images of this format, 3×32×32.
pub fn no_images() -> ImageSet {
    ImageSet { channels: CHANNELS, height: SIDE, width: SIDE, pixels: Vec::new(), labels: Vec::new() }
}

/// Appends a file's images to `images`, with their classes, and returns their number. `length` is the length of the file in bytes. After an
/// error, some of the images may have been appended.
///
/// # Panics
/// If `images` are not 3×32×32.
pub fn append_records(
    format: CifarRecord,
    mut reader: impl Read,
    length: u64,
    images: &mut ImageSet,
) -> Result<usize, CifarError> {
    assert_eq!(images.image_len(), IMAGE_LEN, "the set has images of another size");
    let records = record_count(format, length)?;
    let total = images.pixels.len() + records * IMAGE_LEN;
    let mut record = vec![0; format.length()];
    for _ in 0..records {
        reader.read_exact(&mut record)?;
        if images.pixels.capacity() - images.pixels.len() < IMAGE_LEN {
            grow(&mut images.pixels, total);
        }
        let (labels, image) = record.split_at(format.label_bytes());
        images.labels.push(u16::from(labels[labels.len() - 1]));
        images.pixels.extend_from_slice(image);
    }
    Ok(records)
}

/// The number of records in a file of `length` bytes, at least one.
pub(in crate::data) fn record_count(format: CifarRecord, length: u64) -> Result<usize, CifarFault> {
    let record = format.length() as u64;
    match (length / record, length % record) {
        (0, 0) => Err(CifarFault::Empty { record }),
        (whole, rest @ 1..) => Err(CifarFault::RecordCutOff { length, record, whole, rest }),
        _ if length > MAX_LEN => Err(CifarFault::TooLarge { length }),
        (whole, 0) => Ok(whole as usize), // at most MAX_LEN / record
    }
}
