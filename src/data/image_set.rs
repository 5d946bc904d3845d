//! Images of one size with their labels.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::convert::pad;
use crate::hash;
use crate::model::margins;
use crate::wording::count;

/// The smallest number of planes worth a second thread.
const MIN_PLANES_PER_THREAD: usize = 256;

/// Images of one size with their labels.
///
/// [`ImageSet::new`] validates. The fields are public for code that builds sets of known shape; such code must keep
/// `pixels.len() == labels.len() * channels * height * width`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// Channels of each image: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Height of each image in pixels.
    pub height: usize,
    /// Width of each image in pixels.
    pub width: usize,
    /// N×C×H×W bytes, row-major; 0 is black (the background), 255 is full intensity.
    pub pixels: Vec<u8>,
    /// N class indices, counted from 0.
    pub labels: Vec<u16>,
}

/// The reason why arrays do not form an [`ImageSet`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageSetError {
    /// The number of channels is neither 1 nor 3.
    #[error("images have {channels} channels; only 1 (grey) and 3 (red, green, blue) are supported")]
    Channels {
        /// The rejected number of channels.
        channels: usize,
    },

    /// The height or the width is 0.
    #[error("images are {height} pixels high and {width} wide; both must be at least 1")]
    Size {
        /// The rejected height in pixels.
        height: usize,
        /// The rejected width in pixels.
        width: usize,
    },

    /// There are no labels, hence no images.
    #[error("the set is empty; it needs at least one image")]
    Empty,

    /// There are more images than a `u32` can index.
    #[error("the set has {images} images; at most {} are supported", u32::MAX)]
    TooMany {
        /// The rejected number of images.
        images: usize,
    },

    /// The number of pixel values does not follow from the number of labels and the image size.
    #[error("{} and the image size require {expected} pixel values; found {found}", count(images, "label"))]
    PixelCount {
        /// The number of labels.
        images: usize,
        /// N·C·H·W.
        expected: u128,
        /// The length of the pixel array.
        found: usize,
    },
}

impl ImageSet {
    /// Creates a set from arrays: N×C×H×W bytes in row-major order and N class indices counted from 0.
    ///
    /// ```
    /// use lenet_gpu::data::ImageSet;
    ///
    /// // Two grey images of 28×28: class 0 is black, class 1 is white.
    /// let pixels = [[0u8; 28 * 28], [255; 28 * 28]].concat();
    /// let images = ImageSet::new(1, 28, 28, pixels, vec![0, 1])?;
    /// assert_eq!((images.len(), images.classes()), (2, 2));
    /// # Ok::<(), lenet_gpu::data::ImageSetError>(())
    /// ```
    ///
    /// # Errors
    /// If there are no images or more than 2³² − 1, the number of channels is not 1 or 3, a side is 0, or the
    /// number of pixel values does not match.
    pub fn new(
        channels: usize,
        height: usize,
        width: usize,
        pixels: Vec<u8>,
        labels: Vec<u16>,
    ) -> Result<Self, ImageSetError> {
        let (images, found) = (labels.len(), pixels.len());
        if channels != 1 && channels != 3 {
            return Err(ImageSetError::Channels { channels });
        }
        if height == 0 || width == 0 {
            return Err(ImageSetError::Size { height, width });
        }
        if images == 0 {
            return Err(ImageSetError::Empty);
        }
        if u32::try_from(images).is_err() {
            return Err(ImageSetError::TooMany { images });
        }
        let expected =
            [images, channels, height].iter().fold(width as u128, |n, &side| n.saturating_mul(side as u128));
        if expected != found as u128 {
            return Err(ImageSetError::PixelCount { images, expected, found });
        }
        Ok(Self { channels, height, width, pixels, labels })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of bytes of one image, C·H·W.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// The C×H×W bytes of image `index`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.image_len()..][..self.image_len()]
    }

    /// The rows above and the columns left of an image that is centred in the network's 32×32 input.
    ///
    /// # Panics
    /// If images are larger than 32×32. Opened data sets never contain such images.
    pub fn margins(&self) -> (usize, usize) {
        margins(self.height, self.width)
    }

    /// Image `index` as engines present it to the network: centred in C×32×32 bytes and surrounded by zeros.
    ///
    /// # Panics
    /// If there is no such image, or it is larger than 32×32.
    pub fn padded_image(&self, index: usize) -> Vec<u8> {
        pad(self.select(&[index])).pixels
    }

    /// The first 16 hexadecimal digits of a SHA-256 over the size, the labels and the pixels.
    pub fn fingerprint(&self) -> String {
        self.fingerprint_of_first(self.len())
    }

