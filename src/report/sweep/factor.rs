//! The values of a varied option.

use std::collections::HashMap;

use crate::escape::escape;
use crate::report::figure::axis::{FittedAxis, MIN_LOG_VALUE, Margin};
use crate::report::figure::{Axis, MAX_VALUE, short_number};

/// How values are placed on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    /// Numbers; equal differences have equal lengths.
    Linear,
    /// Positive numbers; equal ratios have equal lengths.
    Logarithmic,
    /// Words, and numbers that would overlap on either scale, at equal distances.
    Even,
}

/// The value of a varied option in each setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// The name of the option.
    pub name: String,
    spacing: Spacing,
    /// The distinct values: numbers in increasing order, words in the order of their first setting.
    levels: Vec<Level>,
    /// The index of each setting's level.
    of_setting: Vec<usize>,
    /// The axis, unless the spacing is even.
    axis: Option<FittedAxis>,
}

#[derive(Debug, Clone, PartialEq)]
struct Level {
    text: String,
    number: Option<f64>,
}

/// Numbers with at least this ratio between the largest and the smallest may be on a logarithmic axis.
const MIN_LOG_RATIO: f64 = 4.0;
/// The largest number of values that are placed evenly although they are numbers.
const MAX_EVEN: usize = 12;
/// A sampled number has more letters than this, and is shown rounded; words are cut.
const MAX_NUMBER: usize = 8;
const MAX_WORD: usize = 40;
/// The ticks of an axis with more values than this are round numbers instead of the values.
const MAX_TYPED: usize = 10;

impl Factor {
    /// The values of the option `name`, as typed, one for each setting.
    pub fn new<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Factor {
        let values: Vec<&str> = values.into_iter().collect();
        let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
        let (levels, of_setting) = match numbers {
            Some(numbers) if !numbers.is_empty() => numeric_levels(&values, &numbers),
            _ => word_levels(&values),
        };
        let spacing = spacing(&levels);
        let axis = fitted(&levels, spacing);
        Factor { name: escape(name).into_owned(), spacing, levels, of_setting, axis }
    }

    /// The number of distinct values.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// The index of a setting's value among the distinct values.
    pub fn level(&self, setting: usize) -> usize {
        self.of_setting[setting]
    }

    /// A value as it is shown.
    pub fn text(&self, level: usize) -> &str {
        &self.levels[level].text
    }

    /// Whether the values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.levels.iter().all(|level| level.number.is_some())
    }

    /// Whether the values are at equal distances, whatever they are.
    pub fn is_even(&self) -> bool {
        self.spacing == Spacing::Even
    }

    /// "lr", or "lr (log)"
    pub fn label(&self) -> String {
        if self.spacing == Spacing::Logarithmic { format!("{} (log)", self.name) } else { self.name.clone() }
    }

    /// The position of a value, from 0 to 1.
    pub fn position(&self, level: usize) -> f64 {
        match (&self.axis, self.levels[level].number) {
            (Some(axis), Some(number)) => axis.fraction(number),
            _ => (level as f64 + 0.5) / self.levels.len() as f64,
        }
    }

    /// The positions that are labelled, in increasing order: all values, if there are few, or else about `most` numbers.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        match &self.axis {
            Some(axis) if self.levels.len() > MAX_TYPED => {
                let ticks = axis.ticks(most).into_iter();
                ticks.map(|tick| (axis.fraction(tick.value), compact(tick.value))).collect()
            }
            _ => {
                let levels = self.levels.iter().enumerate();
                levels.map(|(index, level)| (self.position(index), level.text.clone())).collect()
            }
        }
    }

    /// The values as rows or columns: each, if there are at most `most`, or else equal parts of the axis. `None` for more
    /// words than that.
    pub fn bins(&self, most: usize) -> Option<Bins> {
        if self.levels.len() <= most {
            let of_setting = self.of_setting.clone();
            let names = self.levels.iter().map(|level| level.text.clone()).collect();
            return Some(Bins { of_setting, names });
        }
        let axis = self.axis.as_ref()?;
        let count = most.min(MAX_BINS);
        let numbers = || self.levels.iter().filter_map(|level| level.number);
        let low = numbers().fold(f64::INFINITY, f64::min);
        let high = numbers().fold(f64::NEG_INFINITY, f64::max);
        let (first, span) = (axis.fraction(low), axis.fraction(high) - axis.fraction(low));
        let bin = |level: &usize| {
            let part = (self.position(*level) - first) / span * count as f64;
            (part as usize).min(count - 1)
        };
        let edge = |index: usize| {
            let part = index as f64 / count as f64;
            let value = match self.spacing {
                Spacing::Logarithmic => {
                    let (low, high) = (libm::log10(low), libm::log10(high));
                    libm::exp10(low + part * (high - low))
                }
                _ => low + part * (high - low),
            };
            rounded(value, (high - low) / count as f64)
        };
        let names = (0..count).map(|index| format!("{} to {}", edge(index), edge(index + 1)));
        Some(Bins { of_setting: self.of_setting.iter().map(bin).collect(), names: names.collect() })
    }
}

