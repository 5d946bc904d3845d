//! A file of images without a split into training and test images.

use std::path::PathBuf;

use super::detect::{PackedFiles, SubsetFiles, turn};
use super::hold_out::draw_of_each_class;
use super::loaded::{self, Loaded};
use super::{Conversion, DataError, Dataset};

/// A file of images without a split into training and test images. It has not been read yet.
#[derive(Debug, Clone)]
pub struct UnsplitFile {
    /// The file or the folder that was opened.
    pub path: PathBuf,
    pub found: PackedFiles,
    pub images: SubsetFiles,
    pub conversion: Conversion,
    pub transpose: Option<bool>,
}

impl UnsplitFile {
    /// Reads the images and selects a random share of each class, drawn from the seed, to test with.
    pub fn split(&self, share: f64, seed: u64) -> Result<Dataset, DataError> {
        let Loaded { mut images, memory } = self.read()?;
        let file = || self.path.display().to_string();
        let test = draw_of_each_class(&images.labels, images.classes(), share, seed)
            .map_err(|class| DataError::OneImage { file: file(), class })?;
        let copy = loaded::hold(test.len(), images.image_len()).map_err(|source| DataError::Memory {
            what: format!("{} test images of {}", test.len(), file()),
            source,
        })?;
        let test = images.take(&test);
        self.dataset(Loaded { images, memory }, Loaded { images: test, memory: Some(copy) })
    }

    /// Reads the images and uses all of them both to train on and to test with.
    pub fn without_split(&self) -> Result<Dataset, DataError> {
        let train = self.read()?;
        let copy = loaded::hold(train.images.len(), train.images.image_len())
            .map_err(|source| DataError::Memory { what: self.path.display().to_string(), source })?;
        let test = Loaded { images: train.images.clone(), memory: Some(copy) };
        self.dataset(train, test)
    }

    fn read(&self) -> Result<Loaded, DataError> {
        turn(self.images.read()?, self.found.kind(), self.transpose)
    }

    fn dataset(&self, train: Loaded, test: Loaded) -> Result<Dataset, DataError> {
        let (name, kind) = (self.path.display().to_string(), self.found.kind());
        let data = Dataset::from_loaded(name, kind, [train, test], None, self.conversion)?;
        let class_names = self.found.class_names(kind, data.classes);
        Ok(Dataset { class_names, ..data })
    }
}
