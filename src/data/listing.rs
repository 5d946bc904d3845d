//! What lies in a folder, looked at once: its layout tells which data set it is.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::DataError;

/// The names in a folder, or in an archive, sorted.
#[derive(Debug, Clone)]
pub struct Listing {
    folder: PathBuf,
    names: Vec<String>,
}

impl Listing {
    pub fn of(folder: &Path) -> Result<Self, DataError> {
        let path = || folder.to_owned();
        let unreadable = |source| DataError::Folder { path: path(), source };
        let entries = fs::read_dir(folder).map_err(|source| match source.kind() {
            ErrorKind::NotADirectory => DataError::NotAFolder { path: path() },
            _ => unreadable(source),
        })?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
        }
        Ok(Self::new(folder, names))
    }

    pub fn new(folder: &Path, mut names: Vec<String>) -> Self {
        names.sort_unstable();
        Self { folder: folder.to_owned(), names }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The path of the first of these names that lies here.
    pub fn first_of(&self, candidates: impl IntoIterator<Item = String>) -> Option<PathBuf> {
        let name = candidates.into_iter().find(|candidate| self.names.binary_search(candidate).is_ok())?;
        Some(self.folder.join(name))
    }

    /// That a data set of this kind lies here without this file.
    pub fn lacks(&self, kind: &'static str, missing: impl Into<String>) -> DataError {
        let (path, missing, found) = (self.folder.clone(), missing.into(), self.to_string());
        DataError::Incomplete { path, kind, missing, found }
    }
}

/// For messages: the first names.
impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        match self.names.len() {
            0 => f.write_str("nothing"),
            count if count <= SHOWN => f.write_str(&self.names.join(", ")),
            count => write!(f, "{} and {} more", self.names[..SHOWN].join(", "), count - SHOWN),
        }
    }
}