/// The number of parts into which an axis is divided.
const MAX_BINS: usize = 8;

/// The values of an option as rows or columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    /// The row or column of each setting.
    pub of_setting: Vec<usize>,
    /// What the rows or columns are.
    pub names: Vec<String>,
}

/// The number that a value is, if it can be drawn.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    // NaN is in no range.
    (-MAX_VALUE..=MAX_VALUE).contains(&number).then_some(number)
}

fn numeric_levels(values: &[&str], numbers: &[f64]) -> (Vec<Level>, Vec<usize>) {
    // -0 is 0.
    let numbers: Vec<f64> = numbers.iter().map(|number| number + 0.0).collect();
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&index, &other| numbers[index].total_cmp(&numbers[other]));
    let (mut levels, mut of_setting) = (Vec::<Level>::new(), vec![0; numbers.len()]);
    for index in order {
        let number = numbers[index];
        if levels.last().is_none_or(|last| last.number != Some(number)) {
            let typed = values[index].trim();
            let text = if typed.len() <= MAX_NUMBER { typed.to_owned() } else { compact(number) };
            levels.push(Level { text, number: Some(number) });
        }
        of_setting[index] = levels.len() - 1;
    }
    (levels, of_setting)
}

fn word_levels(values: &[&str]) -> (Vec<Level>, Vec<usize>) {
    let (mut levels, mut known) = (Vec::new(), HashMap::new());
    let level_of = |value: &&str| {
        *known.entry((*value).to_owned()).or_insert_with(|| {
            let word: String = value.chars().take(MAX_WORD).collect();
            let more = if word.len() < value.len() { "…" } else { "" };
            levels.push(Level { text: format!("{}{more}", escape(&word)), number: None });
            levels.len() - 1
        })
    };
    let of_setting = values.iter().map(level_of).collect();
    (levels, of_setting)
}

/// The scale on which the largest gap between two values is smallest. Few values with an even larger gap, such as
/// 0, 1e-5, 1e-4 and 1e-3, are placed evenly.
fn spacing(levels: &[Level]) -> Spacing {
    let numbers: Vec<f64> = levels.iter().filter_map(|level| level.number).collect();
    let (Some(&low), Some(&high)) = (numbers.first(), numbers.last()) else { return Spacing::Even };
    if numbers.len() < levels.len() {
        return Spacing::Even;
    }
    if low == high {
        return Spacing::Linear;
    }
    let largest_gap = |scale: fn(f64) -> f64| {
        let gaps = numbers.windows(2).map(|pair| scale(pair[1]) - scale(pair[0]));
        gaps.fold(0.0, f64::max) / (scale(high) - scale(low))
    };
    let linear = largest_gap(|number| number);
    // Differences that are lost in rounding have no places on an axis.
    if (high - low) <= 1e-9 * high.abs().max(low.abs()) {
        return Spacing::Even;
    }
    let may_be_log = low > MIN_LOG_VALUE && high / low >= MIN_LOG_RATIO && numbers.len() > 2;
    let (gap, best) = match may_be_log.then(|| largest_gap(libm::log10)) {
        Some(log) if log < linear => (log, Spacing::Logarithmic),
        _ => (linear, Spacing::Linear),
    };
    // With equal gaps, the largest is 1 / (values - 1).
    let is_uneven = gap > 2.5 / (numbers.len() - 1) as f64 && gap > 0.7;
    if is_uneven && numbers.len() <= MAX_EVEN { Spacing::Even } else { best }
}

fn fitted(levels: &[Level], spacing: Spacing) -> Option<FittedAxis> {
    let axis = match spacing {
        Spacing::Even => return None,
        Spacing::Linear => Axis::new(""),
        Spacing::Logarithmic => Axis::new("").logarithmic(),
    };
    let numbers = levels.iter().filter_map(|level| level.number);
    Some(FittedAxis::new(&axis, numbers, Margin::Small, 6))
}