    /// The fingerprint of the first `count` images, without a copy of them.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn fingerprint_of_first(&self, count: usize) -> String {
        let mut hash = Sha256::new();
        for side in [self.channels, self.height, self.width, count] {
            hash.update((side as u64).to_le_bytes());
        }
        for label in &self.labels[..count] {
            hash.update(label.to_le_bytes());
        }
        hash.update(&self.pixels[..count * self.image_len()]);
        hash::short(hash)
    }

    /// The number of classes that the labels imply: the largest label plus 1.
    pub fn classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&label| usize::from(label) + 1)
    }

    /// A copy of the images at these indices, in this order.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        indices.iter().for_each(|&index| pixels.extend_from_slice(self.image(index)));
        Self { pixels, labels: indices.iter().map(|&index| self.labels[index]).collect(), ..*self }
    }

    /// The bytes that [`Self::transpose`] takes: a plane for each thread.
    pub(super) fn transposition_memory(&self) -> u64 {
        let threads = (self.len() * self.channels).div_ceil(MIN_PLANES_PER_THREAD);
        threads.min(rayon::current_num_threads()) as u64 * (self.height * self.width) as u64
    }

    /// Exchanges the rows and the columns of each image. In place, but for one plane per thread.
    pub(super) fn transpose(&mut self) {
        let (height, width) = (self.height, self.width);
        let planes = self.pixels.par_chunks_exact_mut(height * width).with_min_len(MIN_PLANES_PER_THREAD);
        planes.for_each_init(
            || vec![0; height * width],
            |copy, plane| {
                copy.copy_from_slice(plane);
                for (column, pixels) in plane.chunks_exact_mut(height).enumerate() {
                    let of_column = copy[column..].iter().step_by(width);
                    pixels.iter_mut().zip(of_column).for_each(|(to, from)| *to = *from);
                }
            },
        );
        (self.height, self.width) = (width, height);
    }

    /// Removes the images at these ascending indices and returns them. The others keep their order. In place, so that
    /// memory for the removed ones suffices.
    pub(super) fn take(&mut self, indices: &[usize]) -> Self {
        let (taken, len) = (self.select(indices), self.image_len());
        let (mut taken_next, mut kept) = (indices.iter().peekable(), 0);
        for index in 0..self.len() {
            if taken_next.next_if(|&&next| next == index).is_none() {
                self.pixels.copy_within(index * len..(index + 1) * len, kept * len);
                self.labels[kept] = self.labels[index];
                kept += 1;
            }
        }
        self.truncated_in_place(kept);
        taken
    }

    /// The first `count` images, or all if there are fewer.
    pub(super) fn truncated(mut self, count: usize) -> Self {
        self.truncated_in_place(count);
        self
    }

    fn truncated_in_place(&mut self, count: usize) {
        self.pixels.truncate(count * self.image_len());
        self.pixels.shrink_to_fit();
        self.labels.truncate(count);
    }

    /// A copy of the first `count` images, or of all if there are fewer.
    pub(super) fn first(&self, count: usize) -> Self {
        self.chunk(0, count)
    }

    /// A copy of `count` images from image `first` on, or of those that there are.
    pub(crate) fn chunk(&self, first: usize, count: usize) -> Self {
        let end = first.saturating_add(count).min(self.len());
        let len = self.image_len();
        Self {
            pixels: self.pixels[first * len..end * len].to_vec(),
            labels: self.labels[first..end].to_vec(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_matching_lengths_form_an_image_set() {
        let images = ImageSet::new(3, 2, 1, (0..12).collect(), vec![4, 0]).unwrap();
        assert_eq!((images.len(), images.image_len(), images.classes()), (2, 6, 5));
        assert_eq!(images.image(1), [6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn arrays_of_other_lengths_are_rejected() {
        for found in [0, 11, 13] {
            let error = ImageSet::new(3, 2, 1, vec![0; found], vec![0, 1]).unwrap_err();
            assert_eq!(error, ImageSetError::PixelCount { images: 2, expected: 12, found });
        }
        let huge = ImageSet::new(1, usize::MAX, usize::MAX, vec![0], vec![0]);
        assert!(matches!(huge, Err(ImageSetError::PixelCount { found: 1, .. })), "{huge:?}");
    }

    #[test]
    fn empty_sets_empty_images_and_other_channel_counts_are_rejected() {
        assert_eq!(ImageSet::new(1, 1, 1, vec![], vec![]), Err(ImageSetError::Empty));
        assert_eq!(ImageSet::new(1, 0, 1, vec![], vec![0]), Err(ImageSetError::Size { height: 0, width: 1 }));
        for channels in [0, 2, 4] {
            let set = ImageSet::new(channels, 1, 1, vec![0; channels], vec![0]);
            assert_eq!(set, Err(ImageSetError::Channels { channels }));
        }
    }

    #[test]
    fn transposing_exchanges_rows_and_columns_of_each_plane() {
        let pixels = vec![1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16];
        let mut images = ImageSet::new(1, 2, 3, pixels.clone(), vec![0, 1]).unwrap();
        images.transpose();
        let transposed = ImageSet::new(1, 3, 2, vec![1, 4, 2, 5, 3, 6, 11, 14, 12, 15, 13, 16], vec![0, 1]);
        assert_eq!(images, transposed.unwrap());
        images.transpose();
        assert_eq!((images.height, images.pixels), (2, pixels));
    }

    #[test]
    fn taken_images_are_removed_from_the_others() {
        let mut images = ImageSet::new(1, 1, 2, (0..10).collect(), vec![0, 1, 2, 3, 4]).unwrap();
        let taken = images.take(&[1, 4]);
        assert_eq!((&taken.pixels[..], &taken.labels[..]), (&[2, 3, 8, 9][..], &[1, 4][..]));
        assert_eq!((&images.pixels[..], &images.labels[..]), (&[0, 1, 4, 5, 6, 7][..], &[0, 2, 3][..]));
        assert_eq!(images.take(&[]).len(), 0);
        assert_eq!(images.truncated(1).pixels, [0, 1]);
    }

    #[test]
    fn the_fingerprint_depends_on_the_size_the_labels_and_the_pixels() {
        let set = |height, width, pixels: &[u8], label| {
            ImageSet::new(1, height, width, pixels.to_vec(), vec![label]).unwrap().fingerprint()
        };
        let reference = set(1, 2, &[3, 4], 5);
        assert_eq!(reference.len(), 16);
        assert_eq!(reference, set(1, 2, &[3, 4], 5));
        for other in [set(2, 1, &[3, 4], 5), set(1, 2, &[3, 5], 5), set(1, 2, &[3, 4], 6)] {
            assert_ne!(reference, other);
        }
    }
}
