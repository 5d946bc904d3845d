//! Holding out validation images from the training images.

use std::sync::Arc;

use super::Dataset;
use crate::random::{Draws, Purpose};

impl Dataset {
    /// Moves a random share of the training images, drawn from the seed, to [`Dataset::validation`]. Both sets keep
    /// the order of their images and have at least one. A warning names classes that lose all training images.
    ///
    /// # Panics
    /// If there are validation images already, the share is not strictly between 0 and 1, or there are fewer than two
    /// training images.
    pub fn hold_out(self, share: f64, seed: u64) -> Self {
        assert!(self.validation.is_none(), "the data set has validation images already");
        let mut draws = Draws::new(Purpose::Validation, seed, 0);
        let (validation, _) = draw_share(self.train.len(), share, &mut draws);
        let known = self.classes_without_training_images();
        let mut train = Arc::unwrap_or_clone(self.train);
        let validation = train.take(&validation);
        let data = Self { train: Arc::new(train), validation: Some(Arc::new(validation)), ..self };
        data.warn_of_lost_classes(&known, "holding out validation images");
        data
    }
}

/// Draws a share of the indices 0..`samples`. Returns the drawn ones and the rest, each ascending and not empty.
///
/// # Panics
/// If the share is not strictly between 0 and 1, or there are fewer than two samples.
fn draw_share(samples: usize, share: f64, draws: &mut Draws) -> (Vec<usize>, Vec<usize>) {
    assert!(share > 0.0 && share < 1.0, "a share must be between 0 and 1, not {share}");
    assert!(samples >= 2, "at least two samples are required, not {samples}");
    let count = ((samples as f64 * share).round() as usize).clamp(1, samples - 1);
    // The first `count` swaps of a Fisher–Yates shuffle.
    let mut drawn: Vec<usize> = (0..samples).collect();
    for position in 0..count {
        drawn.swap(position, position + draws.below((samples - position) as u32) as usize);
    }
    let mut rest = drawn.split_off(count);
    drawn.sort_unstable();
    rest.sort_unstable();
    (drawn, rest)
}

/// Draws a share of the indices of each class that has images, at least one and not all. Returns them ascending, or a class
/// with a single image.
///
/// # Panics
/// If the share is not strictly between 0 and 1, or a label is not one of the classes.
pub(super) fn draw_of_each_class(
    labels: &[u16],
    classes: usize,
    share: f64,
    seed: u64,
) -> Result<Vec<usize>, usize> {
    let mut of_class = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        of_class[usize::from(label)].push(index);
    }
    let mut drawn = Vec::new();
    for (class, indices) in of_class.iter().enumerate() {
        match indices.len() {
            0 => continue,
            1 => return Err(class),
            count => {
                let mut draws = Draws::new(Purpose::Test, seed, class as u64);
                drawn.extend(draw_share(count, share, &mut draws).0.into_iter().map(|index| indices[index]));
            }
        }
    }
    drawn.sort_unstable();
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Fit, ImageSet};

    /// Images of one pixel that equals their index and their label.
    fn dataset(samples: u8) -> Dataset {
        let images = |samples: u8| {
            let (pixels, labels) = ((0..samples).collect(), (0..samples.into()).collect());
            Arc::new(ImageSet { channels: 1, height: 1, width: 1, pixels, labels })
        };
        Dataset {
            name: "numbers".to_owned(),
            kind: None,
            classes: samples.into(),
            class_names: None,
            fit: Fit::Pad,
            train: images(samples),
            validation: None,
            test: images(2),
        }
    }

    /// The training and the validation images.
    fn held_out(share: f64, seed: u64) -> (Vec<u8>, Vec<u8>) {
        let data = dataset(100).hold_out(share, seed);
        let validation = data.validation.unwrap();
        let labels: Vec<u8> = data.train.labels.iter().map(|&label| label as u8).collect();
        assert_eq!(labels, data.train.pixels, "a label was separated from its image");
        (data.train.pixels.clone(), validation.pixels.clone())
    }

    #[test]
    fn every_image_is_in_exactly_one_set() {
        let (train, validation) = held_out(0.15, 3);
        assert_eq!((train.len(), validation.len()), (85, 15));
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..100));
    }

    #[test]
    fn the_seed_selects_the_validation_images() {
        assert_eq!(held_out(0.2, 1), held_out(0.2, 1));
        assert_ne!(held_out(0.2, 1), held_out(0.2, 2));
    }

    #[test]
    #[should_panic(expected = "validation images already")]
    fn validation_images_are_not_replaced() {
        dataset(10).hold_out(0.5, 1).hold_out(0.5, 1);
    }

    #[test]
    fn each_set_has_at_least_one_image() {
        for (share, count) in [(1e-9, 1), (0.999_999, 99)] {
            assert_eq!(held_out(share, 0).1.len(), count);
        }
    }
}
