//! What is varied: the name of an option and its values.
//!
//! | form | values |
//! | --- | --- |
//! | `a,b,c` | these |
//! | `0..9` | whole numbers, both ends included |
//! | `uniform:LOW:HIGH` | a distribution to draw from: all numbers are equally likely |
//! | `log:LOW:HIGH` | a distribution to draw from: all orders of magnitude are equally likely |
//! | `uniform:LOW:HIGH:COUNT`, `log:LOW:HIGH:COUNT` | evenly spaced numbers, both ends included |
//!
//! Numbers between LOW and HIGH are rounded to 4 significant digits, so that they can be read and typed. If the option takes
//! whole numbers only, they are rounded to the nearest one, except that `uniform:LOW:HIGH` draws each whole number with the
//! same probability, the ends too.

use super::plan::MAX_MEMBERS;

/// An option and the values that a sweep gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    /// The name of the option.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// The values of a varied option.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// These values, as typed.
    List(Vec<String>),
    /// Whole numbers, both ends included.
    Range {
        /// The first number.
        first: i64,
        /// The last number.
        last: i64,
    },
    /// Numbers between two others.
    Interval {
        /// Whether logarithms are evenly distributed instead of the numbers themselves.
        is_log: bool,
        /// The low end.
        low: f64,
        /// The high end.
        high: f64,
        /// The number of evenly spaced values; `None` for a distribution.
        count: Option<usize>,
        /// Whether values are rounded to whole numbers.
        is_whole: bool,
    },
}

/// Why a text is not a variation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VariationError {
    /// There is no name or no equals sign.
    #[error("{0:?} is not of the form NAME=VALUES, such as lr=1e-3,1e-2")]
    Form(String),
    /// There are no values, or one of several is empty.
    #[error("{name}={values}: {}", if values.is_empty() { "it has no values" } else { "a value is empty" })]
    Empty {
        /// The name of the option.
        name: String,
        /// The values as typed.
        values: String,
    },
    /// A value occurs twice.
    #[error("{name}: the value {value} occurs twice; remove one")]
    Duplicate {
        /// The name of the option.
        name: String,
        /// The value.
        value: String,
    },
    /// A range whose ends are not whole numbers in rising order.
    #[error("{name}={values}: a range FIRST..LAST takes two whole numbers in rising order")]
    Range {
        /// The name of the option.
        name: String,
        /// The values as typed.
        values: String,
    },
    /// An interval that is not one.
    #[error("{name}={values}: {rule}")]
    Interval {
        /// The name of the option.
        name: String,
        /// The values as typed.
        values: String,
        /// What it has to be.
        rule: &'static str,
    },
}

impl Variation {
    /// The name of the seed, whose values repeat each setting.
    pub const SEED: &'static str = "seed";

    /// Parses `NAME=VALUES`.
    ///
    /// # Errors
    /// If there is no name, or the values are not of a known form.
    pub fn parse(text: &str) -> Result<Self, VariationError> {
        match text.split_once('=') {
            Some((name, values)) if !name.trim().is_empty() => Self::new(name.trim(), values.trim()),
            _ => Err(VariationError::Form(text.to_owned())),
        }
    }

    /// Parses the values of the option `name`.
    ///
    /// # Errors
    /// If the values are not of a known form.
    pub fn new(name: &str, values: &str) -> Result<Self, VariationError> {
        let parsed = if let Some(ends) = values.strip_prefix("log:") {
            interval(ends, true)
        } else if let Some(ends) = values.strip_prefix("uniform:") {
            interval(ends, false)
        } else if let Some((first, last)) = range(values) {
            let ends = (first.parse(), last.parse());
            let (Ok(first), Ok(last)) = ends else { return Err(range_error(name, values)) };
            if first > last {
                return Err(range_error(name, values));
            }
            Ok(Values::Range { first, last })
        } else {
            return Self::list(name, values.split(',').map(|value| value.trim().to_owned()).collect());
        };
        match parsed {
            Ok(values) => Ok(Self { name: name.to_owned(), values }),
            Err(rule) => {
                Err(VariationError::Interval { name: name.to_owned(), values: values.to_owned(), rule })
            }
        }
    }

