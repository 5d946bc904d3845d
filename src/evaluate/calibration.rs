//! Whether a model is as sure as it is right.

/// How many bins of equal width confidences are sorted into.
pub const BINS: usize = 15;

/// Predictions of about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    pub images: usize,
    pub correct: usize,
    /// The sum of the predicted classes' probabilities.
    pub confidence_sum: f64,
}

/// Predictions by their confidence, which is the predicted class's probability: bin m of M = 15, counted from 1,
/// has those in ((m − 1)/M, m/M], and the first also 0.
///
/// The expected calibration error is ECE = Σ_m |B_m|/n · |accuracy(B_m) − mean confidence(B_m)| (Naeini, Cooper and
/// Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015, in the form that Guo et
/// al., "On Calibration of Modern Neural Networks", 2017, equation 3, gave it, with their 15 bins).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    bins: [Bin; BINS],
}

impl Calibration {
    /// Counts one prediction in.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        // A softmax in f32 may exceed 1 by a rounding.
        let place = (confidence * BINS as f64).ceil() as usize;
        let bin = &mut self.bins[place.clamp(1, BINS) - 1];
        bin.images += 1;
        bin.correct += usize::from(correct);
        bin.confidence_sum += confidence;
    }

    /// From the least confident to the most.
    pub fn bins(&self) -> &[Bin; BINS] {
        &self.bins
    }

    /// The expected calibration error, from 0 to 1; no number where nothing was counted.
    pub fn error(&self) -> f64 {
        let images: usize = self.bins.iter().map(|bin| bin.images).sum();
        // |B|/n · |correct/|B| − confidence/|B||, without the division by what may be 0.
        let apart: f64 = self.bins.iter().map(|bin| (bin.correct as f64 - bin.confidence_sum).abs()).sum();
        apart / images as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roundings of f64.
    const ROUNDING: f64 = 1e-12;

    #[test]
    fn the_error_is_the_mean_distance_of_confidence_and_accuracy_bin_by_bin() {
        let mut calibration = Calibration::default();
        // In (14/15, 1]: two, of 0.95 and 0.97, one of them right. In (7/15, 8/15]: two of 0.5, both right.
        for (confidence, correct) in [(0.95, true), (0.97, false), (0.5, true), (0.5, true)] {
            calibration.add(confidence, correct);
        }
        let expected = 2.0 / 4.0 * (0.96 - 0.5) + 2.0 / 4.0 * (1.0 - 0.5);
        assert!((calibration.error() - expected).abs() < ROUNDING);
        assert_eq!((calibration.bins()[14].images, calibration.bins()[7].images), (2, 2));
    }

    #[test]
    fn an_edge_belongs_to_the_bin_below_it() {
        let mut calibration = Calibration::default();
        for confidence in [0.0, 0.2, 1.0, 1.0 + 1e-7] {
            calibration.add(confidence, true);
        }
        let images = calibration.bins().map(|bin| bin.images);
        assert_eq!((images[0], images[2], images[14]), (1, 1, 2));
    }
}
