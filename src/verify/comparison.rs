//! Comparing a tensor with its reference.

use super::tolerance;

/// The result of a check for one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The name of the tensor.
    pub tensor: String,
    /// Infinite if a value or its reference is not finite; references should always be finite.
    pub error: f64,
    /// The largest error allowed.
    pub tolerance: f64,
}

impl Finding {
    /// A comparison of `tensor` with its measured error.
    pub fn new(tensor: impl Into<String>, error: f64, tolerance: f64) -> Self {
        Self { tensor: tensor.into(), error, tolerance }
    }

    /// Whether the error is within the tolerance.
    pub fn passed(&self) -> bool {
        self.error <= self.tolerance
    }

    /// Compares by the largest difference, relative to the largest value of the reference.
    pub fn by_largest(tensor: &str, found: &[f32], reference: &[f64], tolerance: f64) -> Self {
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let scale = largest(&mut reference.iter().map(|value| value.abs()));
        let error = largest(&mut differences(found, reference).map(f64::abs));
        Self::new(tensor, relative(error, scale), tolerance)
    }

    /// Compares by ‖found − reference‖ / ‖reference − origin‖.
    pub fn by_norm(tensor: &str, found: &[f32], reference: &[f64], origin: &[f64], tolerance: f64) -> Self {
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let scale = norm(&mut reference.iter().zip(origin).map(|(value, start)| value - start));
        let error = norm(&mut differences(found, reference));
        Self::new(tensor, relative(error, scale), tolerance)
    }

    /// Compares two tensors that should be bit-identical, by the number of values that differ.
    pub fn by_bits(tensor: &str, left: &[f32], right: &[f32]) -> Self {
        let differ = left.iter().zip(right).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        let differ = differ + left.len().abs_diff(right.len());
        Self::new(format!("differing values in {tensor}"), differ as f64, tolerance::EXACT)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: error {:.1e}, tolerance {:.1e}", self.tensor, self.error, self.tolerance)
    }
}

/// The differences value by value; infinite if a value is not finite.
///
/// # Panics
/// If the lengths differ, which is a bug in the check.
fn differences(found: &[f32], reference: &[f64]) -> impl Iterator<Item = f64> {
    assert_eq!(found.len(), reference.len(), "a tensor and its reference have the same length");
    found.iter().zip(reference).map(|(&value, &expected)| {
        let difference = f64::from(value) - expected;
        if difference.is_finite() { difference } else { f64::INFINITY }
    })
}

/// `error / scale`, or `error` itself if the reference is all zeros.
fn relative(error: f64, scale: f64) -> f64 {
    if scale > 0.0 { error / scale } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_non_finite_value_never_passes() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(!Finding::by_largest("t", &[1.0, bad], &[1.0, 2.0], 1e9).passed());
            assert!(!Finding::by_norm("t", &[1.0, bad], &[1.0, 2.0], &[0.0, 0.0], 1e9).passed());
        }
    }

    #[test]
    fn errors_are_relative_to_the_largest_value_of_the_reference() {
        let finding = Finding::by_largest("t", &[10.0, 0.5], &[10.0, 0.0], 0.1);
        assert_eq!(finding.error, 0.05);
        assert!(finding.passed());
    }

    #[test]
    fn a_tolerance_of_zero_requires_equality() {
        assert!(Finding::by_largest("t", &[1.0, 2.0], &[1.0, 2.0], 0.0).passed());
        assert!(!Finding::by_largest("t", &[1.0, 2.000_000_2], &[1.0, 2.0], 0.0).passed());
    }
}
