//! How the data set in a folder is opened.

use std::path::Path;

use super::image_folder::Undivided;
use super::kind::Recognised;
use super::{Conversion, DataError, Dataset, DatasetKind, ImageSet, embedded};

/// What is asked for of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// What must lie there; it is recognised by its layout where that is not said.
    pub kind: Option<DatasetKind>,
    pub conversion: Conversion,
    /// Whether image files that cannot be read are left out and told of, and no error.
    pub skip_bad_images: bool,
}

/// What was in a folder.
#[derive(Debug, Clone)]
pub enum Opened {
    /// A training and a test part.
    Divided(Dataset),
    /// Images that are in no parts.
    Undivided(Undivided),
}

/// The part to test with, alone.
#[derive(Debug, Clone)]
pub struct TestPart {
    pub images: ImageSet,
    /// A name for each class; none where they are known by their numbers.
    pub class_names: Option<Vec<String>>,
}

impl OpenOptions {
    /// Reads the images of both parts.
    pub fn open(&self, folder: &Path) -> Result<Opened, DataError> {
        let found = match DatasetKind::recognise(folder, self.kind)? {
            Recognised::Packed(found) => found,
            Recognised::Images(found) => return found.open(self),
        };
        let (train, test) = (found.train()?, found.test()?); // before any is read
        let (train, test) = rayon::join(|| train.read(), || test.read());
        let data = Dataset::of(folder.display().to_string(), train?, test?, self.conversion)?;
        Ok(Opened::Divided(Dataset { class_names: self.names_of(data.classes), ..data }))
    }

    /// Reads the images to test with; the folder need not have others.
    pub fn open_test(&self, folder: &Path) -> Result<TestPart, DataError> {
        let images = match DatasetKind::recognise(folder, self.kind)? {
            Recognised::Packed(found) => self.conversion.apply(found.test()?.read()?)?,
            Recognised::Images(found) => return found.open_test(self),
        };
        let class_names = self.names_of(images.classes());
        Ok(TestPart { images, class_names })
    }

    /// The names of so many classes, where the kind was named: what is recognised may be any other set.
    fn names_of(&self, classes: usize) -> Option<Vec<String>> {
        let names = self.kind?.class_names().filter(|names| names.len() == classes)?;
        Some(names.iter().copied().map(str::to_owned).collect())
    }
}

impl Dataset {
    /// The data set in a folder, recognised by its layout; where `kind` is given, it must be that one.
    ///
    /// # Errors
    /// [`DataError::Undivided`] where images are in no parts; [`OpenOptions::open`] takes them.
    pub fn open(folder: &Path, kind: Option<DatasetKind>, conversion: Conversion) -> Result<Self, DataError> {
        match (OpenOptions { kind, conversion, ..OpenOptions::default() }).open(folder)? {
            Opened::Divided(data) => Ok(data),
            Opened::Undivided(images) => Err(DataError::Undivided { folder: images.folder }),
        }
    }
}

/// The test part of the data set in a folder, which need not have another; otherwise as
/// [`Dataset::open`].
pub fn open_test(
    folder: &Path,
    kind: Option<DatasetKind>,
    conversion: Conversion,
) -> Result<ImageSet, DataError> {
    Ok((OpenOptions { kind, conversion, ..OpenOptions::default() }).open_test(folder)?.images)
}

/// The test part of the MNIST inside the binary, for those who only evaluate.
pub fn embedded_mnist_test(conversion: Conversion) -> Result<ImageSet, DataError> {
    embedded::TEST.read().and_then(|test| conversion.apply(test))
}
