//! CIFAR-10, CIFAR-100 and data sets in the same layouts: batches of training images and one of test images, as in the
//! official archives of the binary versions (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009),
//! or those archives themselves.

mod read;
mod version;

use std::path::{Path, PathBuf};

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::loaded::Loaded;
use crate::data::{DataError, DatasetKind};
pub use version::{Version, expected_files};

/// The location of the batches.
#[derive(Debug, Clone)]
pub enum Location {
    Folder(FolderListing),
    Archive(PathBuf),
}

/// The files of a subset.
#[derive(Debug, Clone)]
pub enum BatchFiles {
    /// At least one file, in the order of the images.
    Folder { paths: Vec<PathBuf>, batch: Batch },
    /// The subset's batches in an archive, unknown until it is read.
    Archive { path: PathBuf, batch: Batch },
}

/// The layout and the subset of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    version: Version,
    subset: Subset,
}

impl Batch {
    /// The number of the batch with this name; `None` for other names.
    fn number(self, name: &str) -> Option<u64> {
        self.version.batch_number(self.subset, name)
    }
}

/// Finds any of the files: in this folder, in the folder that the archive unpacks to, or in the archive.
pub fn locate(listing: &FolderListing, version: Version) -> Result<Option<Location>, DataError> {
    if has_any_file(listing, version) {
        return Ok(Some(Location::Folder(listing.clone())));
    }
    if let Some(folder) = listing.find_first([version.folder().to_owned()]) {
        let unpacked = FolderListing::read(&folder)?;
        if has_any_file(&unpacked, version) {
            return Ok(Some(Location::Folder(unpacked)));
        }
    }
    Ok(listing.find_first([version.archive().to_owned()]).map(Location::Archive))
}

/// The version in an archive: the requested one, or by its name. `None` if the path does not name an archive of it.
pub fn archive_version(path: &Path, requested: Option<DatasetKind>) -> Option<Version> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_archive = (name.ends_with(".tar.gz") || name.ends_with(".tgz")) && !path.is_dir();
    let version = match requested {
        Some(kind) => Version::ALL.into_iter().find(|version| version.kind() == kind)?,
        None if name.contains("100") => Version::Cifar100,
        None => Version::Cifar10,
    };
    is_archive.then_some(version)
}

fn has_any_file(listing: &FolderListing, version: Version) -> bool {
    listing.names().any(|name| {
        let number = |subset| version.batch_number(subset, name);
        number(Subset::Train).or(number(Subset::Test)).is_some()
    })
}

impl Location {
    /// The files of a subset. The number of training batches of CIFAR-10 is not fixed. An archive's contents are checked
    /// when it is read.
    pub fn files(&self, version: Version, subset: Subset) -> Result<BatchFiles, DataError> {
        let batch = Batch { version, subset };
        let listing = match self {
            Self::Folder(listing) => listing,
            Self::Archive(path) => return Ok(BatchFiles::Archive { path: path.clone(), batch }),
        };
        let numbered = listing.names().filter_map(|name| Some((batch.number(name)?, name)));
        let mut numbered: Vec<_> = numbered.collect();
        numbered.sort_unstable();
        if numbered.is_empty() {
            return Err(listing.incomplete(version.kind().name(), version.first_file(subset)));
        }
        read::warn_of_gap(subset, numbered.iter().map(|&(number, _)| number));
        let paths = numbered.iter().map(|(_, name)| listing.folder().join(name)).collect();
        Ok(BatchFiles::Folder { paths, batch })
    }
}

impl BatchFiles {
    /// Reads N images of three channels with their labels, in the order of the batches. The labels must be classes of
    /// `named`.
    pub fn read(&self, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
        match self {
            Self::Folder { paths, batch } => read::read_files(paths, *batch, named),
            Self::Archive { path, batch } => read::read_archive(path, *batch, named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_batches_are_recognised_by_name() {
        let batch_number = |name| Version::Cifar10.batch_number(Subset::Train, name);
        assert_eq!(batch_number("data_batch_1.bin"), Some(1));
        assert_eq!(batch_number("data_batch_12.bin"), Some(12));
        for other in
            ["test_batch.bin", "data_batch_.bin", "data_batch_+1.bin", "data_batch_1.bin.gz", "data_batch_1"]
        {
            assert_eq!(batch_number(other), None, "{other}");
        }
    }
}
