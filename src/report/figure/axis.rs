//! Axes: scales, limits and ticks.

use crate::wording::grouped;

/// The description of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The label beside the axis.
    pub label: String,
    /// The unit, shown in parentheses after the label.
    pub unit: Option<String>,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// A range that the axis always includes. It is extended to include all data and the threshold. `None` fits the
    /// axis to the data.
    pub range: Option<(f64, f64)>,
    /// Whether ticks are at whole numbers only, as for epochs.
    pub whole: bool,
}

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences have equal lengths.
    Linear,
    /// Equal ratios have equal lengths; values must be positive.
    Logarithmic,
}

impl Axis {
    /// A linear axis that fits the data.
    pub fn new(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), unit: None, scale: Scale::Linear, range: None, whole: false }
    }

    /// Sets the unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Axis {
        self.unit = Some(unit.into());
        self
    }

    /// Makes the scale logarithmic.
    pub fn logarithmic(mut self) -> Axis {
        self.scale = Scale::Logarithmic;
        self
    }

    /// Sets the range that the axis always includes.
    pub fn at_least(mut self, low: f64, high: f64) -> Axis {
        self.range = Some((low, high));
        self
    }

    /// Restricts ticks to whole numbers.
    pub fn whole(mut self) -> Axis {
        self.whole = true;
        self
    }

    /// Label and unit as shown beside the axis.
    pub(super) fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", self.label),
            None => self.label.clone(),
        }
    }
}

/// How far an axis extends beyond its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Margin {
    /// By a small margin, so that a marker at either end is clear of the edge.
    Small,
    /// To the next tick.
    ToTick,
}

/// The small margin at each end, as a fraction of the axis's span.
const SMALL_MARGIN: f64 = 0.02;

/// The smallest span that is shown, relative to the values. In a narrower one, rounding errors would be visible.
const MIN_RELATIVE_SPAN: f64 = 1e-9;

/// Values up to this count as 0 and cannot be shown on a logarithmic axis.
pub(in crate::report) const MIN_LOG_VALUE: f64 = 1e-300;

/// An axis with limits. All its values must be finite and at most `MAX_VALUE` in magnitude, and above [`MIN_LOG_VALUE`] on
/// a logarithmic scale.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct FittedAxis {
    scale: Scale,
    whole: bool,
    low: f64,
    high: f64,
}

/// A labelled value on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Tick {
    pub value: f64,
    pub label: String,
}

impl FittedAxis {
    /// Fits an axis to `values`, of which there must be at least one, for about `ticks` ticks.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>, margin: Margin, ticks: usize) -> FittedAxis {
        let range = axis.range.map(|(a, b)| (a.min(b), a.max(b)));
        let (mut low, mut high) = range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let limits = widened(axis.scale, low, high);
        let (low, high) = match (margin, axis.scale) {
            // A configured range is used unchanged if it includes everything.
            _ if range == Some(limits) => limits,
            (Margin::ToTick, Scale::Linear) => to_ticks(limits, step(limits, ticks, axis.whole)),
            _ => with_margin(axis.scale, limits),
        };
        FittedAxis { scale: axis.scale, whole: axis.whole, low, high }
    }

    /// Returns the position of a value along the axis, from 0 at the low limit to 1 at the high limit.
    pub fn fraction(&self, value: f64) -> f64 {
        let scaled = |value| to_scale(self.scale, value);
        ((scaled(value) - scaled(self.low)) / (scaled(self.high) - scaled(self.low))).clamp(0.0, 1.0)
    }

    /// Returns about `most` ticks in increasing order.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.even_ticks(most),
            Scale::Logarithmic => self.ticks_by_decade(most).unwrap_or_else(|| self.even_ticks(most)),
        }
    }

    fn even_ticks(&self, most: usize) -> Vec<Tick> {
        let step = step((self.low, self.high), most, self.whole);
        let (first, last) = (first_multiple(self.low, step), last_multiple(self.high, step));
        let largest = self.low.abs().max(self.high.abs());
        let mut ticks = Vec::new();
        let mut index = first;
        while index <= last {
            let value = index * step;
            ticks.push(Tick { value, label: label(value, step, largest) });
            index += 1.0;
        }
        ticks
    }

    /// Returns ticks at 1, 2 and 5 times each power of ten. If these are too many, at 1 and 3 times, at powers of ten only,
    /// or at every second, third, ... power of ten. A few more than `most` are better than fewer than [`MIN_TICKS`];
    /// `None` if there are neither.
    fn ticks_by_decade(&self, most: usize) -> Option<Vec<Tick>> {
        let (first, last) = (libm::log10(self.low).floor() as i32, libm::log10(self.high).ceil() as i32);
        let in_decades = |digits: &[f64], every: i32| {
            let powers = (first.div_euclid(every) * every..=last).step_by(every as usize);
            let values =
                powers.flat_map(|power| digits.iter().map(move |digit| digit * libm::exp10(power.into())));
            values.filter(|value| (self.low..=self.high).contains(value)).collect::<Vec<f64>>()
        };
        let every = ((last - first) / most.max(1) as i32).max(1);
        let candidates: [(&[f64], i32); 3] = [(&[1.0, 2.0, 5.0], 1), (&[1.0, 3.0], 1), (&[1.0], every)];
        let values = [most, most + MORE_TICKS].into_iter().find_map(|most| {
            let of_candidates = candidates.iter().map(|&(digits, every)| in_decades(digits, every));
            of_candidates.into_iter().find(|values| (MIN_TICKS..=most).contains(&values.len()))
        })?;
        let tick = |value| Tick { value, label: label(value, value, value) };
        Some(values.into_iter().map(tick).collect())
    }
}