/// A number with as many digits as differences of `step` need, at least two.
fn rounded(value: f64, step: f64) -> String {
    let magnitude = |value: f64| if value == 0.0 { 0.0 } else { libm::log10(value.abs()).floor() };
    let digits = (magnitude(value) - magnitude(step)).clamp(1.0, 6.0) as usize;
    let text = format!("{value:.digits$e}");
    text.parse().map_or(text, compact)
}

/// A number in few letters: 0.0012, 64, 1e-5, 2e6.
fn compact(number: f64) -> String {
    let short = short_number(number);
    if number == 0.0 || (1e-3..1e5).contains(&number.abs()) {
        return short;
    }
    let digits = format!("{:.4e}", number.abs());
    let Some((mantissa, power)) = digits.split_once('e') else { return short };
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{}{mantissa}e{power}", if number < 0.0 { "−" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(values: &[&str]) -> Factor {
        Factor::new("x", values.iter().copied())
    }

    fn texts(factor: &Factor) -> Vec<&str> {
        (0..factor.levels()).map(|level| factor.text(level)).collect()
    }

    #[test]
    fn the_axis_is_the_one_on_which_the_values_are_most_even() {
        for (values, expected) in [
            (&["1e-3", "3e-3", "1e-2"][..], Spacing::Logarithmic),
            (&["16", "32", "64", "128"], Spacing::Logarithmic),
            (&["1e-8", "1", "1e8"], Spacing::Logarithmic),
            (&["0", "0.25", "0.5", "0.9"], Spacing::Linear),
            (&["1", "2", "3", "4", "5", "6"], Spacing::Linear),
            (&["-1", "1"], Spacing::Linear),
            (&["7"], Spacing::Linear),
            (&["0", "1e-5", "1e-4", "1e-3"], Spacing::Even),
            (&["1000000000", "1000000000.1"], Spacing::Even),
            (&["adam", "sgd"], Spacing::Even),
            (&["64", "all"], Spacing::Even),
            (&["1", "inf"], Spacing::Even),
            (&["1", "NaN"], Spacing::Even),
            (&["1", "1e301"], Spacing::Even),
        ] {
            assert_eq!(factor(values).spacing, expected, "{values:?}");
        }
    }

    #[test]
    fn numbers_are_ordered_and_equal_however_they_are_typed() {
        let numbers = factor(&["1e-2", "0.001", "1e-3", "0.010"]);
        assert_eq!(texts(&numbers), ["0.001", "1e-2"]);
        assert_eq!([0, 1, 2, 3].map(|setting| numbers.level(setting)), [1, 0, 0, 1]);
        assert_eq!(texts(&factor(&["sgd", "adam", "sgd"])), ["sgd", "adam"]);
        assert_eq!(texts(&factor(&["0.00123456789"])), ["0.0012346"]);
        assert_eq!(texts(&factor(&["a\u{1b}[31m\n", "b"])), [r"a\u{1b}[31m\n", "b"]);
    }

    #[test]
    fn numbers_are_written_in_few_letters() {
        let written = [0.0, 0.001, 1e-4, -2.5e-8, 64.0, 1e6, 123_456_789.0, 0.1 + 0.2].map(compact);
        assert_eq!(written, ["0", "0.001", "1e-4", "−2.5e-8", "64", "1e6", "1.2346e8", "0.3"]);
    }

    #[test]
    fn positions_increase_within_the_axis() {
        let sampled: Vec<String> = (1..=40).map(|index| format!("{}e-4", index * index)).collect();
        for values in [vec!["1e-8", "1", "1e8"], vec!["a", "b"], sampled.iter().map(String::as_str).collect()]
        {
            let factor = factor(&values);
            let positions: Vec<f64> = (0..factor.levels()).map(|level| factor.position(level)).collect();
            assert!(positions.is_sorted() && positions[0] > 0.0 && positions[positions.len() - 1] < 1.0);
            let ticks = factor.ticks(5);
            assert!(ticks.is_sorted_by(|a, b| a.0 < b.0) && ticks.len() <= 10, "{ticks:?}");
        }
    }

    #[test]
    fn many_numbers_are_binned_and_many_words_are_not() {
        let sampled: Vec<String> = (0..100).map(|index| format!("{}", 0.01 * f64::from(index))).collect();
        let bins = factor(&sampled.iter().map(String::as_str).collect::<Vec<_>>()).bins(12).unwrap();
        assert_eq!((bins.names.len(), bins.of_setting[0], bins.of_setting[99]), (8, 0, 7));
        assert_eq!(bins.names[1], "0.12 to 0.25");
        let words: Vec<String> = (0..100).map(|index| format!("word {index}")).collect();
        assert_eq!(factor(&words.iter().map(String::as_str).collect::<Vec<_>>()).bins(12), None);
    }
}
