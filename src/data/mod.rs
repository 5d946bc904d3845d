//! Where images come from. Everything here ends in a [`Dataset`]: bytes as they are stored, and labels.

mod archive;
mod augment;
pub mod cifar;
mod cifar10;
pub mod download;
mod embedded;
mod error;
mod fit;
mod hold_out;
pub mod idx;
mod kind;
mod listing;
mod mnist;
mod order;
mod source;

use std::path::Path;
use std::sync::Arc;

pub use augment::{Augmentation, View};
pub use error::DataError;
pub use kind::DatasetKind;
pub use order::order;

use fit::fit;

/// Images of one size with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// N×C×H×W, one byte a value, 0 (background) to 255.
    pub pixels: Vec<u8>,
    /// N classes, each below the set's number of classes.
    pub labels: Vec<u16>,
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// The bytes of image `index`, C×H×W.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.image_len()..][..self.image_len()]
    }

    /// The number of classes that the labels tell: the largest one and those below it.
    pub fn classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&label| usize::from(label) + 1)
    }

    /// The first `count` images, or all where there are fewer.
    fn limited(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            pixels: self.pixels[..count * self.image_len()].to_vec(),
            labels: self.labels[..count].to_vec(),
            ..*self
        }
    }
}

/// A training and a test part over the same classes, with images of one size.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// For people: "MNIST (built in)", a folder's path.
    pub name: String,
    pub classes: usize,
    pub train: Arc<Split>,
    /// What [`Dataset::hold_out`] held back of the images to train on.
    pub validation: Option<Arc<Split>>,
    pub test: Arc<Split>,
}

impl Dataset {
    /// The MNIST inside the binary: 60,000 and 10,000 grey images of 28×28, 10 classes.
    pub fn embedded_mnist() -> Result<Self, DataError> {
        let (train, test) = rayon::join(|| embedded::TRAIN.read(), || embedded::TEST.read());
        Self::of("MNIST (built in)".to_owned(), train?, test?)
    }

    /// The data set in a folder, recognised by its layout; where `kind` is given, it must be that one.
    /// Images that are neither 28×28 nor 32×32 are resized to 32×32.
    pub fn open(folder: &Path, kind: Option<DatasetKind>) -> Result<Self, DataError> {
        let found = DatasetKind::recognise(folder, kind)?;
        let (train, test) = (found.train()?, found.test()?); // before any is read
        let (train, test) = rayon::join(|| train.read(), || test.read());
        Self::of(folder.display().to_string(), train?, test?)
    }

    /// Only the first images of each part; the number of classes stays.
    ///
    /// # Panics
    /// Where a limit is 0: a part without images is none, and the command line takes no 0.
    pub fn limited(self, train: Option<usize>, test: Option<usize>) -> Self {
        let limit = |part: Arc<Split>, limit: Option<usize>| match limit {
            Some(0) => panic!("a part is limited to at least one image"),
            Some(count) if count < part.len() => Arc::new(part.limited(count)),
            _ => part,
        };
        Self { train: limit(self.train, train), test: limit(self.test, test), ..self }
    }

    /// Two parts as one set. The classes are those that the labels of either tell, and at least two.
    fn of(name: String, train: Split, test: Split) -> Result<Self, DataError> {
        let sizes = [&train, &test].map(|part| (part.height, part.width));
        if sizes[0] != sizes[1] {
            return Err(DataError::SizesDiffer { train: sizes[0], test: sizes[1] });
        }
        let classes = train.classes().max(test.classes()).max(2);
        let (train, test) = (Arc::new(fit(train)?), Arc::new(fit(test)?));
        Ok(Self { name, classes, train, validation: None, test })
    }
}

/// The test part of the MNIST inside the binary, for those who only evaluate.
pub fn embedded_mnist_test() -> Result<Split, DataError> {
    embedded::TEST.read()
}

/// The test part of the data set in a folder, which need not have another; otherwise as
/// [`Dataset::open`].
pub fn open_test(folder: &Path, kind: Option<DatasetKind>) -> Result<Split, DataError> {
    DatasetKind::recognise(folder, kind)?.test()?.read().and_then(fit)
}
