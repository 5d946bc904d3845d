//! What this program stores outside of runs: compiled kernels and downloaded data sets.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::environment::Home;
use crate::cache;
use crate::cli::engine::PIPELINES;
use crate::cli::tune::TUNED;
use crate::data::DatasetKind;
use crate::data::download::{self, PublishedSet};

/// The cache folder.
#[derive(Debug, Serialize)]
pub struct Cache {
    /// `None` if the system has none.
    pub folder: Option<String>,
    /// Whether its path exists but is not a folder.
    pub is_obstructed: bool,
    /// Compiled kernels: files and bytes.
    pub pipelines: Files,
    /// Whether the current folder has a kernel configuration, as `tune` writes it.
    pub tuned: bool,
}

/// Files of a folder, without those in its subfolders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Files {
    pub files: usize,
    pub bytes: u64,
}

/// A data set that `--dataset` can name without `--data-dir`.
#[derive(Debug, Serialize)]
pub struct StoredDataset {
    pub name: &'static str,
    /// Where it is: `built in`, a folder, or `None` if it has not been downloaded.
    pub location: Option<String>,
    /// Bytes that it takes; if it has not been downloaded, bytes of the download.
    pub bytes: u64,
}

impl Cache {
    pub fn find(home: &Home) -> Self {
        let folder = cache::folder();
        let is_obstructed = folder.as_deref().is_some_and(|folder| folder.exists() && !folder.is_dir());
        let pipelines = folder.as_ref().map(|folder| Files::of(&folder.join(PIPELINES)));
        Self {
            folder: folder.map(|folder| home.show(&folder)),
            is_obstructed,
            pipelines: pipelines.unwrap_or_default(),
            tuned: Path::new(TUNED).is_file(),
        }
    }
}

impl Files {
    /// Those of a folder; none if it cannot be read.
    fn of(folder: &Path) -> Self {
        let Ok(entries) = fs::read_dir(folder) else { return Self::default() };
        let lengths = entries.flatten().filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then_some(metadata.len())
        });
        lengths.fold(Self::default(), |all, bytes| Self { files: all.files + 1, bytes: all.bytes + bytes })
    }
}

impl StoredDataset {
    pub fn all(home: &Home) -> Vec<Self> {
        DatasetKind::ALL.into_iter().filter_map(|kind| Self::of(kind, home)).collect()
    }

    fn of(kind: DatasetKind, home: &Home) -> Option<Self> {
        let published = PublishedSet::of(kind)?;
        let name = kind.name();
        if kind == DatasetKind::Mnist {
            return Some(Self { name, location: Some(BUILT_IN.to_owned()), bytes: 0 });
        }
        Some(match download::downloaded(kind) {
            Some(folder) => {
                Self { name, location: Some(home.show(&folder)), bytes: Files::of(&folder).bytes }
            }
            None => Self { name, location: None, bytes: published.length() },
        })
    }
}

/// The location of MNIST.
pub const BUILT_IN: &str = "built in";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_are_counted_without_its_subfolders() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::write(folder.path().join("b"), [0; 5]).unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("c").join("d"), [0; 3]).unwrap();
        assert_eq!(Files::of(folder.path()), Files { files: 2, bytes: 15 });
        assert_eq!(Files::of(&folder.path().join("none")), Files::default());
    }
}