/// The number of ticks by which a logarithmic axis may exceed the requested number.
const MORE_TICKS: usize = 2;

/// With fewer ticks, a logarithmic axis cannot be distinguished from a linear one.
const MIN_TICKS: usize = 3;

/// Maps a value to a scale on which equal differences have equal lengths.
fn to_scale(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Logarithmic => libm::log10(value),
    }
}

/// Widens limits that are too close together.
fn widened(scale: Scale, low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if high - low > largest * MIN_RELATIVE_SPAN && largest > MIN_LOG_VALUE {
        return (low, high);
    }
    match scale {
        Scale::Logarithmic => (low / 2.0, high * 2.0),
        Scale::Linear if largest > MIN_LOG_VALUE => (low - largest / 20.0, high + largest / 20.0),
        Scale::Linear => (0.0, 1.0),
    }
}

fn with_margin(scale: Scale, (low, high): (f64, f64)) -> (f64, f64) {
    match scale {
        Scale::Linear => {
            let margin = (high - low) * SMALL_MARGIN;
            (low - margin, high + margin)
        }
        Scale::Logarithmic => {
            let margin = libm::exp10((libm::log10(high) - libm::log10(low)) * SMALL_MARGIN);
            (low / margin, (high * margin).min(f64::MAX))
        }
    }
}

fn to_ticks((low, high): (f64, f64), step: f64) -> (f64, f64) {
    ((low / step + SLACK).floor() * step, (high / step - SLACK).ceil() * step)
}

/// Returns the smallest step of 1, 2 or 5 times a power of ten that divides the range into at most `most` steps.
fn step((low, high): (f64, f64), most: usize, whole: bool) -> f64 {
    let finest = (high - low) / most.max(1) as f64;
    let power = libm::exp10(libm::log10(finest).floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= finest * (1.0 - SLACK));
    let step = factor.unwrap_or(10.0) * power;
    if whole { step.max(1.0) } else { step }
}

/// Rounding error, in steps, up to which a multiple just beyond a limit counts as at the limit.
const SLACK: f64 = 1e-6;

fn first_multiple(low: f64, step: f64) -> f64 {
    (low / step - SLACK).ceil()
}

fn last_multiple(high: f64, step: f64) -> f64 {
    (high / step + SLACK).floor()
}

