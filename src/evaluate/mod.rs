//! Evaluation of a model on labelled images: loss, accuracy, per-class scores, confusion matrix, calibration and the
//! worst mistakes.

mod calibration;
mod confusion;
mod ensemble;
mod mistakes;

use std::sync::Arc;

pub use calibration::{CALIBRATION_BINS, Calibration};
pub use confusion::ConfusionMatrix;
pub use ensemble::{EnsembleEvaluation, EnsembleEvaluationError};
pub use mistakes::Mistake;

use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, SampleOutcome, Split, Tally};
use crate::predict::top_classes;

/// The largest number of log-probabilities computed at once, 256 MiB. Only with thousands of classes are there more.
const MAX_LOG_PROBABILITIES: usize = 64 << 20;

/// How well a model classifies a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Loss (negative log-likelihood) and accuracy.
    pub tally: Tally,
    /// The number of images whose label is one of the two most probable classes.
    pub top2: usize,
    /// How often each class was predicted as each class.
    pub confusion: ConfusionMatrix,
    /// Confidence compared with accuracy.
    pub calibration: Calibration,
    /// The mistakes with the highest loss, the highest first.
    pub mistakes: Vec<Mistake>,
}

impl Evaluation {
    /// Evaluates the parameters that `engine` holds on `images`, which replace its test split. Keeps the `max_mistakes`
    /// worst mistakes.
    ///
    /// With very many classes, the engine's test split holds some of the images at a time.
    ///
    /// # Errors
    /// Those of the engine, and [`EngineError::NonFiniteEvaluation`] if the loss of an image is not finite.
    ///
    /// # Panics
    /// If a label is not below `classes`, the network's number of classes.
    pub fn run(
        engine: &mut dyn Engine,
        images: &Arc<ImageSet>,
        classes: usize,
        max_mistakes: usize,
    ) -> Result<Self, EngineError> {
        Self::run_in_chunks(engine, images, classes, max_mistakes, MAX_LOG_PROBABILITIES / classes)
    }

    fn run_in_chunks(
        engine: &mut dyn Engine,
        images: &Arc<ImageSet>,
        classes: usize,
        max_mistakes: usize,
        chunk: usize,
    ) -> Result<Self, EngineError> {
        let mut evaluation = Self::empty(classes);
        for part in chunks(images, chunk) {
            engine.load(Split::Test, Arc::clone(&part))?;
            evaluation.add(&engine.log_probabilities(Split::Test)?, &part.labels, max_mistakes)?;
        }
        Ok(evaluation)
    }

    /// The evaluation of no images.
    fn empty(classes: usize) -> Self {
        Self {
            tally: Tally::default(),
            top2: 0,
            confusion: ConfusionMatrix::new(classes),
            calibration: Calibration::default(),
            mistakes: Vec::new(),
        }
    }

    /// Adds N images by their N×K log-probabilities and N labels.
    fn add(
        &mut self,
        log_probabilities: &[f32],
        labels: &[u16],
        max_mistakes: usize,
    ) -> Result<(), EngineError> {
        let (classes, first) = (self.confusion.classes(), self.tally.samples);
        assert_eq!(log_probabilities.len(), labels.len() * classes, "every image has K log-probabilities");
        for (index, (row, &label)) in log_probabilities.chunks_exact(classes).zip(labels).enumerate() {
            let (image, class) = (first + index, usize::from(label));
            let loss = -row[class];
            if !loss.is_finite() {
                return Err(EngineError::NonFiniteEvaluation { sample: image });
            }
            let top2 = top_classes(row, 2);
            let (predicted, probability) = (top2[0].class, top2[0].probability);
            self.tally.add(&SampleOutcome { loss, predicted: predicted as u32 }, label);
            self.top2 += usize::from(top2.iter().any(|ranked| ranked.class == class));
            self.confusion.add(class, predicted);
            self.calibration.add(probability, predicted == class);
            if predicted != class {
                self.mistakes.push(Mistake { image, label: class, predicted, probability, loss });
            }
        }
        mistakes::keep_worst(&mut self.mistakes, max_mistakes);
        Ok(())
    }

    /// Returns the fraction of images whose label is one of the two most probable classes, 0 to 1, or NaN if there are
    /// no images.
    pub fn top2_accuracy(&self) -> f64 {
        self.top2 as f64 / self.tally.samples as f64
    }
}

/// Splits images into sets of at most `chunk` images, or of one.
fn chunks(images: &Arc<ImageSet>, chunk: usize) -> impl Iterator<Item = Arc<ImageSet>> {
    (0..images.len()).step_by(chunk.max(1)).map(move |first| match images.len() <= chunk {
        true => Arc::clone(images),
        false => Arc::new(images.chunk(first, chunk.max(1))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuEngine;
    use crate::engine::Setup;
    use crate::model::{Init, LeNet5, ParameterTable};

    /// Three images of three classes.
    const PROBABILITIES: [f32; 9] = [0.7, 0.2, 0.1, 0.5, 0.3, 0.2, 0.1, 0.6, 0.3];

    fn evaluation(labels: &[u16], max_mistakes: usize) -> Evaluation {
        let mut evaluation = Evaluation::empty(3);
        evaluation.add(&PROBABILITIES.map(f32::ln), labels, max_mistakes).unwrap();
        evaluation
    }

    #[test]
    fn a_label_ranked_second_counts_for_top_2_only() {
        let found = evaluation(&[0, 1, 0], 10);
        assert_eq!((found.tally.samples, found.tally.correct, found.top2), (3, 1, 2));
        assert_eq!(found.confusion.count(1, 0), 1);
        let mistakes: Vec<_> = found.mistakes.iter().map(|it| (it.image, it.label, it.predicted)).collect();
        assert_eq!(mistakes, [(2, 0, 1), (1, 1, 0)]);
    }

    #[test]
    fn only_the_worst_mistakes_are_kept() {
        assert_eq!(evaluation(&[0, 1, 0], 1).mistakes.iter().map(|it| it.image).collect::<Vec<_>>(), [2]);
        assert!(evaluation(&[0, 1, 0], 0).mistakes.is_empty());
    }

    #[test]
    fn an_evaluation_in_chunks_equals_one_of_all_images() {
        let network = LeNet5::new(1, 3);
        let mut engine = CpuEngine::new(&Setup::new(network, 1));
        engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), 1)).unwrap();
        let pixels = (0..7 * 784).map(|index| (index * index / 7) as u8).collect();
        let images = Arc::new(ImageSet::new(1, 28, 28, pixels, vec![0, 1, 2, 2, 1, 0, 1]).unwrap());
        let whole = Evaluation::run(&mut engine, &images, 3, 3).unwrap();
        for chunk in [0, 2, 3, 7] {
            let parts = Evaluation::run_in_chunks(&mut engine, &images, 3, 3, chunk).unwrap();
            assert_eq!(parts, whole, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_non_finite_loss_is_reported_with_its_image() {
        let logs = [0.5f32.ln(), 0.5f32.ln(), f32::NAN, f32::NAN];
        let error = Evaluation::empty(2).add(&logs, &[0, 1], 0).unwrap_err();
        assert!(matches!(error, EngineError::NonFiniteEvaluation { sample: 1 }));
    }
}
