//! Opening the data set in a folder.

use std::path::Path;

use super::detect::{DetectedDataset, detect};
use super::sets::image_folder::{ImageFolder, ReadOptions, UnsplitFolder};
use super::sets::{Subset, embedded_mnist};
use super::{Conversion, DataError, Dataset, DatasetKind, ImageSet, TestSet};

/// How to open a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// The kind of data set that the folder must contain; detected from its files if `None`.
    pub kind: Option<DatasetKind>,
    /// How images are converted.
    pub conversion: Conversion,
    /// Whether to skip image files that cannot be read, with a warning, instead of failing.
    pub skip_bad_images: bool,
}

/// The contents of a folder.
#[derive(Debug, Clone)]
pub enum OpenedDataset {
    /// Training and test images.
    Split(Dataset),
    /// A folder of images without a split into training and test images; nothing has been read yet.
    Unsplit(UnsplitFolder),
}

impl OpenOptions {
    /// Opens the data set in a folder, or in CIFAR-10's `.tar.gz`, and reads its images.
    ///
    /// # Errors
    /// If no data set is found, files are missing or invalid, a label is not a class of the requested kind, images cannot
    /// be converted, or all of this takes more memory than the budget allows ([`crate::memory`]).
    pub fn open(&self, folder: &Path) -> Result<OpenedDataset, DataError> {
        let found = match detect(folder, self.kind)? {
            DetectedDataset::PackedFiles(found) => found,
            DetectedDataset::ImageFolder(ImageFolder::Split(found)) => {
                return found.read(self.read_options()).map(OpenedDataset::Split);
            }
            DetectedDataset::ImageFolder(ImageFolder::Unsplit(folder)) => {
                return Ok(OpenedDataset::Unsplit(UnsplitFolder { folder, options: self.read_options() }));
            }
        };
        // Both are located before either is read, so that a missing file is reported at once.
        let (train, test) = (found.files(Subset::Train)?, found.files(Subset::Test)?);
        let (train, test) = rayon::join(|| train.read(), || test.read());
        let data = Dataset::from_loaded(folder.display().to_string(), train?, test?, self.conversion)?;
        Ok(OpenedDataset::Split(Dataset { class_names: self.class_names(data.classes), ..data }))
    }

    /// Opens the test images alone. The folder need not contain training images; if a folder of images has no
    /// split, all of its images are test images.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_test(&self, folder: &Path) -> Result<TestSet, DataError> {
        let images = match detect(folder, self.kind)? {
            DetectedDataset::PackedFiles(found) => {
                found.files(Subset::Test)?.read()?.convert(self.conversion)?.images
            }
            DetectedDataset::ImageFolder(found) => return found.read_test(self.read_options()),
        };
        let class_names = self.class_names(images.classes());
        Ok(TestSet { images, class_names })
    }

    fn read_options(&self) -> ReadOptions {
        ReadOptions { conversion: self.conversion, skip_bad_images: self.skip_bad_images }
    }

    /// The class names of the requested kind. A detected layout may be shared by any other data set, so it implies
    /// no names; neither does a different number of classes.
    fn class_names(&self, classes: usize) -> Option<Vec<String>> {
        let names = self.kind?.class_names().filter(|names| names.len() == classes)?;
        Some(names.iter().copied().map(str::to_owned).collect())
    }
}

impl Dataset {
    /// Opens the data set in a folder, or in CIFAR-10's `.tar.gz`. It is detected from its files; `kind` restricts
    /// the detection.
    ///
    /// # Errors
    /// As [`OpenOptions::open`], and [`DataError::Unsplit`] for a folder of images without a split.
    pub fn open(folder: &Path, kind: Option<DatasetKind>, conversion: Conversion) -> Result<Self, DataError> {
        match (OpenOptions { kind, conversion, ..OpenOptions::default() }).open(folder)? {
            OpenedDataset::Split(data) => Ok(data),
            OpenedDataset::Unsplit(images) => Err(DataError::Unsplit { folder: images.folder }),
        }
    }
}

/// Opens the test images of the data set in a folder; see [`OpenOptions::open_test`].
///
/// # Errors
/// As [`OpenOptions::open`].
pub fn open_test(
    folder: &Path,
    kind: Option<DatasetKind>,
    conversion: Conversion,
) -> Result<ImageSet, DataError> {
    Ok((OpenOptions { kind, conversion, ..OpenOptions::default() }).open_test(folder)?.images)
}

/// The 10,000 test images of the MNIST embedded in the binary. This does not decode the training images.
///
/// # Errors
/// [`DataError::Memory`] if the memory budget is too small.
pub fn embedded_mnist_test(conversion: Conversion) -> Result<ImageSet, DataError> {
    Ok(embedded_mnist::test()?.convert(conversion)?.images)
}

/// Returns the first `count` training images of the MNIST embedded in the binary, each 28×28 with its label. This decodes
/// only those.
pub(crate) fn embedded_mnist_examples(count: usize) -> Vec<(Vec<u8>, u8)> {
    embedded_mnist::first(count)
}
