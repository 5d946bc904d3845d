//! The names in a folder, read once; detection compares them with the names of each data set's files.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::DataError;

/// The names in a folder or in an archive, sorted.
#[derive(Debug, Clone)]
pub struct FolderListing {
    folder: PathBuf,
    names: Vec<String>,
}

impl FolderListing {
    /// Lists a folder.
    pub fn read(folder: &Path) -> Result<Self, DataError> {
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

    /// The path of the first candidate that exists in the folder.
    pub fn find_first(&self, candidates: impl IntoIterator<Item = String>) -> Option<PathBuf> {
        let name = candidates.into_iter().find(|candidate| self.names.binary_search(candidate).is_ok())?;
        Some(self.folder.join(name))
    }

    /// The error for a data set of this kind without the file `missing`.
    pub fn incomplete(&self, kind: &'static str, missing: impl Into<String>) -> DataError {
        let (path, missing, found) = (self.folder.clone(), missing.into(), self.to_string());
        DataError::Incomplete { path, kind, missing, found }
    }
}

/// Formats the first names for messages.
impl fmt::Display for FolderListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        match self.names.len() {
            0 => f.write_str("nothing"),
            count if count <= SHOWN => f.write_str(&self.names.join(", ")),
            count => write!(f, "{} and {} more", self.names[..SHOWN].join(", "), count - SHOWN),
        }
    }
}
