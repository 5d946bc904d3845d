//! Folders of image files: `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*` alone. The folder's name is that of the
//! class; labels number the classes in the byte order of their names.

mod class_folders;
mod entries;
mod error;
mod read;
mod unsplit;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::ImageFolderError;
pub use unsplit::UnsplitFolder;

use crate::data::folder_listing::FolderListing;
use crate::data::loaded::Loaded;
use crate::data::{Conversion, DataError, Dataset, Fit, ImageSet, TestSet};
use class_folders::ClassFolders;
use entries::{Entry, Ignored, contains_image, entries};

const TRAIN: &str = "train";
const TEST: &str = "test";

/// How image files are read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    pub conversion: Conversion,
    /// Whether to skip unreadable files with a warning instead of failing.
    pub skip_bad_images: bool,
}

/// A folder of images. Nothing has been read yet.
#[derive(Debug, Clone)]
pub enum ImageFolder {
    Split(SplitFolder),
    /// Class folders without a split.
    Unsplit(PathBuf),
}

/// A folder with class folders in `train` and `test`, one of which may be missing.
#[derive(Debug, Clone)]
pub struct SplitFolder(PathBuf);

/// Detects a folder of images.
pub fn locate(listing: &FolderListing) -> Result<Option<ImageFolder>, ImageFolderError> {
    let folder = listing.folder();
    let [train, test] = [TRAIN, TEST].map(|name| folder.join(name));
    // A folder of this name that contains images directly is a class, of vehicles for example.
    let is_subset = |path: &Path| path.is_dir() && !contains_image(path);
    if train.is_dir() && test.is_dir() || is_subset(&train) || is_subset(&test) {
        return Ok(Some(ImageFolder::Split(SplitFolder(folder.to_owned()))));
    }
    let is_class = |entry: &Entry| entry.is_folder && contains_image(&entry.path);
    Ok(entries(folder)?.iter().any(is_class).then(|| ImageFolder::Unsplit(folder.to_owned())))
}

/// The accepted layouts, for messages.
pub fn expected_files() -> String {
    format!("folders of .png, .jpg or .jpeg images: {TRAIN}/CLASS/* and {TEST}/CLASS/*, or CLASS/*")
}

impl SplitFolder {
    /// Reads all images.
    pub fn read(&self, options: ReadOptions) -> Result<Dataset, DataError> {
        let folder = &self.0;
        let (train, test) = (subset(folder, TRAIN)?, subset(folder, TEST)?);
        train.check_same_classes(&test)?;
        Ignored::warn(folder, [&outside_subsets(folder)?, &train.ignored, &test.ignored]);
        let (images, fit) = read::read([&train, &test], options)?;
        let [train_images, test_images] = images.map(|set| Arc::new(set.images));
        Ok(dataset(folder, &train, fit, train_images, test_images))
    }
}

impl ImageFolder {
    /// Reads the test images; without a split, all images.
    pub fn read_test(&self, options: ReadOptions) -> Result<TestSet, DataError> {
        let test = match self {
            Self::Split(SplitFolder(folder)) => subset(folder, TEST)?,
            Self::Unsplit(folder) => {
                log::warn!(
                    "{} has no test folder, so all of its images are used; results on images that the model was \
                     trained on say little about its quality",
                    folder.display()
                );
                ClassFolders::find(folder)?
            }
        };
        Ignored::warn(test.folder(), [&test.ignored]);
        let ([Loaded { images, .. }], _) = read::read([&test], options)?;
        Ok(TestSet { kind: None, images, class_names: Some(test.names()) })
    }
}

/// The class folders in `train` or `test`.
fn subset(folder: &Path, name: &str) -> Result<ClassFolders, ImageFolderError> {
    let path = folder.join(name);
    if path.is_dir() {
        return ClassFolders::find(&path);
    }
    Err(match name {
        TEST => ImageFolderError::NoTestSplit { train: folder.join(TRAIN), test: path },
        _ => ImageFolderError::NoTrainSplit { train: path, test: folder.join(TEST) },
    })
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

/// Other entries beside `train` and `test`.
fn outside_subsets(folder: &Path) -> Result<Ignored, ImageFolderError> {
    let mut ignored = Ignored::default();
    let others = entries(folder)?.into_iter().filter(|entry| entry.name != TRAIN && entry.name != TEST);
    others.for_each(|entry| ignored.add(&entry.path));
    Ok(ignored)
}
