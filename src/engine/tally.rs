//! Loss and accuracy, summed over samples.

use serde::{Deserialize, Serialize};

use super::{ClassWeights, SampleOutcome};

/// A running sum of outcomes, accumulated in f64 in the order of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// The number of samples.
    pub samples: usize,
    /// The number of correctly classified samples.
    pub correct: usize,
    /// The sum of the samples' losses, which class weights multiply.
    pub loss_sum: f64,
    /// The sum of the class weights of the samples' labels; `None` without class weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

impl Tally {
    /// Adds the outcome of one sample whose class is `label`.
    pub fn add(&mut self, outcome: &SampleOutcome, label: u16) {
        self.samples += 1;
        self.correct += usize::from(outcome.predicted == u32::from(label));
        self.loss_sum += f64::from(outcome.loss);
    }

    /// Adds the outcome of one sample, whose class is `label`, in training with class weights.
    pub fn add_weighted(&mut self, outcome: &SampleOutcome, label: u16, weights: &ClassWeights) {
        self.add(outcome, label);
        self.weight = Some(self.weight.unwrap_or(0.0) + weights.sum([usize::from(label)]));
    }

    /// Returns the sum of two tallies.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            correct: self.correct + other.correct,
            loss_sum: self.loss_sum + other.loss_sum,
            weight: match (self.weight, other.weight) {
                (Some(weight), Some(other)) => Some(weight + other),
                (weight, other) => weight.or(other),
            },
        }
    }

    /// Returns the outcomes that were added since `before`, an earlier state of this tally.
    #[cfg(feature = "cli")]
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            samples: self.samples.saturating_sub(before.samples),
            correct: self.correct.saturating_sub(before.correct),
            loss_sum: self.loss_sum - before.loss_sum,
            weight: self.weight.map(|weight| weight - before.weight.unwrap_or(0.0)),
        }
    }

    /// Returns the mean loss, or NaN if there are no samples. With class weights it is a weighted mean, as in PyTorch: the
    /// sum of the losses, which the weights multiply, divided by the sum of the weights; 0 if all weights are 0.
    pub fn loss(&self) -> f64 {
        match self.weight {
            None => self.loss_sum / self.samples as f64,
            Some(0.0) => 0.0,
            Some(weight) => self.loss_sum / weight,
        }
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
    fn a_weighted_mean_divides_by_the_weights() {
        let weights = ClassWeights::new(vec![0.5, 2.0]).unwrap();
        let tally = |outcomes: &[(f32, u16)]| {
            let mut tally = Tally::default();
            for &(loss, label) in outcomes {
                tally.add_weighted(&SampleOutcome { loss, predicted: 0 }, label, &weights);
            }
            tally
        };
        let (first, second) = (tally(&[(0.25, 0), (3.0, 1)]), tally(&[(1.0, 0)]));
        assert_eq!(Tally::default().plus(&first).plus(&second).loss(), 4.25 / 3.0);
        assert_eq!(first.plus(&second), tally(&[(0.25, 0), (3.0, 1), (1.0, 0)]));
        assert_eq!(Tally { samples: 1, weight: Some(0.0), ..Tally::default() }.loss(), 0.0);
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
