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

    /// Whether the folder contains something of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// The paths of the files with these names. Links and special files count as files.
    pub fn files(&self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, PathBuf)> {
        let wanted = self.names().filter(move |name| is_wanted(name));
        wanted.map(|name| (name, self.folder.join(name))).filter(|(_, path)| !path.is_dir())
    }

    /// The path of the first candidate that is a file in the folder. If there is none: of the first candidate in a folder
    /// that has the name of a candidate, as archives are unpacked by some programs; or else of that folder.
    pub fn find_first(&self, candidates: impl IntoIterator<Item = String>) -> Option<PathBuf> {
        let candidates: Vec<String> = candidates.into_iter().filter(|name| !name.is_empty()).collect();
        let (folders, files): (Vec<_>, Vec<_>) = candidates
            .iter()
            .filter(|name| self.contains(name))
            .map(|name| self.folder.join(name))
            .partition(|path| path.is_dir());
        let nested = || {
            let inside = folders.iter().flat_map(|folder| candidates.iter().map(|name| folder.join(name)));
            inside.into_iter().find(|path| path.is_file())
        };
        files.into_iter().next().or_else(nested).or_else(|| folders.first().cloned())
    }

    /// The folders in the folder that may contain data sets, with what they contain. Folders that cannot be read are left
    /// out.
    pub fn subfolders(&self) -> impl Iterator<Item = Self> {
        let visible = self.names().filter(|name| !name.starts_with('.') && *name != "__MACOSX");
        let folders = visible.map(|name| self.folder.join(name)).filter(|path| path.is_dir());
        folders.filter_map(|folder| Self::read(&folder).ok())
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
