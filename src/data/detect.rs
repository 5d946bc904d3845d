//! Detection of the data set in a folder by the names of its files.

use std::path::Path;

use super::folder_listing::FolderListing;
use super::loaded::Loaded;
use super::sets::Subset;
use super::sets::cifar10::{self, BatchFiles};
use super::sets::image_folder::{self, ImageFolder};
use super::sets::mnist::{self, IdxFiles};
use super::{DataError, DatasetKind};

/// One kind per file layout, in the order in which they are tried if no kind was requested.
const LAYOUTS: [DatasetKind; 3] = [DatasetKind::Mnist, DatasetKind::Cifar10, DatasetKind::Folder];

/// A data set of known kind and location. Nothing has been read yet.
#[derive(Debug)]
pub enum DetectedDataset {
    /// Files that contain many images each.
    PackedFiles(PackedFiles),
    /// One file per image.
    ImageFolder(ImageFolder),
}

/// A data set whose files contain many images each.
#[derive(Debug)]
pub struct PackedFiles {
    kind: DatasetKind,
    /// The kind if it was requested: other data sets have the same layout.
    named: Option<DatasetKind>,
    location: Location,
}

#[derive(Debug)]
enum Location {
    Mnist(FolderListing),
    Cifar10(cifar10::Location),
}

/// The files of one subset.
#[derive(Debug)]
pub struct SubsetFiles {
    /// The kind whose classes the labels must be.
    named: Option<DatasetKind>,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Mnist(IdxFiles),
    Cifar10(BatchFiles),
}

/// Detects the data set in a folder, or in CIFAR-10's archive. Only `requested` is looked for if given.
pub fn detect(path: &Path, requested: Option<DatasetKind>) -> Result<DetectedDataset, DataError> {
    if cifar10::is_archive(path) && requested.is_none_or(|kind| kind == DatasetKind::Cifar10) {
        let location = Location::Cifar10(cifar10::Location::Archive(path.to_owned()));
        let found = PackedFiles { kind: DatasetKind::Cifar10, named: requested, location };
        return Ok(DetectedDataset::PackedFiles(found));
    }
    let listing = FolderListing::read(path)?;
    let kinds = requested.as_ref().map_or(&LAYOUTS[..], std::slice::from_ref);
    for &kind in kinds {
        if let Some(found) = detect_kind(kind, requested, &listing)? {
            return Ok(found);
        }
    }
    let looked_for: Vec<_> = kinds.iter().map(|&kind| expected_files(kind)).collect();
    Err(DataError::NotRecognised {
        path: path.to_owned(),
        looked_for: looked_for.join("; or "),
        found: listing.to_string(),
    })
}

/// Whether a folder contains the training and the test files of a downloaded data set.
pub fn is_complete(kind: DatasetKind, folder: &Path) -> bool {
    let detected = detect(folder, Some(kind));
    matches!(
        detected,
        Ok(DetectedDataset::PackedFiles(found))
            if found.files(Subset::Train).and(found.files(Subset::Test)).is_ok()
    )
}

/// Finds a data set of one kind. One file of it is enough; [`PackedFiles::files`] reports missing ones.
fn detect_kind(
    kind: DatasetKind,
    named: Option<DatasetKind>,
    listing: &FolderListing,
) -> Result<Option<DetectedDataset>, DataError> {
    let location = match kind {
        DatasetKind::Mnist | DatasetKind::FashionMnist => {
            mnist::has_any_file(listing).then(|| Location::Mnist(listing.clone()))
        }
        DatasetKind::Cifar10 => cifar10::locate(listing)?.map(Location::Cifar10),
        DatasetKind::Folder => return Ok(image_folder::locate(listing)?.map(DetectedDataset::ImageFolder)),
    };
    Ok(location.map(|location| DetectedDataset::PackedFiles(PackedFiles { kind, named, location })))
}

/// The files of a kind, for messages.
fn expected_files(kind: DatasetKind) -> String {
    match kind {
        DatasetKind::Mnist | DatasetKind::FashionMnist => mnist::expected_files(),
        DatasetKind::Cifar10 => cifar10::expected_files(),
        DatasetKind::Folder => image_folder::expected_files(),
    }
}

impl PackedFiles {
    /// The files of a subset.
    ///
    /// # Errors
    /// [`DataError::Incomplete`].
    pub fn files(&self, subset: Subset) -> Result<SubsetFiles, DataError> {
        let kind = self.kind.name();
        let files = match &self.location {
            Location::Mnist(listing) => Files::Mnist(IdxFiles::find(listing, subset, kind)?),
            Location::Cifar10(location) => Files::Cifar10(location.files(subset, kind)?),
        };
        Ok(SubsetFiles { named: self.named, files })
    }
}

impl SubsetFiles {
    /// Reads the images as stored, with their labels.
    pub fn read(&self) -> Result<Loaded, DataError> {
        match &self.files {
            Files::Mnist(files) => files.read(self.named),
            Files::Cifar10(files) => files.read(self.named),
        }
    }
}
