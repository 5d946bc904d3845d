//! The binary format of CIFAR-10: records one after the other, each a byte for the label and then 1,024
//! bytes of red, 1,024 of green and 1,024 of blue, row by row (A. Krizhevsky, "The CIFAR-10 dataset").
//!
//! There is no header, so a file is sound where its length is a whole number of records. That is looked
//! at before memory is taken.

use std::io::{self, Read};

use super::ImageSet;

const CHANNELS: usize = 3;
const SIDE: usize = 32;

/// Bytes of one image.
const IMAGE_LEN: usize = CHANNELS * SIDE * SIDE;

/// Bytes of one record.
const RECORD_LEN: usize = 1 + IMAGE_LEN;

/// The most bytes that one file may have, 4 GiB: a bound on what is allocated where a file system claims
/// more than it holds, as it does for a sparse file.
const MAX_LEN: u64 = 1 << 32;

/// The most bytes that are allocated on the word of a length. A longer file grows the buffer as its
/// records come in.
const MAX_PREALLOCATED: usize = 64 << 20;

/// Why a reader gave no images.
#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    /// The bytes could not be read at all, or there were fewer than the length said.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] CifarFault),
}

/// What is wrong with a file of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CifarFault {
    #[error("the file is empty; it has at least one record of {RECORD_LEN} bytes")]
    Empty,

    #[error(
        "the file's {length} bytes are not a multiple of {RECORD_LEN}, a record's: after {whole} whole \
         records {rest} bytes are left; fetch it again"
    )]
    RecordCutOff { length: u64, whole: u64, rest: u64 },

    #[error("the file's {length} bytes are more than {MAX_LEN}; split it into several")]
    TooLarge { length: u64 },
}

/// A split for this format's images, 3×32×32, which has none yet.
pub fn no_images() -> ImageSet {
    ImageSet { channels: CHANNELS, height: SIDE, width: SIDE, pixels: Vec::new(), labels: Vec::new() }
}

/// Appends a file's images to those of `split`, which are of this format, and tells how many there were.
/// `length` is the file's in bytes. After an error the split may have some of the images.
///
/// # Panics
/// Where the images in `split` are not 3×32×32.
pub fn append_records(mut reader: impl Read, length: u64, split: &mut ImageSet) -> Result<usize, CifarError> {
    assert_eq!(split.image_len(), IMAGE_LEN, "images are appended to those of their own size");
    let records = records(length)?;
    let promised = records.min(MAX_PREALLOCATED / IMAGE_LEN);
    split.labels.reserve_exact(promised);
    split.pixels.reserve_exact(promised * IMAGE_LEN);
    let mut record = [0; RECORD_LEN];
    for _ in 0..records {
        reader.read_exact(&mut record)?;
        let [label, image @ ..] = &record;
        split.labels.push(u16::from(*label));
        split.pixels.extend_from_slice(image);
    }
    Ok(records)
}

/// The number of records in a file of so many bytes, at least one.
fn records(length: u64) -> Result<usize, CifarFault> {
    const LEN: u64 = RECORD_LEN as u64;
    match (length / LEN, length % LEN) {
        (0, 0) => Err(CifarFault::Empty),
        (whole, rest @ 1..) => Err(CifarFault::RecordCutOff { length, whole, rest }),
        _ if length > MAX_LEN => Err(CifarFault::TooLarge { length }),
        (whole, 0) => Ok(whole as usize), // MAX_LEN / LEN at most
    }
}
