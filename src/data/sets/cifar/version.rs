//! The layouts of CIFAR-10 and CIFAR-100: the names of their files.

use std::path::Path;

use crate::data::folder_listing::FolderListing;
use crate::data::formats::cifar::CifarRecord;
use crate::data::sets::Subset;
use crate::data::{DataError, DatasetKind};

/// Which of the two layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Cifar10,
    Cifar100,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::Cifar10, Self::Cifar100];

    pub fn kind(self) -> DatasetKind {
        match self {
            Self::Cifar10 => DatasetKind::Cifar10,
            Self::Cifar100 => DatasetKind::Cifar100,
        }
    }

    /// The kind, if the layout states it. Other data sets have the layout of CIFAR-10.
    pub fn stated_kind(self) -> Option<DatasetKind> {
        Some(self.kind()).filter(|_| self == Self::Cifar100)
    }

    /// The official archive.
    pub fn archive(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar-10-binary.tar.gz",
            Self::Cifar100 => "cifar-100-binary.tar.gz",
        }
    }

    /// The folder in the archive.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar-10-batches-bin",
            Self::Cifar100 => "cifar-100-binary",
        }
    }

    /// The name of a subset's first file.
    pub fn first_file(self, subset: Subset) -> &'static str {
        match (self, subset) {
            (Self::Cifar10, Subset::Train) => "data_batch_1.bin",
            (Self::Cifar10, Subset::Test) => "test_batch.bin",
            (Self::Cifar100, Subset::Train) => "train.bin",
            (Self::Cifar100, Subset::Test) => "test.bin",
        }
    }

    /// The number of images in each official file of a subset.
    pub fn official_count(self, subset: Subset) -> usize {
        if (self, subset) == (Self::Cifar100, Subset::Train) { 50_000 } else { 10_000 }
    }

    /// The file with the names of the classes, one a line.
    pub fn names_file(self) -> &'static str {
        match self {
            Self::Cifar10 => "batches.meta.txt",
            Self::Cifar100 => "fine_label_names.txt",
        }
    }

    pub fn record(self) -> CifarRecord {
        match self {
            Self::Cifar10 => CifarRecord::Cifar10,
            Self::Cifar100 => CifarRecord::Cifar100,
        }
    }

    /// The number of a batch of this subset: N of `data_batch_N.bin`, 0 for the only batch of others. `None` for other
    /// names.
    pub fn batch_number(self, subset: Subset, name: &str) -> Option<u64> {
        if (self, subset) != (Self::Cifar10, Subset::Train) {
            return (name == self.first_file(subset)).then_some(0);
        }
        let digits = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    /// The archive of the version for Python, and the folder in it.
    fn python_names(self) -> [&'static str; 2] {
        match self {
            Self::Cifar10 => ["cifar-10-python.tar.gz", "cifar-10-batches-py"],
            Self::Cifar100 => ["cifar-100-python.tar.gz", "cifar-100-python"],
        }
    }

    /// Files of the version for Python.
    fn python_files(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10 => &["data_batch_1", "test_batch"],
            Self::Cifar100 => &["meta", "test", "train"],
        }
    }

    /// Whether these are the files of the version for Python.
    pub fn is_python(self, files: &FolderListing) -> bool {
        self.python_files().iter().all(|name| files.contains(name))
    }

    /// The error for the version for Python at this path, whose files are pickled.
    pub fn python_error(self, path: &Path) -> DataError {
        DataError::PythonVersion { path: path.to_owned(), kind: self.kind().name(), archive: self.archive() }
    }

    /// The error for a folder that contains the version for Python.
    pub fn find_python(self, listing: &FolderListing) -> Option<DataError> {
        if self.is_python(listing) {
            return Some(self.python_error(listing.folder()));
        }
        let name = self.python_names().into_iter().find(|name| listing.contains(name))?;
        Some(self.python_error(&listing.folder().join(name)))
    }
}

/// The files, for messages.
pub fn expected_files(version: Version) -> String {
    let [first, test] = [Subset::Train, Subset::Test].map(|subset| version.first_file(subset));
    let (set, and_so_on) = match version {
        Version::Cifar10 => ("CIFAR-10", " and so on"),
        Version::Cifar100 => ("CIFAR-100", ""),
    };
    format!(
        "{set}'s binary files {first}{and_so_on} and {test} (here or in {}), or the archive {}",
        version.folder(),
        version.archive()
    )
}
