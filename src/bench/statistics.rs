//! Some runs of the same work as one figure. All measures are robust: one run that something else disturbed
//! moves neither the median nor the spread.

use serde::{Deserialize, Serialize};

/// What the median absolute deviation is multiplied by to be the standard deviation of values that are
/// distributed normally (Rousseeuw and Croux, "Alternatives to the median absolute deviation", 1993).
const TO_DEVIATION: f64 = 1.4826;

/// A value is an outlier where its distance from the median is more than so many median absolute deviations over
/// 0.6745 (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993).
const OUTLYING: f64 = 3.5;

/// Values of repeated runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: f64,
    /// The robust standard deviation as a share of the median: 0.02 is 2 %.
    pub spread: f64,
    /// In the order in which they were measured.
    pub values: Vec<f64>,
}

impl Summary {
    /// # Panics
    /// Where there are no values: a caller's error.
    pub fn of(values: Vec<f64>) -> Self {
        let median = median(&values);
        let spread = if median == 0.0 { 0.0 } else { TO_DEVIATION * deviation(&values, median) / median };
        Self { median, spread, values }
    }

    /// How many values are so far from the median that something else must have been at work.
    pub fn outliers(&self) -> usize {
        let bound = OUTLYING / 0.6745 * deviation(&self.values, self.median);
        self.values.iter().filter(|&value| bound > 0.0 && (value - self.median).abs() > bound).count()
    }

    /// The same values in another unit.
    pub fn scaled(&self, factor: f64) -> Self {
        Self {
            median: self.median * factor,
            spread: self.spread,
            values: self.values.iter().map(|value| value * factor).collect(),
        }
    }
}

/// The median absolute deviation.
fn deviation(values: &[f64], median_of_values: f64) -> f64 {
    median(&values.iter().map(|value| (value - median_of_values).abs()).collect::<Vec<_>>())
}

fn median(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "a median is of at least one value");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_run_moves_neither_the_median_nor_the_spread_and_is_an_outlier() {
        let calm = Summary::of(vec![10.0, 10.1, 9.9, 10.2, 9.8]);
        let disturbed = Summary::of(vec![10.0, 10.1, 9.9, 55.0, 9.8]);
        assert_eq!(calm.median, disturbed.median);
        assert!((calm.spread - disturbed.spread).abs() < 1e-9, "{calm:?} {disturbed:?}");
        assert!((calm.spread - 0.014826).abs() < 1e-9);
        assert_eq!((calm.outliers(), disturbed.outliers()), (0, 1));
    }

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(Summary::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn a_single_value_has_no_spread() {
        let one = Summary::of(vec![3.0]);
        assert_eq!((one.median, one.spread, one.outliers()), (3.0, 0.0, 0));
    }
}
