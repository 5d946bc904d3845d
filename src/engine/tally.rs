//! Loss and accuracy, summed over samples.

use serde::{Deserialize, Serialize};

use super::SampleOutcome;

/// A running sum of outcomes, accumulated in f64 in the order of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// The number of samples.
    pub samples: usize,
    /// The number of correctly classified samples.
    pub correct: usize,
    /// The sum of the samples' losses.
    pub loss_sum: f64,
}

impl Tally {
    /// Adds the outcome of one sample whose class is `label`.
    pub fn add(&mut self, outcome: &SampleOutcome, label: u16) {
        self.samples += 1;
        self.correct += usize::from(outcome.predicted == u32::from(label));
        self.loss_sum += f64::from(outcome.loss);
    }

    /// Returns the sum of two tallies.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            correct: self.correct + other.correct,
            loss_sum: self.loss_sum + other.loss_sum,
        }
    }

    /// Returns the mean loss, or NaN if there are no samples.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }

    /// Returns the fraction of correctly classified samples, 0 to 1, or NaN if there are no samples.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_compares_predictions_with_labels() {
        let mut tally = Tally::default();
        for (loss, predicted, label) in [(0.5, 3, 3), (1.5, 2, 3), (0.25, 9, 9), (0.75, 0, 0)] {
            tally.add(&SampleOutcome { loss, predicted }, label);
        }
        assert_eq!((tally.loss(), tally.accuracy()), (0.75, 0.75));
    }

    #[test]
    fn small_losses_are_kept_beside_large_ones() {
        let mut tally = Tally::default();
        tally.add(&SampleOutcome { loss: 1e8, predicted: 0 }, 0);
        for _ in 0..1000 {
            tally.add(&SampleOutcome { loss: 1.0, predicted: 0 }, 0);
        }
        assert_eq!(tally.loss_sum, 1e8 + 1000.0);
    }
}
