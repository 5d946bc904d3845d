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
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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

    #[test]
    fn thousands_are_separated() {
        for (value, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(whole(value), expected);
        }
    }
}
