//! `.npz` archives: zip files with an `.npy` file for each array (`numpy.savez`), stored or deflated.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ErrorKind, FileReader, ZipArchive, ZipArchiveEntryWayfinder};

use super::ParseError;
use super::gzip::{self, MAX_EXPANSION};
use super::npy::NpyFault;
use crate::data::DataError;

/// The largest number of arrays in an archive.
const MAX_ARRAYS: usize = 1_000;

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum NpzFault {
    #[error(
        "the file is not an intact zip archive ({0}); download it again, or save it again with numpy.savez"
    )]
    Damaged(String),

    #[error("the archive contains more than {MAX_ARRAYS} arrays")]
    TooMany,

    #[error("the array {name} occurs twice; save it again with numpy.savez")]
    Twice { name: String },

    #[error("the array {name} is {how}; save it again with numpy.savez or numpy.savez_compressed")]
    Packed { name: String, how: &'static str },

    #[error("the array {missing} is missing; found {found}")]
    Missing { missing: &'static str, found: String },

    #[error("the array {name} cannot be used: {fault}")]
    Array { name: String, fault: NpyFault },
}

/// An archive whose arrays have not been read yet.
#[derive(Debug)]
pub struct NpzFile {
    path: PathBuf,
    archive: ZipArchive<FileReader>,
    arrays: Vec<Array>,
    /// An upper bound on what an array can be decompressed to.
    max_len: u64,
}

/// An array in an archive.
#[derive(Debug)]
pub struct Array {
    name: String,
    location: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    is_encrypted: bool,
}

impl NpzFile {
    /// Reads the table of contents.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let (file, length) = gzip::open(path)?;
        let zip = |error| invalid_zip(path, error);
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let archive = ZipArchive::from_file(file.into_inner(), &mut buffer).map_err(zip)?;
        let mut arrays: Vec<Array> = Vec::new();
        let mut entries = archive.entries(&mut buffer);
        while let Some(entry) = entries.next_entry().map_err(zip)? {
            let name = String::from_utf8_lossy(entry.file_path().as_bytes());
            let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else { continue };
            if arrays.iter().any(|known| known.name == name) {
                return Err(fault(path, NpzFault::Twice { name }));
            }
            if arrays.len() == MAX_ARRAYS {
                return Err(fault(path, NpzFault::TooMany));
            }
            let (location, method) = (entry.wayfinder(), entry.compression_method());
            arrays.push(Array { name, location, method, is_encrypted: entry.flags().is_encrypted() });
        }
        let max_len = length.saturating_mul(MAX_EXPANSION);
        Ok(Self { path: path.to_owned(), archive, arrays, max_len })
    }

    /// Whether there is an array of one of these names.
    pub fn contains(&self, names: &[&str]) -> bool {
        self.arrays.iter().any(|array| names.contains(&&*array.name))
    }

    /// The array of the first of these names that there is.
    pub fn find(&self, names: &[&'static str]) -> Result<&Array, DataError> {
        let found = names.iter().find_map(|name| self.arrays.iter().find(|array| array.name == *name));
        found.ok_or_else(|| {
            let found: Vec<_> = self.arrays.iter().map(|array| &array.name[..]).take(8).collect();
            let found = if found.is_empty() { "no arrays".to_owned() } else { found.join(", ") };
            fault(&self.path, NpzFault::Missing { missing: names[0], found })
        })
    }

    /// Parses an array with `parse`, whose second argument bounds the number of bytes.
    pub fn read<T>(
        &self,
        array: &Array,
        parse: impl FnOnce(&mut dyn Read, u64) -> Result<T, ParseError<NpyFault>>,
    ) -> Result<T, DataError> {
        let refused = |how| fault(&self.path, NpzFault::Packed { name: array.name.clone(), how });
        if array.is_encrypted {
            return Err(refused("encrypted"));
        }
        let entry = self.archive.get_entry(array.location).map_err(|error| invalid_zip(&self.path, error))?;
        let packed = io::BufReader::new(entry.reader());
        let unpacked: Box<dyn Read + '_> = match array.method {
            CompressionMethod::STORE => Box::new(packed),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(packed)),
            _ => return Err(refused("compressed by another method than deflate")),
        };
        let max_len = array.location.uncompressed_size_hint().min(self.max_len);
        parse(&mut entry.verifying_reader(unpacked), max_len).map_err(|error| match error {
            ParseError::Io(error) => fault(&self.path, NpzFault::Damaged(format!("{}: {error}", array.name))),
            ParseError::Format(inner) => {
                fault(&self.path, NpzFault::Array { name: array.name.clone(), fault: inner })
            }
            ParseError::Memory(source) => {
                DataError::Memory { what: format!("{}: {}", self.path.display(), array.name), source }
            }
        })
    }
}

impl Array {
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn fault(path: &Path, fault: NpzFault) -> DataError {
    DataError::Npz { file: path.display().to_string(), fault }
}

fn invalid_zip(path: &Path, error: rawzip::Error) -> DataError {
    match error.into_kind() {
        ErrorKind::IO(source) => DataError::Unreadable { file: path.display().to_string(), source },
        kind => fault(path, NpzFault::Damaged(kind.to_string())),
    }
}
