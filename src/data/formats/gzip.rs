//! Data files that may be compressed with gzip.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::ParseError;
use crate::data::DataError;
use crate::files::open_regular;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The largest expansion of a byte of DEFLATE (zlib's technical notes, "maximum compression factor"). A header that
/// claims more is rejected before anything is decompressed.
pub const MAX_EXPANSION: u64 = 1032;

const BUFFER_LEN: usize = 256 << 10;

/// Opens a regular file without decompressing it. Returns its length as well.
pub fn open(path: &Path) -> Result<(BufReader<File>, u64), DataError> {
    let name = || path.display().to_string();
    let opened = open_regular(path).map_err(|source| DataError::Unreadable { file: name(), source })?;
    let (file, length) = opened.ok_or_else(|| DataError::NotAFile { file: name() })?;
    Ok((BufReader::with_capacity(BUFFER_LEN, file), length))
}

/// Parses a file with `parse`, whose second argument bounds the number of uncompressed bytes. The file is decompressed if
/// it starts like gzip, whatever its name. `invalid` makes an error of the file's name and what is wrong with its format.
pub fn read<T, F: Error + 'static>(
    path: &Path,
    parse: impl FnOnce(&mut dyn BufRead, u64) -> Result<T, ParseError<F>>,
    invalid: impl FnOnce(String, F) -> DataError,
) -> Result<T, DataError> {
    let (mut packed, length) = open(path)?;
    let file = || path.display().to_string();
    let start = packed.fill_buf().map_err(|source| DataError::Unreadable { file: file(), source })?;
    let is_packed = start.starts_with(&GZIP_MAGIC);
    let parsed = if is_packed {
        let mut unpacked = BufReader::with_capacity(BUFFER_LEN, MultiGzDecoder::new(packed));
        parse(&mut unpacked, length.saturating_mul(MAX_EXPANSION))
    } else {
        parse(&mut packed, length)
    };
    parsed.map_err(|error| match error {
        ParseError::Io(source) if is_packed => DataError::Gzip { file: file(), source },
        ParseError::Io(source) => DataError::Unreadable { file: file(), source },
        ParseError::Format(fault) => invalid(file(), fault),
        ParseError::Memory(source) => DataError::Memory { what: file(), source },
    })
}
