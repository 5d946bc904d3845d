//! Data files that may be compressed with gzip.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::idx::IdxError;
use crate::data::DataError;
use crate::files::open_regular;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The largest expansion of a byte of DEFLATE (zlib's technical notes, "maximum compression factor"). A header that
/// claims more is rejected before anything is decompressed.
const MAX_EXPANSION: u64 = 1032;

const BUFFER_LEN: usize = 256 << 10;

/// Opens a regular file without decompressing it. Returns its length as well.
pub fn open(path: &Path) -> Result<(BufReader<File>, u64), DataError> {
    let name = || path.display().to_string();
    let opened = open_regular(path).map_err(|source| DataError::Unreadable { file: name(), source })?;
    let (file, length) = opened.ok_or_else(|| DataError::NotAFile { file: name() })?;
    Ok((BufReader::with_capacity(BUFFER_LEN, file), length))
}

/// A parser of an IDX file's uncompressed bytes; the second argument bounds their number.
type Parse<'a, T> = dyn Fn(&mut dyn BufRead, u64) -> Result<T, IdxError> + 'a;

/// Parses an IDX file. It is decompressed if it starts like gzip, whatever its name.
pub fn read<T>(path: &Path, parse: &Parse<T>) -> Result<T, DataError> {
    let (mut packed, length) = open(path)?;
    let file = || path.display().to_string();
    let start = packed.fill_buf().map_err(|source| DataError::Unreadable { file: file(), source })?;
    if start.starts_with(&GZIP_MAGIC) {
        let mut unpacked = BufReader::new(MultiGzDecoder::new(packed));
        parse(&mut unpacked, length.saturating_mul(MAX_EXPANSION)).map_err(|error| match error {
            IdxError::Io(source) => DataError::Gzip { file: file(), source },
            IdxError::Format(fault) => DataError::Idx { file: file(), fault },
            IdxError::Memory(source) => DataError::Memory { what: file(), source },
        })
    } else {
        parse(&mut packed, length).map_err(|error| match error {
            IdxError::Io(source) => DataError::Unreadable { file: file(), source },
            IdxError::Format(fault) => DataError::Idx { file: file(), fault },
            IdxError::Memory(source) => DataError::Memory { what: file(), source },
        })
    }
}
