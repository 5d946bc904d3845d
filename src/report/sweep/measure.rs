//! What the settings are compared by.

use crate::report::drawing::Colour;
use crate::report::figure::short_number;

/// A value that is measured for each member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// "Validation accuracy"
    pub name: &'static str,
    /// Whether it is an accuracy, in percent, of which more is better; or else a loss, of which less is better.
    pub is_accuracy: bool,
}

impl Measure {
    /// "98.71 %" or "0.0412"
    pub fn shown(self, value: f64) -> String {
        if self.is_accuracy { format!("{} %", self.number(value)) } else { self.number(value) }
    }

    /// The same without the unit.
    pub fn number(self, value: f64) -> String {
        if self.is_accuracy { format!("{value:.2}") } else { short_number(value) }
    }

    /// "Validation accuracy (%)"
    pub fn label(self) -> String {
        if self.is_accuracy { format!("{} (%)", self.name) } else { self.name.to_owned() }
    }

    /// Whether a value is better than another.
    pub fn is_better(self, value: f64, other: f64) -> bool {
        if self.is_accuracy { value > other } else { value < other }
    }

    /// Orders values, the best first.
    pub fn order(self, value: f64, other: f64) -> std::cmp::Ordering {
        if self.is_accuracy { other.total_cmp(&value) } else { value.total_cmp(&other) }
    }
}

/// If the worst value is this many times as far from the best as the median is, the worst ones are cut, to the second
/// number.
const MAX_SPAN: f64 = 6.0;
const CUT_SPAN: f64 = 4.0;

/// The values that charts show: all, or without the worst, beside which the others could not be told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The best value.
    pub best: f64,
    /// The worst value that is shown as it is.
    pub worst: f64,
    /// Whether there are worse values.
    pub is_cut: bool,
}

impl Range {
    /// The range of these values. `None` if there are none; values that are not finite do not count.
    pub fn of(measure: Measure, values: impl IntoIterator<Item = f64>) -> Option<Range> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(|value, other| measure.order(*value, *other));
        let (&best, &worst) = (values.first()?, values.last()?);
        let median = values[values.len() / 2];
        let at = |span: f64| best - (best - median) * span;
        let is_cut = median != best && measure.is_better(at(MAX_SPAN), worst);
        let cut = at(CUT_SPAN);
        // The last value within, so that the range ends at a value.
        let within = values.iter().rfind(|&&value| !measure.is_better(cut, value)).copied();
        let worst = if is_cut { within.unwrap_or(worst) } else { worst };
        Some(Range { best, worst, is_cut })
    }

    /// The position of a value from 0, the worst, to 1, the best. Worse values are at 0.
    pub fn fraction(&self, value: f64) -> f64 {
        if self.best == self.worst {
            return if value == self.best { 1.0 } else { 0.0 };
        }
        let fraction = (value - self.worst) / (self.best - self.worst);
        if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) }
    }

    /// The shade of a value.
    pub fn shade(&self, value: f64) -> usize {
        let last = Colour::SHADES - 1;
        ((self.fraction(value) * Colour::SHADES as f64) as usize).min(last)
    }

    /// The lower and the upper limit.
    pub fn limits(&self) -> (f64, f64) {
        (self.best.min(self.worst), self.best.max(self.worst))
    }

    /// The values at the ends of the scale of colours, the worst first.
    pub fn ends(&self, measure: Measure) -> [String; 2] {
        let than = match (self.is_cut, measure.is_accuracy) {
            (false, _) => "",
            (true, true) => "≤ ",
            (true, false) => "≥ ",
        };
        [format!("{than}{}", measure.shown(self.worst)), measure.shown(self.best)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const ACCURACY: Measure = Measure { name: "Validation accuracy", is_accuracy: true };
    const LOSS: Measure = Measure { name: "Validation loss", is_accuracy: false };

    #[test]
    fn a_diverged_setting_does_not_squeeze_the_others() {
        let range = Range::of(ACCURACY, [99.0, 98.9, 98.8, 98.5, 10.0]).unwrap();
        assert_eq!(range, Range { best: 99.0, worst: 98.5, is_cut: true });
        assert_eq!((range.fraction(99.0), range.fraction(10.0), range.shade(99.0)), (1.0, 0.0, 11));
        assert_eq!(range.ends(ACCURACY), ["≤ 98.50 %", "99.00 %"]);
        let range = Range::of(LOSS, [0.04, 0.05, 0.06, 2.3, f64::NAN]).unwrap();
        assert_eq!(range, Range { best: 0.04, worst: 0.06, is_cut: true });
        assert_eq!(range.fraction(0.04), 1.0);
    }

    #[test]
    fn values_that_are_evenly_spread_are_all_shown() {
        let range = Range::of(ACCURACY, (0..=10).map(|step| 90.0 + f64::from(step))).unwrap();
        assert_eq!(range, Range { best: 100.0, worst: 90.0, is_cut: false });
        assert_eq!(Range::of(ACCURACY, [f64::NAN]), None);
        let same = Range::of(ACCURACY, [98.0, 98.0]).unwrap();
        assert_eq!((same.fraction(98.0), same.fraction(97.0)), (1.0, 0.0));
    }
}