/// Formats a tick's value with as many decimals as its step needs and thousands separators, or in scientific notation if
/// the axis's values are very large or its steps very small.
fn label(value: f64, step: f64, largest: f64) -> String {
    let power = (libm::log10(step) + SLACK).floor();
    let digits = if value == 0.0 {
        "0".to_owned()
    } else if largest >= 1e7 || power < -5.0 {
        let decimals = (libm::log10(value.abs()) + SLACK).floor() - power;
        let digits = format!("{:.*e}", decimals.clamp(0.0, 15.0) as usize, value.abs());
        match digits.split_once('e') {
            Some((mantissa, power)) if mantissa.contains('.') => {
                format!("{}e{power}", mantissa.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => digits,
        }
    } else {
        let digits = format!("{:.*}", (-power).max(0.0) as usize, value.abs());
        let (whole, decimals) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        grouped(whole) + decimals
    };
    if value < 0.0 { format!("−{digits}") } else { digits }
}

/// Formats a value of a curve with at most five digits, or all of a whole number: 12, 98.712, 0.00123, 25,310, 1.5e-7.
pub fn short_number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let power = libm::log10(value.abs()).floor();
    // Small numbers without many zeros are easier to read without a power of ten.
    let digits = if (-4.0..0.0).contains(&power) {
        let digits = format!("{:.*}", (4.0 - power) as usize, value.abs());
        if value < 0.0 { format!("−{digits}") } else { digits }
    } else {
        label(value, libm::exp10((power - 4.0).min(0.0)), value.abs())
    };
    match digits.contains('.') && !digits.contains('e') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, ends: [f64; 2], margin: Margin, most: usize) -> Vec<String> {
        let fitted = FittedAxis::new(&axis, ends.into_iter(), margin, most);
        fitted.ticks(most).into_iter().map(|tick| tick.label).collect()
    }

    fn linear(low: f64, high: f64) -> Vec<String> {
        labels(Axis::new(""), [low, high], Margin::ToTick, 6)
    }

    #[test]
    fn limits_are_at_ticks() {
        assert_eq!(linear(91.3, 98.7), ["90", "92", "94", "96", "98", "100"]);
        assert_eq!(linear(0.0, 100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(linear(-0.25, 0.61), ["−0.4", "−0.2", "0", "0.2", "0.4", "0.6", "0.8"]);
    }

    #[test]
    fn labels_have_thousands_separators_or_scientific_notation() {
        assert_eq!(linear(0.0, 18_750.0), ["0", "5,000", "10,000", "15,000", "20,000"]);
        assert_eq!(linear(0.0, 4e8), ["0", "1e8", "2e8", "3e8", "4e8"]);
        assert_eq!(linear(0.0, 5e-7), ["0", "1e-7", "2e-7", "3e-7", "4e-7", "5e-7"]);
        assert_eq!(
            linear(1e8, 1e8 + 20.0),
            ["1e8", "1.00000005e8", "1.0000001e8", "1.00000015e8", "1.0000002e8"]
        );
    }

    #[test]
    fn numbers_have_about_five_digits() {
        let written =
            [0.0, 12.0, 98.7124, 0.001_234_5, 0.067_647_42, 25_310.4, -0.5, 1e12, 1.5e-7, 1e-3, 9_999.96]
                .map(short_number);
        assert_eq!(
            written,
            [
                "0",
                "12",
                "98.712",
                "0.0012345",
                "0.067647",
                "25,310",
                "−0.5",
                "1e12",
                "1.5e-7",
                "0.001",
                "10,000"
            ]
        );
    }

    #[test]
    fn whole_axis_has_integer_ticks_clear_of_the_edge() {
        let epochs = Axis::new("Epoch").whole();
        assert_eq!(labels(epochs.clone(), [1.0, 3.0], Margin::Small, 10), ["1", "2", "3"]);
        let fitted = FittedAxis::new(&epochs, [1.0, 3.0].into_iter(), Margin::Small, 10);
        assert!(fitted.fraction(1.0) > 0.01 && fitted.fraction(3.0) < 0.99);
    }

    #[test]
    fn a_range_is_extended_only_for_data_outside_it() {
        let percent = Axis::new("Accuracy").at_least(0.0, 100.0);
        let ends = |low, high| {
            let fitted = FittedAxis::new(&percent, [low, high].into_iter(), Margin::ToTick, 5);
            (fitted.low, fitted.high)
        };
        assert_eq!(ends(40.0, 60.0), (0.0, 100.0));
        assert_eq!(ends(40.0, 107.0), (0.0, 150.0));
    }

    #[test]
    fn a_range_that_is_too_narrow_is_widened() {
        let axis = Axis::new("").at_least(1.0, 1.0 + f64::EPSILON);
        let fitted = FittedAxis::new(&axis, [1.0].into_iter(), Margin::Small, 5);
        assert!(fitted.low < 1.0 && 1.0 < fitted.high && fitted.ticks(5).len() > 1, "{fitted:?}");
    }

    #[test]
    fn logarithmic_ticks_are_at_one_two_five_or_at_powers_of_ten() {
        let axis = Axis::new("Step").logarithmic();
        let named = |low, high, most| labels(axis.clone(), [low, high], Margin::Small, most);
        assert_eq!(named(50.0, 2000.0, 9), ["50", "100", "200", "500", "1,000", "2,000"]);
        assert_eq!(named(1.0, 18_750.0, 6), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(named(1e-30, 1e30, 6), ["1e-30", "1e-20", "1e-10", "1", "1e10", "1e20", "1e30"]);
        assert_eq!(named(0.004, 0.6, 3), ["0.01", "0.03", "0.1", "0.3"]);
        assert!(named(50.0, 60.0, 6).len() > 3);
    }

    #[test]
    fn decades_have_equal_lengths_on_a_logarithmic_axis() {
        let fitted =
            FittedAxis::new(&Axis::new("").logarithmic(), [1.0, 100.0].into_iter(), Margin::Small, 6);
        let middle = fitted.fraction(10.0);
        assert!((middle - 0.5).abs() < 1e-12, "{middle}");
    }

    #[test]
    fn an_axis_for_equal_values_surrounds_them() {
        for value in [97.0, -3.0, 0.0, 1e300, 5e-324] {
            let fitted = FittedAxis::new(&Axis::new(""), [value, value].into_iter(), Margin::ToTick, 6);
            assert!(
                fitted.low < fitted.high && fitted.low <= value && value <= fitted.high,
                "{value}: {fitted:?}"
            );
            assert!(fitted.ticks(6).len() > 1, "{value}");
        }
    }
}
