//! A folder of images without a split into training and test images.

use std::path::PathBuf;
use std::sync::Arc;

use super::class_folders::ClassFolders;
use super::skipped::Skipped;
use super::{ImageFolderError, ReadOptions, dataset, read};
use crate::data::hold_out::draw_share;
use crate::data::loaded::{self, Loaded};
use crate::data::{DataError, Dataset};
use crate::memory::Reservation;
use crate::random::{Draws, Purpose};

/// A folder of class folders without a split into training and test images. Its images have not been read yet.
#[derive(Debug, Clone)]
pub struct UnsplitFolder {
    /// The folder that contains the class folders.
    pub folder: PathBuf,
    pub(in crate::data) options: ReadOptions,
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
        let (folders, whole, _memory) = self.read()?;
        let mut classes = vec![Vec::new(); folders.len()];
        for (index, &label) in whole.train.labels.iter().enumerate() {
            classes[usize::from(label)].push(index);
        }
        let mut test = Vec::new();
        for (class, indices) in classes.iter().enumerate() {
            if indices.len() < 2 {
                return Err(
                    ImageFolderError::OneImage { path: folders.class_folder(class).0.to_owned() }.into()
                );
            }
            let mut draws = Draws::new(Purpose::Test, seed, class as u64);
            let (drawn, _) = draw_share(indices.len(), share, &mut draws);
            test.extend(drawn.into_iter().map(|index| indices[index]));
        }
        test.sort_unstable();
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
        Ok(self.read()?.1)
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
