//! Where images come from. Everything here ends in a [`Dataset`]: bytes as they are stored, and labels.

use std::sync::Arc;

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
}

/// A training and a test part over the same classes.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// For people: "MNIST (built in)", a folder's path.
    pub name: String,
    pub classes: usize,
    pub train: Arc<Split>,
    pub test: Arc<Split>,
}
