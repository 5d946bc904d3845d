//! Opening the data set in a folder.

use std::path::Path;

use super::detect::{DetectedDataset, detect};
use super::sets::image_folder::{ImageFolder, ReadOptions, UnsplitFolder};
use super::sets::{Subset, embedded_mnist};
use super::unsplit_file::UnsplitFile;
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
    /// Whether to exchange the rows and the columns of images in packed files; if `None`, of those of EMNIST.
    pub transpose: Option<bool>,
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
    /// Finds the data set in a folder or in a file that is one, without reading any image. This is fast, so it can precede
    /// everything that takes long.
    ///
    /// # Errors
    /// If no data set is found, or files of `subsets` are missing.
    pub(crate) fn check(&self, folder: &Path, subsets: &[Subset]) -> Result<(), DataError> {
        if let DetectedDataset::PackedFiles(found) = detect(folder, self.kind)?
            && found.unsplit()?.is_none()
        {
            subsets.iter().try_for_each(|&subset| found.files(subset).map(drop))?;
        }
        Ok(())
    }

    /// Opens the data set in a folder or in a file that is one, such as an `.npz` archive, and reads its images.
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
                let options = self.read_options();
                return Ok(OpenedDataset::Unsplit(UnsplitFolder { folder, options, file: None }));
            }
        };
        if let Some((file, images)) = found.unsplit()? {
            let (path, conversion, transpose) = (folder.to_owned(), self.conversion, self.transpose);
            let unsplit = UnsplitFile { path, found, images, conversion, transpose };
            let (options, unsplit) = (self.read_options(), Some(unsplit));
            return Ok(OpenedDataset::Unsplit(UnsplitFolder { folder: file, options, file: unsplit }));
        }
        // Both are located before either is read, so that a missing file is reported at once.
        let (train, test) = (found.files(Subset::Train)?, found.files(Subset::Test)?);
        let (train, test) = rayon::join(|| train.read(self.transpose), || test.read(self.transpose));
        let data = Dataset::from_loaded(folder.display().to_string(), train?, test?, self.conversion)?;
        Ok(OpenedDataset::Split(Dataset {
            class_names: found.class_names(found.kind(), data.classes),
            ..data
        }))
    }

    /// Opens the test images alone. The folder need not contain training images; if a folder of images has no
    /// split, all of its images are test images.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_test(&self, folder: &Path) -> Result<TestSet, DataError> {
        match detect(folder, self.kind)? {
            DetectedDataset::PackedFiles(found) => {
                let files = match found.unsplit()? {
                    Some((file, images)) => {
                        warn_of_missing_split(&file);
                        images
                    }
                    None => found.files(Subset::Test)?,
                };
                let loaded = files.read(self.transpose)?;
                let images = loaded.convert(self.conversion)?.images;
                let class_names = found.class_names(found.kind(), images.classes());
                Ok(TestSet { images, class_names })
            }
            DetectedDataset::ImageFolder(found) => found.read_test(self.read_options()),
        }
    }

    fn read_options(&self) -> ReadOptions {
        ReadOptions { conversion: self.conversion, skip_bad_images: self.skip_bad_images }
    }
}

fn warn_of_missing_split(file: &Path) {
    log::warn!(
        "there are no test images with labels beside {}, so all of its images are used; results on images that the model \
         was trained on say little about its quality",
        file.display()
    );
}

impl Dataset {
    /// Opens the data set in a folder or in a file that is one. It is detected from its files; `kind` restricts
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
