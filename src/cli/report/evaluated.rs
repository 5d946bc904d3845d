//! What the network of a run does with its test images.

use std::sync::Arc;

use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, LayerOutput, Split};
use crate::evaluate::Evaluation;

/// The number of mistakes that are shown.
const MISTAKES: usize = 32;

/// The number of images whose feature maps are shown.
const SAMPLES: usize = 6;

/// An evaluation with its images.
#[derive(Debug)]
pub struct Evaluated {
    pub images: Arc<ImageSet>,
    pub evaluation: Evaluation,
    /// The indices of the images whose layers are shown.
    pub samples: Vec<usize>,
    /// The outputs of all layers for them.
    pub layers: Vec<LayerOutput>,
    /// What the images are: "10,000 test images of MNIST (built in)".
    pub described: String,
}

impl Evaluated {
    /// Evaluates the parameters that `engine` holds. Its test split is replaced.
    pub fn run(
        engine: &mut dyn Engine,
        images: &Arc<ImageSet>,
        classes: usize,
        described: String,
    ) -> Result<Self, EngineError> {
        let evaluation = Evaluation::run(engine, images, classes, MISTAKES)?;
        let samples = samples(images, classes);
        engine.load(Split::Test, Arc::new(images.select(&samples)))?;
        let layers = engine.activations(Split::Test)?;
        Ok(Self { images: Arc::clone(images), evaluation, samples, layers, described })
    }
}

/// The first image of some classes, evenly spaced among those that have images.
fn samples(images: &ImageSet, classes: usize) -> Vec<usize> {
    let mut first = vec![None; classes];
    for (index, &label) in images.labels.iter().enumerate() {
        if let Some(first) = first.get_mut(usize::from(label)) {
            first.get_or_insert(index);
        }
    }
    let known: Vec<usize> = first.into_iter().flatten().collect();
    let count = known.len().min(SAMPLES);
    (0..count).map(|sample| known[sample * known.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_first_images_of_classes_with_images() {
        let labels = vec![3, 1, 1, 9, 3];
        let images = ImageSet::new(1, 1, 1, vec![0; 5], labels).unwrap();
        assert_eq!(samples(&images, 10), [1, 0, 3]);
        let labels: Vec<u16> = (0..100).collect();
        let images = ImageSet::new(1, 1, 1, vec![0; 100], labels).unwrap();
        assert_eq!(samples(&images, 100), [0, 16, 33, 50, 66, 83]);
    }
}
