//! Folders of image files: `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*` alone. A class is called as its
//! folder is, and has its place among all of them, sorted by their bytes, as its label.

mod class_folders;
mod entries;
mod error;
mod read;
mod undivided;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::ImageFolderError;
pub use undivided::Undivided;

use super::listing::Listing;
use super::open::{OpenOptions, Opened, TestPart};
use super::{DataError, Dataset, Fit, ImageSet};
use class_folders::ClassFolders;
use entries::{Entry, Ignored, entries, holds_an_image};

const TRAIN: &str = "train";
const TEST: &str = "test";

/// Where a set's class folders lie.
#[derive(Debug, Clone)]
pub enum ImageFolder {
    /// In `train` and `test`, one of which may be lacking.
    PerSplit(PathBuf),
    /// In the folder itself.
    Whole(PathBuf),
}

/// Whether folders of images lie here, and in which of the two ways.
pub fn locate(listing: &Listing) -> Result<Option<ImageFolder>, ImageFolderError> {
    let folder = listing.folder();
    let [train, test] = [TRAIN, TEST].map(|part| folder.join(part));
    // Where one of them has images right in it, it is a class: of vehicles, say.
    let is_part = |path: &Path| path.is_dir() && !holds_an_image(path);
    if train.is_dir() && test.is_dir() || is_part(&train) || is_part(&test) {
        return Ok(Some(ImageFolder::PerSplit(folder.to_owned())));
    }
    let is_class = |entry: &Entry| entry.is_folder && holds_an_image(&entry.path);
    Ok(entries(folder)?.iter().any(is_class).then(|| ImageFolder::Whole(folder.to_owned())))
}

/// The folders, for messages.
pub fn looks_for() -> String {
    format!("folders of .png, .jpg or .jpeg images, {TRAIN}/CLASS/* with {TEST}/CLASS/*, or CLASS/*")
}

impl ImageFolder {
    /// Reads all images of both parts; where there are no parts, nothing is read yet.
    pub fn open(self, options: &OpenOptions) -> Result<Opened, DataError> {
        let folder = match self {
            Self::PerSplit(folder) => folder,
            Self::Whole(folder) => {
                return Ok(Opened::Undivided(Undivided { folder, options: *options }));
            }
        };
        let (train, test) = (part(&folder, TRAIN)?, part(&folder, TEST)?);
        train.check_same_classes(&test)?;
        Ignored::warn(&folder, [&beside_the_parts(&folder)?, &train.ignored, &test.ignored]);
        let (images, fit) = read::read([&train, &test], options)?;
        let [train_images, test_images] = images.map(Arc::new);
        Ok(Opened::Divided(dataset(&folder, &train, fit, train_images, test_images)))
    }

    /// Reads the images to test with: all of them where they lie in no parts.
    pub fn open_test(&self, options: &OpenOptions) -> Result<TestPart, DataError> {
        let test = match self {
            Self::PerSplit(folder) => part(folder, TEST)?,
            Self::Whole(folder) => {
                log::warn!(
                    "{} has no test folder, so all of its images are taken, and those that a model was trained on \
                     tell little of how good it is",
                    folder.display()
                );
                ClassFolders::of(folder)?
            }
        };
        Ignored::warn(test.folder(), [&test.ignored]);
        let ([images], _) = read::read([&test], options)?;
        Ok(TestPart { images, class_names: Some(test.names()) })
    }
}

/// The class folders of a part.
fn part(folder: &Path, name: &str) -> Result<ClassFolders, ImageFolderError> {
    let part = folder.join(name);
    if part.is_dir() {
        return ClassFolders::of(&part);
    }
    Err(match name {
        TEST => ImageFolderError::NoTestPart { train: folder.join(TRAIN), test: part },
        _ => ImageFolderError::NoTrainPart { train: part, test: folder.join(TEST) },
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
    Dataset { name, classes: classes.len(), class_names, fit, train, validation: None, test }
}

/// What lies in the folder that is no part.
fn beside_the_parts(folder: &Path) -> Result<Ignored, ImageFolderError> {
    let mut ignored = Ignored::default();
    let others = entries(folder)?.into_iter().filter(|entry| entry.name != TRAIN && entry.name != TEST);
    others.for_each(|entry| ignored.add(&entry.path));
    Ok(ignored)
}
