//! A validation part, held back from the images to train on.

use std::sync::Arc;

use super::{Dataset, ImageSet};
use crate::random::{Draws, Purpose};

impl Dataset {
    /// Holds back a share of the training images, drawn from the seed, for validation. Each part keeps
    /// the order that the images had, and has one at the least.
    ///
    /// # Panics
    /// Where the share is not between 0 and 1, or there are less than two training images.
    pub fn hold_out(self, share: f64, seed: u64) -> Self {
        let mut draws = Draws::new(Purpose::Validation, seed, 0);
        let (validation, train) = draw_share(self.train.len(), share, &mut draws);
        let (validation, train) = (self.train.picked(&validation), self.train.picked(&train));
        Self { train: Arc::new(train), validation: Some(Arc::new(validation)), ..self }
    }
}

/// Draws a share of the places 0..`samples`, and tells it and the rest, each of at least one place, rising.
///
/// # Panics
/// Where the share is not between 0 and 1, or there are less than two places.
pub(super) fn draw_share(samples: usize, share: f64, draws: &mut Draws) -> (Vec<usize>, Vec<usize>) {
    assert!(share > 0.0 && share < 1.0, "a share lies between 0 and 1");
    assert!(samples >= 2, "both parts have an image");
    let held = ((samples as f64 * share).round() as usize).clamp(1, samples - 1);
    // Fisher and Yates' shuffle, as far as it is needed.
    let mut drawn: Vec<usize> = (0..samples).collect();
    for place in 0..held {
        drawn.swap(place, place + draws.below((samples - place) as u32) as usize);
    }
    let mut rest = drawn.split_off(held);
    drawn.sort_unstable();
    rest.sort_unstable();
    (drawn, rest)
}

impl ImageSet {
    /// The images at these places, in this order.
    pub(super) fn picked(&self, places: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(places.len() * self.image_len());
        places.iter().for_each(|&place| pixels.extend_from_slice(self.image(place)));
        Self { pixels, labels: places.iter().map(|&place| self.labels[place]).collect(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Fit;

    /// Images of one pixel, each its own number.
    fn dataset(samples: u8) -> Dataset {
        let split = |samples: u8| {
            let (pixels, labels) = ((0..samples).collect(), (0..samples.into()).collect());
            Arc::new(ImageSet { channels: 1, height: 1, width: 1, pixels, labels })
        };
        Dataset {
            name: "numbers".to_owned(),
            classes: samples.into(),
            class_names: None,
            fit: Fit::Pad,
            train: split(samples),
            validation: None,
            test: split(2),
        }
    }

    fn parts(share: f64, seed: u64) -> (Vec<u8>, Vec<u8>) {
        let cut = dataset(100).hold_out(share, seed);
        let validation = cut.validation.unwrap();
        let labels: Vec<u8> = cut.train.labels.iter().map(|&label| label as u8).collect();
        assert_eq!(labels, cut.train.pixels, "a label stays with its image");
        (cut.train.pixels.clone(), validation.pixels.clone())
    }

    #[test]
    fn the_parts_share_no_image_and_lack_none() {
        let (train, validation) = parts(0.15, 3);
        assert_eq!((train.len(), validation.len()), (85, 15));
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..100));
    }

    #[test]
    fn the_seed_decides_which_images_are_held_back() {
        assert_eq!(parts(0.2, 1), parts(0.2, 1));
        assert_ne!(parts(0.2, 1), parts(0.2, 2));
    }

    #[test]
    fn each_part_has_an_image_at_the_least() {
        for (share, held) in [(1e-9, 1), (0.999_999, 99)] {
            assert_eq!(parts(share, 0).1.len(), held);
        }
    }
}
