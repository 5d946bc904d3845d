//! Summarising repeated runs. All measures are robust: a single disturbed run changes neither the median nor the
//! spread.

use serde::{Deserialize, Serialize};

/// The factor from the median absolute deviation to the standard deviation, for normally distributed values (Rousseeuw
/// and Croux, "Alternatives to the median absolute deviation", 1993).
const MAD_TO_STANDARD_DEVIATION: f64 = 1.4826;

/// A value is an outlier if 0.6745 times its distance from the median exceeds this many median absolute deviations
/// (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993).
const OUTLIER_SCORE: f64 = 3.5;

/// The values of repeated runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub median: f64,
    /// The robust standard deviation divided by the median: 0.02 is 2 %.
    pub spread: f64,
    /// The values, in the order of measurement.
    pub values: Vec<f64>,
}

impl Summary {
    /// Summarises values.
    ///
    /// # Panics
    /// If there are no values.
    pub fn of(values: Vec<f64>) -> Self {
        let median = median(&values);
        let spread =
            if median == 0.0 { 0.0 } else { MAD_TO_STANDARD_DEVIATION * deviation(&values, median) / median };
        Self { median, spread, values }
    }

    /// The number of values that are too far from the median to be due to chance.
    pub fn outliers(&self) -> usize {
        let bound = OUTLIER_SCORE / 0.6745 * deviation(&self.values, self.median);
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
    assert!(!values.is_empty(), "a median needs at least one value");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_run_is_an_outlier_and_changes_no_measure() {
        let calm = Summary::of(vec![10.0, 10.1, 9.9, 10.2, 9.8]);
        let disturbed = Summary::of(vec![10.0, 10.1, 9.9, 55.0, 9.8]);
        assert_eq!(calm.median, disturbed.median);
        assert!((calm.spread - disturbed.spread).abs() < 1e-9, "{calm:?} {disturbed:?}");
        assert!((calm.spread - 0.014826).abs() < 1e-9);
        assert_eq!((calm.outliers(), disturbed.outliers()), (0, 1));
    }

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!(Summary::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn a_single_value_has_no_spread() {
        let one = Summary::of(vec![3.0]);
        assert_eq!((one.median, one.spread, one.outliers()), (3.0, 0.0, 0));
    }
}
