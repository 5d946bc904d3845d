//! Data sets in an `.npz` archive: Keras's `mnist.npz`, and others with arrays of the same names or of MedMNIST's.

use std::path::{Path, PathBuf};

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::formats::npy;
use crate::data::formats::npz::NpzFile;
use crate::data::loaded::{Loaded, bytes_of};
use crate::data::{DataError, DatasetKind, ImageSet, labels};

/// Whether a path names an archive.
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// The archives in a folder.
pub fn locate(listing: &FolderListing) -> Vec<PathBuf> {
    let visible = |name: &str| !name.starts_with('.') && is_archive(Path::new(name));
    listing.files(visible).map(|(_, path)| path).collect()
}

/// The names of the arrays of images and labels, Keras's first.
fn array_names(subset: Subset) -> [&'static [&'static str]; 2] {
    match subset {
        Subset::Train => [&["x_train", "train_images"], &["y_train", "train_labels"]],
        Subset::Test => [&["x_test", "test_images"], &["y_test", "test_labels"]],
    }
}

/// Reads N images with their labels, which must be those of `named`.
pub fn read(path: &Path, subset: Subset, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let file = NpzFile::open(path)?;
    let [images_names, labels_names] = array_names(subset);
    let (images_array, labels_array) = (file.find(images_names)?, file.find(labels_names)?);
    let name = |array: &str| format!("{}: {array}", path.display());
    let (images, mut memory) = file.read(images_array, |bytes, len| Ok(npy::hold_images(bytes, len)?))?;
    let (labels, of_labels) = file.read(labels_array, |bytes, len| Ok(npy::hold_labels(bytes, len)?))?;
    if images.count != labels.len() {
        return Err(DataError::CountsDiffer {
            images_file: name(images_array.name()),
            images: images.count,
            labels_file: name(labels_array.name()),
            labels: labels.len(),
        });
    }
    memory.merge(of_labels);
    let images = ImageSet { labels, ..images.without_labels() };
    debug_assert_eq!(memory.bytes(), bytes_of(&images));
    labels::check(&images.labels, named, || name(labels_array.name()))?;
    Ok(Loaded { images, memory: Some(memory) })
}

/// The files, for messages.
pub fn expected_files() -> String {
    "an .npz archive with x_train, y_train, x_test and y_test".to_owned()
}
