//! Synthetic images. Their content does not affect how long training takes.

use crate::data::ImageSet;
use crate::random::{Draws, Purpose};

/// The number of classes of the synthetic images.
pub const CLASSES: usize = 10;

const SIDE: usize = 28;

/// The bytes of a synthetic image with its label.
pub const SYNTHETIC_BYTES: u64 = (SIDE * SIDE + size_of::<u16>()) as u64;

/// Returns 28×28 greyscale images, the size of MNIST's, with random pixels and labels.
pub fn synthetic(count: usize, seed: u64) -> ImageSet {
    let mut draws = Draws::new(Purpose::Bench, seed, 0);
    let pixels = (0..count * SIDE * SIDE).map(|_| draws.below(256) as u8).collect();
    let labels = (0..count).map(|_| draws.below(CLASSES as u32) as u16).collect();
    ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_images_depend_on_the_seed_alone() {
        assert_eq!(synthetic(3, 1), synthetic(3, 1));
        assert_ne!(synthetic(3, 1), synthetic(3, 2));
        assert!(synthetic(200, 1).labels.iter().all(|&label| usize::from(label) < CLASSES));
    }
}
