//! Evaluation of a model on labelled images: loss, accuracy, per-class scores, confusion matrix, calibration and the
//! worst mistakes.

mod calibration;
mod confusion;
mod mistakes;

use std::sync::Arc;

pub use calibration::{CALIBRATION_BINS, Calibration};
pub use confusion::ConfusionMatrix;
pub use mistakes::Mistake;

use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, SampleOutcome, Split, Tally};
use crate::predict::top_classes;

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
        engine.load(Split::Test, Arc::clone(images))?;
        let log_probabilities = engine.log_probabilities(Split::Test)?;
        Self::new(&log_probabilities, &images.labels, classes, max_mistakes)
    }

    /// Evaluates N×K log-probabilities against N labels. Keeps the `max_mistakes` worst mistakes.
    ///
    /// # Errors
    /// [`EngineError::NonFiniteEvaluation`] if the loss of an image is not finite.
    ///
    /// # Panics
    /// If there are not `classes` log-probabilities for each label, or a label is not below `classes`.
    pub fn new(
        log_probabilities: &[f32],
        labels: &[u16],
        classes: usize,
        max_mistakes: usize,
    ) -> Result<Self, EngineError> {
        assert_eq!(log_probabilities.len(), labels.len() * classes, "every image has K log-probabilities");
        let mut evaluation = Self {
            tally: Tally::default(),
            top2: 0,
            confusion: ConfusionMatrix::new(classes),
            calibration: Calibration::default(),
            mistakes: Vec::new(),
        };
        for (image, (row, &label)) in log_probabilities.chunks_exact(classes).zip(labels).enumerate() {
            let class = usize::from(label);
            let loss = -row[class];
            if !loss.is_finite() {
                return Err(EngineError::NonFiniteEvaluation { sample: image });
            }
            let top2 = top_classes(row, 2);
            let (predicted, probability) = (top2[0].class, top2[0].probability);
            evaluation.tally.add(&SampleOutcome { loss, predicted: predicted as u32 }, label);
            evaluation.top2 += usize::from(top2.iter().any(|ranked| ranked.class == class));
            evaluation.confusion.add(class, predicted);
            evaluation.calibration.add(probability, predicted == class);
            if predicted != class {
                evaluation.mistakes.push(Mistake { image, label: class, predicted, probability, loss });
            }
        }
        mistakes::keep_worst(&mut evaluation.mistakes, max_mistakes);
        Ok(evaluation)
    }

    /// Returns the fraction of images whose label is one of the two most probable classes, 0 to 1, or NaN if there are
    /// no images.
    pub fn top2_accuracy(&self) -> f64 {
        self.top2 as f64 / self.tally.samples as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three images of three classes.
    const PROBABILITIES: [f32; 9] = [0.7, 0.2, 0.1, 0.5, 0.3, 0.2, 0.1, 0.6, 0.3];

    fn evaluation(labels: &[u16], max_mistakes: usize) -> Evaluation {
        Evaluation::new(&PROBABILITIES.map(f32::ln), labels, 3, max_mistakes).unwrap()
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
    fn a_non_finite_loss_is_reported_with_its_image() {
        let logs = [0.5f32.ln(), 0.5f32.ln(), f32::NAN, f32::NAN];
        let error = Evaluation::new(&logs, &[0, 1], 2, 0).unwrap_err();
        assert!(matches!(error, EngineError::NonFiniteEvaluation { sample: 1 }));
    }
}
