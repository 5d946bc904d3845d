//! Where one data file's bytes come from: a path or the binary itself, packed with gzip or not.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::DataError;
use super::idx::IdxError;
use crate::files::open_regular;

/// What a gzip file starts with (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// No byte of DEFLATE unpacks to more than this many (zlib's technical notes, "maximum compression
/// factor"), so a header that claims more is refused before anything is unpacked.
const MAX_EXPANSION: u64 = 1032;

/// Read at a time from a file.
const BUFFER: usize = 256 << 10;

/// One data file.
#[derive(Debug, Clone)]
pub enum Source {
    Path(PathBuf),
    BuiltIn { name: &'static str, bytes: &'static [u8] },
}

/// A regular file's bytes as they stand, and how many there are.
pub fn open(path: &Path) -> Result<(BufReader<File>, u64), DataError> {
    let name = || path.display().to_string();
    let opened = open_regular(path).map_err(|source| DataError::Unreadable { file: name(), source })?;
    let (file, length) = opened.ok_or_else(|| DataError::NotAFile { file: name() })?;
    Ok((BufReader::with_capacity(BUFFER, file), length))
}

/// What reads a data file: it gets the unpacked bytes and the most of them that there can be.
type Parse<'a, T> = dyn Fn(&mut dyn BufRead, u64) -> Result<T, IdxError> + 'a;

impl Source {
    /// Has `parse` read the file's bytes, unpacked where they begin as gzip does, whatever its name.
    pub fn read<T>(&self, parse: &Parse<T>) -> Result<T, DataError> {
        match self {
            Self::Path(path) => {
                let (packed, length) = open(path)?;
                self.unpack(packed, length, parse)
            }
            Self::BuiltIn { bytes, .. } => self.unpack(*bytes, bytes.len() as u64, parse),
        }
    }

    fn unpack<T>(&self, mut packed: impl BufRead, length: u64, parse: &Parse<T>) -> Result<T, DataError> {
        let file = || self.to_string();
        let start = packed.fill_buf().map_err(|source| DataError::Unreadable { file: file(), source })?;
        if start.starts_with(&GZIP_MAGIC) {
            let mut unpacked = BufReader::new(MultiGzDecoder::new(packed));
            parse(&mut unpacked, length.saturating_mul(MAX_EXPANSION)).map_err(|error| match error {
                IdxError::Io(source) => DataError::Gzip { file: file(), source },
                IdxError::Format(fault) => DataError::Idx { file: file(), fault },
            })
        } else {
            parse(&mut packed, length).map_err(|error| match error {
                IdxError::Io(source) => DataError::Unreadable { file: file(), source },
                IdxError::Format(fault) => DataError::Idx { file: file(), fault },
            })
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::BuiltIn { name, .. } => write!(f, "{name} (built in)"),
        }
    }
}
