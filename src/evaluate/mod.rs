//! What a model is worth, from the log-probabilities that it gave the images of a part and from their labels.

mod calibration;
mod confusion;
mod mistakes;

pub use calibration::{BINS, Bin, Calibration};
pub use confusion::{Confusion, Pair, Scores};
pub use mistakes::Mistake;

use crate::engine::{EngineError, SampleOutcome};
use crate::predict::ranked;
use crate::train::Tally;

/// Everything that is told of a model on a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Loss, −log p of the label, and accuracy.
    pub tally: Tally,
    /// Images whose label is one of the two likeliest classes.
    pub top2: usize,
    pub confusion: Confusion,
    pub calibration: Calibration,
    /// Those that went most wrong, the worst first.
    pub mistakes: Vec<Mistake>,
}

impl Evaluation {
    /// Evaluates N×K log-probabilities against N labels, and keeps the `most_mistakes` worst mistakes.
    ///
    /// # Errors
    /// [`EngineError::NonFiniteEvaluation`] where a label's probability is not finite.
    ///
    /// # Panics
    /// Where there are not K values for each label, or a label is no class: callers' errors.
    pub fn new(
        log_probabilities: &[f32],
        labels: &[u16],
        classes: usize,
        most_mistakes: usize,
    ) -> Result<Self, EngineError> {
        assert_eq!(log_probabilities.len(), labels.len() * classes, "every image has K log-probabilities");
        let mut evaluation = Self {
            tally: Tally::default(),
            top2: 0,
            confusion: Confusion::new(classes),
            calibration: Calibration::default(),
            mistakes: Vec::new(),
        };
        for (image, (row, &label)) in log_probabilities.chunks_exact(classes).zip(labels).enumerate() {
            let class = usize::from(label);
            let loss = -row[class];
            if !loss.is_finite() {
                return Err(EngineError::NonFiniteEvaluation { sample: image });
            }
            let likeliest = ranked(row, 2);
            let (predicted, probability) = (likeliest[0].class, likeliest[0].probability);
            evaluation.tally.add(&SampleOutcome { loss, predicted: predicted as u32 }, label);
            evaluation.top2 += usize::from(likeliest.iter().any(|one| one.class == class));
            evaluation.confusion.add(class, predicted);
            evaluation.calibration.add(probability, predicted == class);
            if predicted != class {
                evaluation.mistakes.push(Mistake { image, label: class, predicted, probability, loss });
            }
        }
        mistakes::keep_worst(&mut evaluation.mistakes, most_mistakes);
        Ok(evaluation)
    }

    /// The fraction of images whose label is one of the two likeliest classes; no number where there are none.
    pub fn top2_accuracy(&self) -> f64 {
        self.top2 as f64 / self.tally.samples as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three images of three classes.
    const PROBABILITIES: [f32; 9] = [0.7, 0.2, 0.1, 0.5, 0.3, 0.2, 0.1, 0.6, 0.3];

    fn evaluation(labels: &[u16], most_mistakes: usize) -> Evaluation {
        Evaluation::new(&PROBABILITIES.map(f32::ln), labels, 3, most_mistakes).unwrap()
    }

    #[test]
    fn a_label_in_second_place_counts_for_the_top_two_alone() {
        let found = evaluation(&[0, 1, 0], 10);
        assert_eq!((found.tally.samples, found.tally.correct, found.top2), (3, 1, 2));
        assert_eq!(found.confusion.count(1, 0), 1);
        let wrong: Vec<_> = found.mistakes.iter().map(|it| (it.image, it.label, it.predicted)).collect();
        assert_eq!(wrong, [(2, 0, 1), (1, 1, 0)]);
    }

    #[test]
    fn no_more_mistakes_are_kept_than_are_asked_for_and_the_worst_are() {
        assert_eq!(evaluation(&[0, 1, 0], 1).mistakes.iter().map(|it| it.image).collect::<Vec<_>>(), [2]);
        assert!(evaluation(&[0, 1, 0], 0).mistakes.is_empty());
    }

    #[test]
    fn a_loss_that_is_not_finite_is_told_with_its_image() {
        let logs = [0.5f32.ln(), 0.5f32.ln(), f32::NAN, f32::NAN];
        let error = Evaluation::new(&logs, &[0, 1], 2, 0).unwrap_err();
        assert!(matches!(error, EngineError::NonFiniteEvaluation { sample: 1 }));
    }
}