    /// Returns a variation with these values.
    ///
    /// # Errors
    /// If there is no value, one is empty, or one occurs twice, if only as a number: 1e-3 and 0.001.
    pub fn list(name: &str, values: Vec<String>) -> Result<Self, VariationError> {
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(VariationError::Empty { name: name.to_owned(), values: values.join(",") });
        }
        let mut numbers: Vec<(Result<u64, &str>, &String)> = values
            .iter()
            .map(|value| (value.parse().map(f64::to_bits).map_err(|_| value.as_str()), value))
            .collect();
        // Stable, so that the value that was typed later is named.
        numbers.sort_by_key(|(number, _)| *number);
        match numbers.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => {
                Err(VariationError::Duplicate { name: name.to_owned(), value: pair[1].1.to_owned() })
            }
            None => Ok(Self { name: name.to_owned(), values: Values::List(values) }),
        }
    }

    /// Returns the variation with numbers that are rounded to whole ones.
    pub fn with_whole_numbers(mut self) -> Self {
        if let Values::Interval { is_whole, .. } = &mut self.values {
            *is_whole = true;
        }
        self
    }

    /// Returns whether this is the seed, which repeats each setting instead of making others.
    pub fn is_seed(&self) -> bool {
        self.name == Self::SEED
    }

    /// Returns the values as they are typed, without the name.
    pub fn typed_values(&self) -> String {
        match &self.values {
            Values::List(values) => values.join(","),
            Values::Range { first, last } => format!("{first}..{last}"),
            Values::Interval { is_log, low, high, count, .. } => {
                let shape = if *is_log { "log" } else { "uniform" };
                let count = count.map_or(String::new(), |count| format!(":{count}"));
                format!("{shape}:{}:{}{count}", number(*low), number(*high))
            }
        }
    }

    /// Returns numbers that tell what the values between LOW and HIGH are: the two, and a fraction in between. `None` for
    /// other values.
    pub fn probes(&self) -> Option<([String; 2], String)> {
        let Values::Interval { low, high, .. } = self.values else { return None };
        let fraction =
            [low.floor() + 0.5, (low + high) / 2.0].into_iter().find(|value| (low..high).contains(value));
        Some(([number(low), number(high)], number(fraction.unwrap_or(low))))
    }

    /// Returns the number of different values; `None` if there are very many.
    pub fn count(&self) -> Option<usize> {
        match &self.values {
            Values::List(values) => Some(values.len()),
            Values::Range { first, last } => usize::try_from(last.abs_diff(*first)).ok()?.checked_add(1),
            Values::Interval { count: Some(count), .. } => Some(*count),
            // Rounded numbers are at most 2⁵³ in size, or else "very many" is correct as well.
            Values::Interval { low, high, is_whole: true, .. } if high - low < 1e9 => {
                Some((high - low) as usize + 1)
            }
            Values::Interval { .. } => None,
        }
    }

    /// Returns all values in order; `None` for a distribution. [`Self::count`] says how many.
    pub fn listed(&self) -> Option<Vec<String>> {
        match &self.values {
            Values::List(values) => Some(values.clone()),
            Values::Range { first, last } => Some((*first..=*last).map(|value| value.to_string()).collect()),
            Values::Interval { count: Some(count), low, high, .. } => {
                let value = |index: usize| match index {
                    0 => number(*low),
                    _ if index + 1 == *count => number(*high),
                    _ => self.at(index as f64 / (count - 1) as f64),
                };
                Some((0..*count).map(value).collect())
            }
            Values::Interval { count: None, .. } => None,
        }
    }

    /// Returns the value for a uniform random number in [0, 1).
    pub fn drawn(&self, unit: f64) -> String {
        let choose = |count: usize| ((unit * count as f64) as usize).min(count - 1);
        match &self.values {
            Values::List(values) => values[choose(values.len())].clone(),
            Values::Range { first, last } => {
                let count = last.abs_diff(*first) as f64 + 1.0;
                first.saturating_add_unsigned((unit * count) as u64).min(*last).to_string()
            }
            Values::Interval { count: Some(count), .. } => {
                let index = choose(*count);
                self.listed().map_or_else(String::new, |mut values| values.swap_remove(index))
            }
            Values::Interval { count: None, is_log: false, low, high, is_whole: true } => {
                number((low + (unit * (high - low + 1.0)).floor()).min(*high))
            }
            Values::Interval { count: None, .. } => self.at(unit),
        }
    }

    /// The number of an interval at a fraction of the way from its low end to its high end.
    fn at(&self, fraction: f64) -> String {
        let Values::Interval { is_log, low, high, is_whole, .. } = self.values else { return String::new() };
        let value = if is_log {
            let (first, last) = (libm::log(low), libm::log(high));
            libm::exp(first + fraction * (last - first))
        } else {
            low + fraction * (high - low)
        };
        let rounded = if is_whole { value.round() } else { rounded(value) };
        number(rounded.clamp(low, high))
    }
}

