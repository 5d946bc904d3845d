//! From values to places along an axis, and the values that an axis names.

/// What an axis is of, and how it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub label: String,
    /// Shown after the label, in brackets.
    pub unit: Option<String>,
    pub scale: Scale,
    /// A range that the axis shows at least. It is widened where data or a rule leave it: nothing that
    /// was measured is cut off. Without one, the axis shows what there is.
    pub range: Option<(f64, f64)>,
    /// Whether only whole numbers are named, as for epochs.
    pub whole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Each factor of ten is as long as the next. For values above 0.
    Logarithmic,
}

impl Axis {
    pub fn new(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), unit: None, scale: Scale::Linear, range: None, whole: false }
    }

    pub fn unit(mut self, unit: impl Into<String>) -> Axis {
        self.unit = Some(unit.into());
        self
    }

    pub fn logarithmic(mut self) -> Axis {
        self.scale = Scale::Logarithmic;
        self
    }

    pub fn at_least(mut self, low: f64, high: f64) -> Axis {
        self.range = Some((low, high));
        self
    }

    pub fn whole(mut self) -> Axis {
        self.whole = true;
        self
    }

    /// Label and unit as they stand beside the axis.
    pub(super) fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", self.label),
            None => self.label.clone(),
        }
    }
}

/// How far an axis goes beyond the values on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Margin {
    /// A little, so that a marker at either end stands clear.
    Little,
    /// To the next value that the axis names.
    ToTick,
}

/// Of the span of an axis, at each end.
const LITTLE: f64 = 0.02;

/// A span narrower than this, relative to the values, is as good as none: rounding would show.
const NARROWEST: f64 = 1e-9;

/// Values smaller than this are as good as 0, and have no place on a logarithmic axis.
pub(super) const SMALLEST: f64 = 1e-300;

/// An axis with its ends. All values that it is asked for are finite and at most `LARGEST` in size; on a
/// logarithmic scale they are at least [`SMALLEST`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruler {
    scale: Scale,
    whole: bool,
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Ruler {
    /// The axis, wide enough for `values` (at least one of them), with about `ticks` values named.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>, margin: Margin, ticks: usize) -> Ruler {
        let asked = axis.range.map(|(a, b)| (a.min(b), a.max(b)));
        let (mut low, mut high) = asked.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let ends = widened(axis.scale, low, high);
        let (low, high) = match (margin, axis.scale) {
            // The range that was asked for is shown as it is.
            _ if asked == Some(ends) => ends,
            (Margin::ToTick, Scale::Linear) => to_ticks(ends, step(ends, ticks, axis.whole)),
            _ => with_margin(axis.scale, ends),
        };
        Ruler { scale: axis.scale, whole: axis.whole, low, high }
    }

    /// How far along the axis a value lies: 0 at its low end, 1 at its high one.
    pub fn fraction(&self, value: f64) -> f64 {
        let place = |value| onto(self.scale, value);
        ((place(value) - place(self.low)) / (place(self.high) - place(self.low))).clamp(0.0, 1.0)
    }

    /// About `most` values to name, lowest first.
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

    /// 1, 2 and 5 of each factor of ten, or its 1 alone where these are too many, or the 1 of every
    /// second, third, ... factor of ten. None where so few are left that they tell no scale.
    fn ticks_by_decade(&self, most: usize) -> Option<Vec<Tick>> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let of_decades = |digits: &[f64], every: i32| {
            let powers = (first.div_euclid(every) * every..=last).step_by(every as usize);
            let values = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
            values.filter(|value| (self.low..=self.high).contains(value)).collect::<Vec<f64>>()
        };
        let mut values = of_decades(&[1.0, 2.0, 5.0], 1);
        if values.len() > most {
            values = of_decades(&[1.0], ((last - first) / most.max(1) as i32).max(1));
        }
        let tick = |value| Tick { value, label: label(value, value, value) };
        (values.len() >= FEWEST_TICKS).then(|| values.into_iter().map(tick).collect())
    }
}

/// With fewer, a logarithmic axis cannot be told from a linear one.
const FEWEST_TICKS: usize = 3;

/// A value as its scale has it, where equal steps are equal lengths.
fn onto(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Logarithmic => value.log10(),
    }
}

/// Ends that are apart.
fn widened(scale: Scale, low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if high - low > largest * NARROWEST && largest > SMALLEST {
        return (low, high);
    }
    match scale {
        Scale::Logarithmic => (low / 2.0, high * 2.0),
        Scale::Linear if largest > SMALLEST => (low - largest / 20.0, high + largest / 20.0),
        Scale::Linear => (0.0, 1.0),
    }
}

fn with_margin(scale: Scale, (low, high): (f64, f64)) -> (f64, f64) {
    match scale {
        Scale::Linear => {
            let margin = (high - low) * LITTLE;
            (low - margin, high + margin)
        }
        Scale::Logarithmic => {
            let margin = 10f64.powf((high.log10() - low.log10()) * LITTLE);
            (low / margin, (high * margin).min(f64::MAX))
        }
    }
}

fn to_ticks((low, high): (f64, f64), step: f64) -> (f64, f64) {
    ((low / step + SLACK).floor() * step, (high / step - SLACK).ceil() * step)
}

