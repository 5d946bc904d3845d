//! Numbers in sentences.

use std::fmt::Display;

/// A number of things: "1 class", "3 classes", "0 images". `noun` is the singular.
pub(crate) fn count(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = match noun {
        _ if number == "1" => "",
        _ if noun.ends_with('s') || noun.ends_with("tch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// A whole number with thousands separators: 1,234,567.
pub(crate) fn whole(value: u64) -> String {
    grouped(&value.to_string())
}

/// Inserts a comma before every group of three digits.
pub(crate) fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time in seconds, for people: "0.3 s", "42 s", "1m 25s", "2h 05m", "3d 04h".
#[cfg(feature = "cli")]
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d {:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        for (number, noun, expected) in [
            (1, "image", "1 image"),
            (0, "image", "0 images"),
            (2, "class", "2 classes"),
            (1, "class", "1 class"),
            (3, "epoch", "3 epochs"),
            (5, "dispatch", "5 dispatches"),
        ] {
            assert_eq!(count(number, noun), expected);
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_duration_has_at_most_two_units() {
        for (seconds, expected) in [
            (0.0, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1m 00s"),
            (85.0, "1m 25s"),
            (7_500.0, "2h 05m"),
            (273_600.0, "3d 04h"),
            (f64::INFINITY, "213503982334601d 07h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn thousands_are_separated() {
        for (value, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(whole(value), expected);
        }
    }
}
