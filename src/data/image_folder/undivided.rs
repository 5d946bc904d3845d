//! Images of one folder, of which nothing says which are to train on.

use std::path::PathBuf;
use std::sync::Arc;

use super::class_folders::ClassFolders;
use super::entries::Ignored;
use super::{ImageFolderError, dataset, read};
use crate::data::hold_out::draw_share;
use crate::data::{DataError, Dataset, OpenOptions};
use crate::random::{Draws, Purpose};

/// Class folders that were found in no parts. Their images are not read yet.
#[derive(Debug, Clone)]
pub struct Undivided {
    pub folder: PathBuf,
    pub(super) options: OpenOptions,
}

impl Undivided {
    /// Reads the images and keeps a share of each class's, drawn from the seed, to test with. Of each class, each
    /// part has an image at the least, and keeps the order that they had.
    ///
    /// # Panics
    /// Where the share is not between 0 and 1.
    pub fn divide(&self, share: f64, seed: u64) -> Result<Dataset, DataError> {
        let (folders, whole) = self.read()?;
        let mut classes = vec![Vec::new(); folders.len()];
        for (place, &label) in whole.train.labels.iter().enumerate() {
            classes[usize::from(label)].push(place);
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (class, places) in classes.iter().enumerate() {
            if places.len() < 2 {
                return Err(
                    ImageFolderError::OneImage { path: folders.class_folder(class).to_owned() }.into()
                );
            }
            let mut draws = Draws::new(Purpose::Test, seed, class as u64);
            let (drawn, rest) = draw_share(places.len(), share, &mut draws);
            test.extend(drawn.into_iter().map(|index| places[index]));
            train.extend(rest.into_iter().map(|index| places[index]));
        }
        let [train, test] = [train, test].map(|mut places| {
            places.sort_unstable();
            Arc::new(whole.train.picked(&places))
        });
        Ok(Dataset { train, test, ..whole })
    }

    /// Reads the images as both parts, for those who do not ask how good a network is on others than those that
    /// it learnt.
    pub fn as_both_parts(&self) -> Result<Dataset, DataError> {
        Ok(self.read()?.1)
    }

    fn read(&self) -> Result<(ClassFolders, Dataset), DataError> {
        let folders = ClassFolders::of(&self.folder)?;
        Ignored::warn(&self.folder, [&folders.ignored]);
        let ([images], fit) = read::read([&folders], &self.options)?;
        let images = Arc::new(images);
        let data = dataset(&self.folder, &folders, fit, Arc::clone(&images), images);
        Ok((folders, data))
    }
}
