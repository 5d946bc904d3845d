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

/// The archives in a folder that contain arrays of images or labels, or that cannot be read, which is reported later.
pub fn locate(listing: &FolderListing) -> Vec<PathBuf> {
    let visible = |name: &str| !name.starts_with('.') && is_archive(Path::new(name));
    let known = [ArrayNames::of(Subset::Train), ArrayNames::of(Subset::Test)];
    let is_data_set = |path: &PathBuf| {
        let has_any = |file: NpzFile| {
            known.iter().any(|names| file.contains(names.images) || file.contains(names.labels))
        };
        NpzFile::open(path).map_or(true, has_any)
    };
    listing.files(visible).map(|(_, path)| path).filter(is_data_set).collect()
}

/// The names that arrays of images and of labels may have, Keras's first.
#[derive(Debug, Clone, Copy)]
pub struct ArrayNames {
    images: &'static [&'static str],
    labels: &'static [&'static str],
}

impl ArrayNames {
    /// MedMNIST's arrays of validation images.
    const VALIDATION: Self = Self { images: &["val_images"], labels: &["val_labels"] };

    /// The names for a subset.
    pub fn of(subset: Subset) -> Self {
        match subset {
            Subset::Train => {
                Self { images: &["x_train", "train_images"], labels: &["y_train", "train_labels"] }
            }
            Subset::Test => Self { images: &["x_test", "test_images"], labels: &["y_test", "test_labels"] },
        }
    }

    /// Those of the validation images, if an archive contains any.
    pub fn of_validation(path: &Path) -> Result<Option<Self>, DataError> {
        let has_images = NpzFile::open(path)?.contains(Self::VALIDATION.images);
        Ok(has_images.then_some(Self::VALIDATION))
    }
}

/// Reads N images with their labels, which must be those of `named`.
pub fn read(path: &Path, names: ArrayNames, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let file = NpzFile::open(path)?;
    let ArrayNames { images: images_names, labels: labels_names } = names;
    let (images_array, labels_array) = (file.find(images_names)?, file.find(labels_names)?);
    let name = |array: &str| format!("{}: {array}", path.display());
    let (images, mut memory) = file.read(images_array, |bytes, len| npy::hold_images(bytes, len))?;
    let (labels, of_labels) = file.read(labels_array, |bytes, len| npy::hold_labels(bytes, len))?;
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
