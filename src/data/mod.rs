//! Where images come from. Everything here ends in a [`Dataset`]: images as bytes, converted to what the
//! network takes, and labels. How a pass over them sees each is an [`Augmentation`]'s.

mod archive;
mod augment;
mod channels;
pub mod cifar;
mod cifar10;
mod conversion;
pub mod download;
mod embedded;
mod error;
mod fit;
mod hold_out;
pub mod idx;
mod image_file;
mod image_folder;
mod kind;
mod listing;
mod mnist;
mod open;
mod order;
mod source;

use std::num::NonZeroUsize;
use std::sync::Arc;

pub use crate::model::Fit;
pub use augment::{Augmentation, AugmentationError, Transform, View};
pub use channels::Channels;
pub use conversion::Conversion;
pub use error::DataError;
pub use image_file::{ImageFile, ImageFileError};
pub use image_folder::{ImageFolderError, Undivided};
pub use kind::DatasetKind;
pub use open::{OpenOptions, Opened, TestPart, embedded_mnist_test, open_test};
pub use order::order;

use sha2::{Digest, Sha256};

use crate::hash;
use crate::model::margins;

/// Images of one size with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// N×C×H×W, one byte a value, 0 (background) to 255.
    pub pixels: Vec<u8>,
    /// N classes, each below the set's number of classes.
    pub labels: Vec<u16>,
}

impl ImageSet {
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

    /// As [`margins`]: sets are opened so that no image is too large.
    pub fn margins(&self) -> (usize, usize) {
        margins(self.height, self.width)
    }

    /// Image `index` as an engine shows it to the network: in the middle of C×32×32, with zeros around it.
    pub fn seen(&self, index: usize) -> Vec<u8> {
        fit::pad(self.picked(&[index])).pixels
    }

    /// What images and labels come to, in 16 hexadecimal digits: the first of a SHA-256 over the size, the labels and
    /// the pixels, so that another set has another fingerprint.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for side in [self.channels, self.height, self.width, self.len()] {
            hash.update((side as u64).to_le_bytes());
        }
        for label in &self.labels {
            hash.update(label.to_le_bytes());
        }
        hash.update(&self.pixels);
        hash::short(hash)
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
    /// A name for each class; none where they are known by their numbers.
    pub class_names: Option<Vec<String>>,
    /// How its images came to be of 32×32.
    pub fit: Fit,
    pub train: Arc<ImageSet>,
    /// What [`Dataset::hold_out`] held back of the images to train on.
    pub validation: Option<Arc<ImageSet>>,
    pub test: Arc<ImageSet>,
}

impl Dataset {
    /// The MNIST inside the binary: 60,000 and 10,000 images, grey and of 28×28 where nothing else is asked
    /// for, 10 classes.
    pub fn embedded_mnist(conversion: Conversion) -> Result<Self, DataError> {
        let (train, test) = rayon::join(|| embedded::TRAIN.read(), || embedded::TEST.read());
        Self::of("MNIST (built in)".to_owned(), train?, test?, conversion)
    }

    /// Only the first images of each part; the number of classes stays.
    pub fn limited(self, train: Option<NonZeroUsize>, test: Option<NonZeroUsize>) -> Self {
        let limit = |part: Arc<ImageSet>, limit: Option<NonZeroUsize>| match limit {
            Some(count) if count.get() < part.len() => Arc::new(part.limited(count.get())),
            _ => part,
        };
        Self { train: limit(self.train, train), test: limit(self.test, test), ..self }
    }

    /// Two parts as one set. The classes are those that the labels of either tell, and at least two.
    fn of(name: String, train: ImageSet, test: ImageSet, conversion: Conversion) -> Result<Self, DataError> {
        let sizes = [&train, &test].map(|part| (part.height, part.width));
        if sizes[0] != sizes[1] {
            return Err(DataError::SizesDiffer { train: sizes[0], test: sizes[1] });
        }
        let classes = train.classes().max(test.classes()).max(2);
        let fit = conversion.fit_of(&train);
        let [train, test] = [conversion.apply(train)?, conversion.apply(test)?].map(Arc::new);
        Ok(Self { name, classes, class_names: None, fit, train, validation: None, test })
    }
}
