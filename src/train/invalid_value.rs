//! Values that no run can have, in the files of a run.

use std::fmt::Display;

/// A field of a run's files with a value that no run can have: the file was damaged or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}; expected {expected}")]
pub struct InvalidValue {
    /// The field, such as `tally.correct`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// The values that are possible.
    pub expected: String,
}

impl InvalidValue {
    /// Names the object that the field belongs to.
    pub(super) fn of(self, object: &str) -> Self {
        Self { field: format!("{object}.{}", self.field), ..self }
    }
}

/// Returns an error for `field` unless a condition on its value holds.
pub(super) fn require(
    holds: bool,
    field: &str,
    value: impl Display,
    expected: impl Display,
) -> Result<(), InvalidValue> {
    if holds {
        return Ok(());
    }
    Err(InvalidValue { field: field.to_owned(), value: value.to_string(), expected: expected.to_string() })
}

/// Requires a fraction.
pub(super) fn require_fraction(field: &str, value: f64) -> Result<(), InvalidValue> {
    require((0.0..=1.0).contains(&value), field, value, "0 to 1")
}

/// Requires a finite number.
pub(super) fn require_finite(field: &str, value: f64) -> Result<(), InvalidValue> {
    require(value.is_finite(), field, value, "a finite number")
}

/// Requires a finite number of at least 0.
pub(super) fn require_non_negative(field: &str, value: f64) -> Result<(), InvalidValue> {
    require(value.is_finite() && value >= 0.0, field, value, "a finite number of at least 0")
}
