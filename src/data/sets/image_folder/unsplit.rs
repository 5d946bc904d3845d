//! A folder of images without a split into training and test images.

use std::path::PathBuf;
use std::sync::Arc;

use super::class_folders::ClassFolders;
use super::skipped::Skipped;
use super::{ImageFolderError, ReadOptions, dataset, read};
use crate::data::hold_out::draw_of_each_class;
use crate::data::loaded::{self, Loaded};
use crate::data::unsplit_file::UnsplitFile;
use crate::data::{DataError, Dataset};
use crate::memory::Reservation;

/// A folder of class folders, or a file, without a split into training and test images. Its images have not been read yet.
#[derive(Debug, Clone)]
pub struct UnsplitFolder {
    /// The folder that contains the class folders or the file.
    pub folder: PathBuf,
    pub(in crate::data) options: ReadOptions,
    /// The file that contains all images.
    pub(in crate::data) file: Option<UnsplitFile>,
}

impl UnsplitFolder {
    /// Reads the images and selects a random share of each class, drawn from the seed, to test with. Training and test
    /// images include at least one image of each class and keep their order.
    ///
    /// # Errors
    /// If a class has fewer than two readable images, or the images cannot be read or converted.
    ///
    /// # Panics
    /// If the share is not strictly between 0 and 1.
    pub fn split(&self, share: f64, seed: u64) -> Result<Dataset, DataError> {
        if let Some(file) = &self.file {
            return file.split(share, seed);
        }
        let (folders, whole, _memory) = self.read()?;
        let test = draw_of_each_class(&whole.train.labels, folders.len(), share, seed)
            .map_err(|class| ImageFolderError::OneImage { path: folders.class_folder(class).0.to_owned() })?;
        let Dataset { train: images, test: same, .. } = whole;
        drop(same);
        let mut images = Arc::unwrap_or_clone(images);
        let _copy = loaded::hold(test.len(), images.image_len()).map_err(|source| DataError::Memory {
            what: format!("{} test images of {}", test.len(), self.folder.display()),
            source,
        })?;
        let test = images.take(&test);
        let (train, test) = (Arc::new(images), Arc::new(test));
        Ok(Dataset { train, test, ..whole })
    }

    /// Reads the images and uses all of them both to train on and to test with, for benchmarks.
    ///
    /// # Errors
    /// If the images cannot be read or converted.
    pub fn without_split(&self) -> Result<Dataset, DataError> {
        match &self.file {
            Some(file) => file.without_split(),
            None => Ok(self.read()?.1),
        }
    }

    fn read(&self) -> Result<(ClassFolders, Dataset, Option<Reservation<'static>>), DataError> {
        let folders = ClassFolders::find(&self.folder)?;
        folders.check_count()?;
        Skipped::warn(&self.folder, &[&folders.skipped]);
        let (mut images, fit) = read::read(&[&folders], self.options)?;
        let Loaded { images, memory } = images.remove(0);
        let images = Arc::new(images);
        let data = dataset(&self.folder, &folders, fit, Arc::clone(&images), images);
        Ok((folders, data, memory))
    }
}
