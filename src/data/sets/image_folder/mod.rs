//! Folders of image files: `train/CLASS/*` and `test/CLASS/*`, perhaps with `val/CLASS/*`, or `CLASS/*` alone. The
//! folder's name is that of the class; labels number the classes in the byte order of their names.

mod class_folders;
mod entries;
mod error;
mod layout;
mod read;
mod skipped;
mod unsplit;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::ImageFolderError;
pub use unsplit::UnsplitFolder;

use crate::data::folder_listing::FolderListing;
use crate::data::formats::image_file::FORMATS;
use crate::data::loaded::Loaded;
use crate::data::{Conversion, DataError, Dataset, Fit, ImageSet, TestSet};
use class_folders::ClassFolders;
use entries::{contains_run, entries};
use skipped::{Reason, Skipped};

/// How image files are read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    pub conversion: Conversion,
    /// Whether to skip unreadable files with a warning instead of failing.
    pub skip_bad_images: bool,
    /// Whether to exchange the rows and the columns of the images.
    pub transpose: bool,
}

/// A folder of images. Nothing has been read yet.
#[derive(Debug, Clone)]
pub enum ImageFolder {
    Split(SplitFolder),
    /// Class folders without a split.
    Unsplit(PathBuf),
}

/// A folder with class folders in folders of training, validation and test images, some of which may be missing.
#[derive(Debug, Clone)]
pub struct SplitFolder {
    /// The folder that contains those folders.
    folder: PathBuf,
    train: Option<PathBuf>,
    validation: Option<PathBuf>,
    test: Option<PathBuf>,
}

/// Detects a folder of images.
pub fn locate(listing: &FolderListing) -> Result<Option<ImageFolder>, ImageFolderError> {
    layout::locate(listing.folder())
}

/// The accepted layouts, for messages.
pub fn expected_files() -> String {
    format!("folders of {FORMATS} images: train/CLASS/* and test/CLASS/*, or CLASS/*")
}

impl SplitFolder {
    /// Reads all images.
    pub fn read(&self, options: ReadOptions) -> Result<Dataset, DataError> {
        let train = ClassFolders::subset(self.train()?)?;
        train.check_count()?;
        let (validation, test) = self.validation_and_test()?;
        let validation = validation.map(|path| ClassFolders::subset(path)?.align(&train)).transpose()?;
        let test = ClassFolders::subset(test)?.align(&train)?;

        let subsets = || [Some(&train), validation.as_ref(), Some(&test)].into_iter().flatten();
        let outside = self.outside_subsets()?;
        let skipped: Vec<_> = subsets().map(|subset| &subset.skipped).chain([&outside]).collect();
        Skipped::warn(&self.folder, &skipped);
        subsets().for_each(ClassFolders::warn_of_empty_classes);

        let (images, fit) = read::read(&subsets().collect::<Vec<_>>(), options)?;
        let mut images = images.into_iter().map(|set| Arc::new(set.images));
        let mut next = || images.next().expect("one set per subset");
        let train_images = next();
        let validation = validation.map(|_| next());
        let test = next();
        Ok(Dataset { validation, ..dataset(&self.folder, &train, fit, train_images, test) })
    }

    fn train(&self) -> Result<&Path, ImageFolderError> {
        self.train.as_deref().ok_or_else(|| ImageFolderError::NoTrainSplit {
            train: self.folder.join("train"),
            test: self.test.clone().unwrap_or_default(),
        })
    }

    /// The folders of validation and test images. Without test images, those for validation take their place.
    fn validation_and_test(&self) -> Result<(Option<&Path>, &Path), ImageFolderError> {
        match (self.validation.as_deref(), self.test.as_deref()) {
            (validation, Some(test)) => Ok((validation, test)),
            (Some(validation), None) => {
                log::warn!(
                    "{} has no folder of test images, so those in {} are the test images",
                    self.folder.display(),
                    validation.display()
                );
                Ok((None, validation))
            }
            (None, None) => Err(ImageFolderError::NoTestSplit {
                train: self.train.clone().unwrap_or_default(),
                test: self.folder.join("test"),
            }),
        }
    }

    /// Entries beside the folders of the subsets.
    fn outside_subsets(&self) -> Result<Skipped, ImageFolderError> {
        let mut skipped = Skipped::default();
        for entry in entries(&self.folder)? {
            let is_subset = |subset: &Option<PathBuf>| subset.as_ref() == Some(&entry.path);
            if [&self.train, &self.validation, &self.test].into_iter().any(is_subset) {
                continue;
            }
            match entry.refused() {
                Some(reason) => skipped.folder(entry.path, reason),
                None if !entry.is_folder => skipped.entry(&entry.path),
                None if contains_run(&entry.path) => skipped.folder(entry.path, Reason::Run),
                None => skipped.folder(entry.path, Reason::Outside),
            }
        }
        Ok(skipped)
    }

    /// The test images with the classes of the training images, if there are any.
    fn test_classes(&self) -> Result<ClassFolders, ImageFolderError> {
        let test = ClassFolders::subset(self.validation_and_test()?.1)?;
        let train = self.train.as_deref().map(ClassFolders::subset).transpose()?;
        match train {
            Some(train) if test.has_only_classes_of(&train) => test.align(&train),
            // A model of other classes says so.
            _ => test.check_count().map(|()| test),
        }
    }
}

impl ImageFolder {
    /// The folder that contains the class folders or the folders of the subsets.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Split(split) => &split.folder,
            Self::Unsplit(folder) => folder,
        }
    }

    /// Reads the test images; without a split, all images.
    pub fn read_test(&self, options: ReadOptions) -> Result<TestSet, DataError> {
        let test = match self {
            Self::Split(split) => split.test_classes()?,
            Self::Unsplit(folder) => {
                log::warn!(
                    "{} has no test folder, so all of its images are used; results on images that the model was \
                     trained on say little about its quality",
                    folder.display()
                );
                let all = ClassFolders::find(folder)?;
                all.check_count()?;
                all
            }
        };
        Skipped::warn(test.folder(), &[&test.skipped]);
        test.warn_of_empty_classes();
        let (mut images, _) = read::read(&[&test], options)?;
        let Loaded { images, .. } = images.remove(0);
        Ok(TestSet { kind: None, images, class_names: Some(test.names()) })
    }
}

fn dataset(
    folder: &Path,
    classes: &ClassFolders,
    fit: Fit,
    train: Arc<ImageSet>,
    test: Arc<ImageSet>,
) -> Dataset {
    let (name, class_names) = (folder.display().to_string(), Some(classes.names()));
    Dataset { name, kind: None, classes: classes.len(), class_names, fit, train, validation: None, test }
}