fn range_error(name: &str, values: &str) -> VariationError {
    VariationError::Range { name: name.to_owned(), values: values.to_owned() }
}

/// The ends of a range, if a text looks like one: `../data` does not.
fn range(values: &str) -> Option<(&str, &str)> {
    let (first, last) = values.split_once("..")?;
    let last = last.strip_prefix('=').unwrap_or(last);
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    (is_number(first) && is_number(last)).then_some((first.trim(), last.trim()))
}

/// `LOW:HIGH` or `LOW:HIGH:COUNT`.
fn interval(ends: &str, is_log: bool) -> Result<Values, &'static str> {
    let parts: Vec<&str> = ends.split(':').map(str::trim).collect();
    let (low, high, count) = match parts[..] {
        [low, high] => (low, high, None),
        [low, high, count] => (low, high, Some(count)),
        _ => return Err("an interval is LOW:HIGH, two numbers, or LOW:HIGH:COUNT"),
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (Some(low), Some(high)) = (number(low), number(high)) else {
        return Err("LOW and HIGH must be numbers");
    };
    if low >= high {
        return Err("LOW must be below HIGH");
    }
    if is_log && low <= 0.0 {
        return Err("LOW must be above 0 for log; uniform has no such limit");
    }
    let count = match count.map(str::parse::<usize>) {
        None => None,
        Some(Ok(count)) if (2..=MAX_MEMBERS).contains(&count) => Some(count),
        Some(_) => return Err("COUNT must be a whole number from 2 to 10000"),
    };
    Ok(Values::Interval { is_log, low, high, count, is_whole: false })
}