/// The step of 1, 2 or 5 times a power of ten that leads to at most `most` steps.
fn step((low, high): (f64, f64), most: usize, whole: bool) -> f64 {
    let finest = (high - low) / most.max(1) as f64;
    let power = 10f64.powf(finest.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= finest * (1.0 - SLACK));
    let step = factor.unwrap_or(10.0) * power;
    if whole { step.max(1.0) } else { step }
}

/// A multiple that rounding put this far beyond an end, in steps, is at the end.
const SLACK: f64 = 1e-6;

fn first_multiple(low: f64, step: f64) -> f64 {
    (low / step - SLACK).ceil()
}

fn last_multiple(high: f64, step: f64) -> f64 {
    (high / step + SLACK).floor()
}

/// A tick's value with the decimals that its step needs, thousands apart; with a power of ten where the
/// axis goes very far or its steps are very small.
fn label(value: f64, step: f64, largest: f64) -> String {
    let power = (step.log10() + SLACK).floor();
    let digits = if value == 0.0 {
        "0".to_owned()
    } else if largest >= 1e7 || power < -5.0 {
        let decimals = (value.abs().log10() + SLACK).floor() - power;
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

/// Digits with a comma before every three.
fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, ends: [f64; 2], margin: Margin, most: usize) -> Vec<String> {
        let ruler = Ruler::new(&axis, ends.into_iter(), margin, most);
        ruler.ticks(most).into_iter().map(|tick| tick.label).collect()
    }

    fn linear(low: f64, high: f64) -> Vec<String> {
        labels(Axis::new(""), [low, high], Margin::ToTick, 6)
    }

    #[test]
    fn an_axis_goes_to_the_values_that_it_names() {
        assert_eq!(linear(91.3, 98.7), ["90", "92", "94", "96", "98", "100"]);
        assert_eq!(linear(0.0, 100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(linear(-0.25, 0.61), ["−0.4", "−0.2", "0", "0.2", "0.4", "0.6", "0.8"]);
    }

    #[test]
    fn thousands_stand_apart_and_what_is_far_off_has_a_power_of_ten() {
        assert_eq!(linear(0.0, 18_750.0), ["0", "5,000", "10,000", "15,000", "20,000"]);
        assert_eq!(linear(0.0, 4e8), ["0", "1e8", "2e8", "3e8", "4e8"]);
        assert_eq!(linear(0.0, 5e-7), ["0", "1e-7", "2e-7", "3e-7", "4e-7", "5e-7"]);
        assert_eq!(
            linear(1e8, 1e8 + 20.0),
            ["1e8", "1.00000005e8", "1.0000001e8", "1.00000015e8", "1.0000002e8"]
        );
    }

    #[test]
    fn epochs_are_whole_and_the_first_stands_clear_of_the_edge() {
        let epochs = Axis::new("Epoch").whole();
        assert_eq!(labels(epochs.clone(), [1.0, 3.0], Margin::Little, 10), ["1", "2", "3"]);
        let ruler = Ruler::new(&epochs, [1.0, 3.0].into_iter(), Margin::Little, 10);
        assert!(ruler.fraction(1.0) > 0.01 && ruler.fraction(3.0) < 0.99);
    }

    #[test]
    fn a_range_is_shown_as_asked_and_widened_only_for_data_beyond_it() {
        let percent = Axis::new("Accuracy").at_least(0.0, 100.0);
        let ends = |low, high| {
            let ruler = Ruler::new(&percent, [low, high].into_iter(), Margin::ToTick, 5);
            (ruler.low, ruler.high)
        };
        assert_eq!(ends(40.0, 60.0), (0.0, 100.0));
        assert_eq!(ends(40.0, 107.0), (0.0, 150.0));
    }

    #[test]
    fn a_range_too_narrow_to_show_is_widened() {
        let axis = Axis::new("").at_least(1.0, 1.0 + f64::EPSILON);
        let ruler = Ruler::new(&axis, [1.0].into_iter(), Margin::Little, 5);
        assert!(ruler.low < 1.0 && 1.0 < ruler.high && ruler.ticks(5).len() > 1, "{ruler:?}");
    }

    #[test]
    fn a_logarithmic_axis_names_one_two_and_five_or_powers_of_ten_alone() {
        let axis = Axis::new("Step").logarithmic();
        let named = |low, high, most| labels(axis.clone(), [low, high], Margin::Little, most);
        assert_eq!(named(50.0, 2000.0, 9), ["50", "100", "200", "500", "1,000", "2,000"]);
        assert_eq!(named(1.0, 18_750.0, 6), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(named(1e-30, 1e30, 6), ["1e-30", "1e-20", "1e-10", "1", "1e10", "1e20", "1e30"]);
        assert!(named(50.0, 60.0, 6).len() > 3);
    }

    #[test]
    fn factors_of_ten_are_equally_long_on_a_logarithmic_axis() {
        let ruler = Ruler::new(&Axis::new("").logarithmic(), [1.0, 100.0].into_iter(), Margin::Little, 6);
        let middle = ruler.fraction(10.0);
        assert!((middle - 0.5).abs() < 1e-12, "{middle}");
    }

    #[test]
    fn equal_values_have_an_axis_around_them() {
        for value in [97.0, -3.0, 0.0, 1e300, 5e-324] {
            let ruler = Ruler::new(&Axis::new(""), [value, value].into_iter(), Margin::ToTick, 6);
            assert!(
                ruler.low < ruler.high && ruler.low <= value && value <= ruler.high,
                "{value}: {ruler:?}"
            );
            assert!(ruler.ticks(6).len() > 1, "{value}");
        }
    }
}
