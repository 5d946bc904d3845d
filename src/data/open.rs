//! Opening the data set in a folder.

use std::path::Path;

use super::detect::{DetectedDataset, PackedFiles, SubsetFiles, detect, turn};
use super::identify::identify;
use super::loaded::Loaded;
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
    /// Whether to exchange the rows and the columns of images; if `None`, of those of EMNIST.
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
    #[cfg(feature = "cli")]
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
        let detected = detect(folder, self.kind)?;
        detected.note_location(folder);
        let found = match detected {
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
        let validation = found.validation()?;
        let (train, test) = rayon::join(|| train.read(), || self.read_test(folder, &found, &test));
        let (train, (test, kind)) = (train?, test?);
        let train = turn(train, kind, self.transpose)?;
        let name = folder.display().to_string();
        let read = |files: SubsetFiles| turn(files.read()?, kind, self.transpose);
        let validation = validation.map(read).transpose()?;
        let data = Dataset::from_loaded(name, kind, [train, test], validation, self.conversion)?;
        let class_names = found.class_names(kind, data.classes);
        Ok(OpenedDataset::Split(Dataset { class_names, ..data }))
    }

    /// Opens the test images alone. The folder need not contain training images; if a folder of images has no
    /// split, all of its images are test images.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_test(&self, folder: &Path) -> Result<TestSet, DataError> {
        let detected = detect(folder, self.kind)?;
        detected.note_location(folder);
        let found = match detected {
            DetectedDataset::PackedFiles(found) => found,
            DetectedDataset::ImageFolder(found) => return found.read_test(self.read_options()),
        };
        let files = match found.unsplit()? {
            Some((file, images)) => {
                warn_of_missing_split(&file);
                images
            }
            None => found.files(Subset::Test)?,
        };
        let (images, kind) = self.read_test(folder, &found, &files)?;
        let images = images.convert(self.conversion)?.images;
        let classes = kind.and_then(DatasetKind::classes).unwrap_or(0).max(images.classes());
        let class_names = found.class_names(kind, classes);
        Ok(TestSet { kind, images, class_names })
    }

    /// Reads test images, and says which known data set they are.
    fn read_test(
        &self,
        folder: &Path,
        found: &PackedFiles,
        files: &SubsetFiles,
    ) -> Result<(Loaded, Option<DatasetKind>), DataError> {
        let test = files.read()?;
        let kind = identify(&test.images).or(found.kind());
        if let (Some(identified), Some(requested)) = (kind, self.kind)
            && identified != requested
        {
            log::warn!(
                "the test images in {} are those of {identified}, not of {requested}",
                folder.display()
            );
        }
        Ok((turn(test, kind, self.transpose)?, kind))
    }

    fn read_options(&self) -> ReadOptions {
        ReadOptions {
            conversion: self.conversion,
            skip_bad_images: self.skip_bad_images,
            transpose: self.transpose == Some(true),
        }
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

/// Returns the first `count` training images of the MNIST embedded in the binary, each 28×28 with its label. This decodes
/// only those.
pub(crate) fn embedded_mnist_examples(count: usize) -> Vec<(Vec<u8>, u8)> {
    embedded_mnist::first(count)
}

/// [`ImageSet::fingerprint`] of the embedded MNIST's training or test images, all of them and as stored; `None` for others.
/// The images must be from the embedded MNIST: only their size is compared. Knowing it saves hashing 55 MB in every run.
#[cfg(feature = "cli")]
pub(crate) fn embedded_fingerprint(images: &ImageSet) -> Option<&'static str> {
    match (images.channels, images.height, images.width, images.len()) {
        (1, 28, 28, 60_000) => Some("e5eda4d97bd06226"),
        (1, 28, 28, 10_000) => Some("09fd5625f3939eaa"),
        _ => None,
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_mnist_has_its_stated_fingerprints() {
        let data = Dataset::embedded_mnist(Conversion::default()).unwrap();
        for images in [&data.train, &data.test] {
            assert_eq!(embedded_fingerprint(images), Some(&*images.fingerprint()));
        }
        assert_eq!(embedded_fingerprint(&data.test.first(9_999)), None);
    }
}