/// A number rounded to 4 significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// A number as people write it: 0.05, 1e-4, 60000.
fn number(value: f64) -> String {
    let is_short = value == 0.0 || (1e-3..1e15).contains(&value.abs());
    if is_short { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        Variation::parse(text).unwrap().listed().unwrap()
    }

    #[test]
    fn values_are_lists_ranges_or_intervals() {
        assert_eq!(listed("lr=1e-3, 3e-3,1e-2"), ["1e-3", "3e-3", "1e-2"]);
        assert_eq!(listed("flip=true,false"), ["true", "false"]);
        assert_eq!(listed("seed=7..10"), ["7", "8", "9", "10"]);
        assert_eq!(listed("shift=0..=2"), ["0", "1", "2"]);
        assert_eq!(listed("x=-1..1"), ["-1", "0", "1"]);
        assert_eq!(listed("seed=3..3"), ["3"]);
        assert_eq!(listed("lr=log:1e-4:1e-1:4"), ["1e-4", "0.001", "0.01", "0.1"]);
        assert_eq!(listed("momentum=uniform:0:0.99:4"), ["0", "0.33", "0.66", "0.99"]);
        assert_eq!(listed("lr=log:1e-4:1e-3:3"), ["1e-4", "3.162e-4", "0.001"]);
        assert_eq!(listed("data-dir=../a,..,b=c"), ["../a", "..", "b=c"]);
    }

    #[test]
    fn an_invalid_variation_is_rejected_with_the_rule() {
        for (text, expected) in [
            ("lr", "\"lr\" is not of the form NAME=VALUES"),
            ("=1,2", "\"=1,2\" is not of the form"),
            ("lr=", "lr=: it has no values"),
            ("lr=1,,2", "lr=1,,2: a value is empty"),
            ("lr=1e-3,0.001", "lr: the value 0.001 occurs twice"),
            ("activation=relu,tanh,relu", "activation: the value relu occurs twice"),
            ("seed=9..0", "two whole numbers in rising order"),
            ("seed=0.5..2", "two whole numbers in rising order"),
            ("seed=0..99999999999999999999", "two whole numbers"),
            ("lr=log:1:2:3:4", "an interval is LOW:HIGH"),
            ("lr=log:1", "an interval is LOW:HIGH"),
            ("lr=log:a:b", "must be numbers"),
            ("lr=uniform:0:inf", "must be numbers"),
            ("lr=log:0:1", "above 0 for log"),
            ("lr=uniform:2:2", "below HIGH"),
            ("lr=log:1:2:1", "COUNT must be"),
            ("lr=log:1:2:10001", "COUNT must be"),
        ] {
            let message = Variation::parse(text).expect_err(text).to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn typed_values_are_parsed_back_to_the_same_variation() {
        for text in
            ["lr=1e-3,1", "seed=0..9", "lr=log:1e-7:0.1", "x=uniform:-3:2.5", "batch-size=log:8:512:7"]
        {
            let variation = Variation::parse(text).unwrap();
            assert_eq!(Variation::new(&variation.name, &variation.typed_values()), Ok(variation), "{text}");
        }
    }

    #[test]
    fn a_range_is_counted_without_being_listed() {
        let count = |text| Variation::parse(text).unwrap().count();
        assert_eq!(count("seed=0..9223372036854775807"), Some(1 << 63));
        assert_eq!(count("x=-9223372036854775807..9223372036854775807"), Some(usize::MAX));
        assert_eq!(count("lr=log:1:2"), None);
        assert_eq!(Variation::parse("shift=uniform:0:4").unwrap().with_whole_numbers().count(), Some(5));
    }

    #[test]
    fn drawn_values_cover_an_interval_and_stay_within_it() {
        let draw = |text: &str, unit| Variation::parse(text).unwrap().drawn(unit);
        let almost_one = 1.0 - f64::EPSILON / 2.0;
        assert_eq!(draw("lr=log:1e-4:1e-2", 0.5), "0.001");
        assert_eq!(draw("lr=log:1e-4:1e-2", 0.0), "1e-4");
        assert_eq!(draw("lr=uniform:0:0.99999", almost_one), "0.99999", "not rounded to 1");
        assert_eq!(draw("lr=a,b,c", almost_one), "c");
        assert_eq!(draw("x=0..9", almost_one), "9");
        assert_eq!(draw("x=uniform:0:1:5", 0.3), "0.25");
    }

    #[test]
    fn each_whole_number_of_a_uniform_interval_is_equally_likely() {
        let shift = Variation::parse("shift=uniform:0:4").unwrap().with_whole_numbers();
        let mut counts = [0; 5];
        for step in 0..1000 {
            counts[shift.drawn(f64::from(step) / 1000.0).parse::<usize>().unwrap()] += 1;
        }
        assert_eq!(counts, [200; 5]);
        let batch = Variation::parse("batch-size=log:16:256").unwrap().with_whole_numbers();
        assert_eq!(
            (batch.drawn(0.0), batch.drawn(0.5), batch.drawn(0.3)),
            ("16".into(), "64".into(), "37".into())
        );
    }
}
