//! Calibration: whether a model's confidence matches its accuracy.

/// The number of confidence bins, all of the same width.
pub const CALIBRATION_BINS: usize = 15;

/// The predictions whose confidence falls into one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationBin {
    /// The number of images.
    pub images: usize,
    /// The number of correctly classified images.
    pub correct: usize,
    /// The sum of the predicted classes' probabilities.
    pub confidence_sum: f64,
}

/// Predictions grouped by confidence, which is the predicted class's probability. Bin m of M = 15, counted from 1,
/// holds the confidences in ((m − 1)/M, m/M]; the first also holds 0.
///
/// The expected calibration error is ECE = Σ_m |B_m|/n · |accuracy(B_m) − mean confidence(B_m)| (Naeini, Cooper and
/// Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015; here as in equation 3 of Guo et
/// al., "On Calibration of Modern Neural Networks", 2017, with their 15 bins).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    bins: [CalibrationBin; CALIBRATION_BINS],
}

impl Calibration {
    /// Adds one prediction.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        // A softmax in f32 may exceed 1 by a rounding error.
        let number = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
        let bin = &mut self.bins[number.clamp(1, CALIBRATION_BINS) - 1];
        bin.images += 1;
        bin.correct += usize::from(correct);
        bin.confidence_sum += confidence;
    }

    /// The bins, from the lowest confidence to the highest.
    pub fn bins(&self) -> &[CalibrationBin; CALIBRATION_BINS] {
        &self.bins
    }

    /// Returns the expected calibration error, 0 to 1, or NaN if no prediction was added.
    pub fn expected_error(&self) -> f64 {
        let images: usize = self.bins.iter().map(|bin| bin.images).sum();
        // |B|/n · |correct/|B| − confidence/|B|| = |correct − confidence|/n, which also works for empty bins.
        let gap: f64 = self.bins.iter().map(|bin| (bin.correct as f64 - bin.confidence_sum).abs()).sum();
        gap / images as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: f64 = 1e-12;

    #[test]
    fn the_expected_error_averages_the_gaps_between_confidence_and_accuracy() {
        let mut calibration = Calibration::default();
        // In (14/15, 1]: 0.95 and 0.97, one of them correct. In (7/15, 8/15]: 0.5 twice, both correct.
        for (confidence, correct) in [(0.95, true), (0.97, false), (0.5, true), (0.5, true)] {
            calibration.add(confidence, correct);
        }
        let expected = 2.0 / 4.0 * (0.96 - 0.5) + 2.0 / 4.0 * (1.0 - 0.5);
        assert!((calibration.expected_error() - expected).abs() < TOLERANCE);
        assert_eq!((calibration.bins()[14].images, calibration.bins()[7].images), (2, 2));
    }

    #[test]
    fn a_confidence_on_an_edge_falls_into_the_lower_bin() {
        let mut calibration = Calibration::default();
        for confidence in [0.0, 0.2, 1.0, 1.0 + 1e-7] {
            calibration.add(confidence, true);
        }
        let images = calibration.bins().map(|bin| bin.images);
        assert_eq!((images[0], images[2], images[14]), (1, 1, 2));
    }
}
