//! Parsers of option values. Each says what a value must be when it rejects one.

use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::files::is_written_through;

/// The largest seed or number of steps: `config.toml` stores them, and TOML's integers are signed.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// The path of a PNG file to write. The names of stdout, devices and FIFOs do not tell a format.
pub fn png(typed: PathBuf) -> Result<PathBuf, &'static str> {
    let is_png = typed.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if is_png || is_written_through(&typed) { Ok(typed) } else { Err("must end in .png") }
}

/// A parser of whole numbers in a range.
pub fn integer<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |typed| {
        let (least, most) = (*range.start(), *range.end());
        let value: i128 = typed.parse().map_err(|_| "must be a whole number".to_owned())?;
        if value < least.into() {
            return Err(format!("must be at least {least}"));
        }
        u64::try_from(value)
            .ok()
            .filter(|value| *value <= most)
            .and_then(|value| T::try_from(value).ok())
            .ok_or_else(|| format!("must be at most {most}"))
    }
}

/// A number of things, at least 1.
pub fn count(typed: &str) -> Result<NonZeroUsize, String> {
    let count = integer::<usize>(1..=usize::MAX as u64)(typed)?;
    Ok(NonZeroUsize::new(count).expect("the parser rejects 0"))
}

/// A number of things, at least 1, with the same limit on every platform.
pub fn count_u64(typed: &str) -> Result<NonZeroU64, String> {
    let count = integer::<u64>(1..=MAX_INTEGER)(typed)?;
    Ok(NonZeroU64::new(count).expect("the parser rejects 0"))
}

/// A number of epochs: above 0 and finite.
pub fn epochs(typed: &str) -> Result<f64, String> {
    let epochs: f64 = number(typed)?;
    check(epochs, epochs > 0.0 && epochs.is_finite(), "must be above 0 and finite")
}

/// Seconds: above 0, at most an hour.
pub fn seconds(typed: &str) -> Result<f64, String> {
    let seconds: f64 = number(typed)?;
    check(seconds, seconds > 0.0 && seconds <= 3600.0, "must be above 0 and at most 3600")
}

/// Above 0 and finite as an f32. Subnormal numbers are rejected because many GPUs treat them as 0.
pub fn positive(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    check(value, value > 0.0 && value.is_normal(), "must be above 0 (at least 1.2e-38) and finite")
}

/// At least 0 and below 1, as an f32.
pub fn below_one(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    check(value, (0.0..1.0).contains(&value), "must be at least 0 and below 1")
}

/// At least 0 and finite, as an f32.
pub fn non_negative(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    check(value, value >= 0.0 && value.is_finite(), "must be at least 0 and finite")
}

/// A fraction between 0 and 1, both excluded.
pub fn fraction(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    check(value, value > 0.0 && value < 1.0, "must be above 0 and below 1")
}

/// At least 0 and below 1.
pub fn warmup(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    check(value, (0.0..1.0).contains(&value), "must be at least 0 and below 1")
}

/// A percentage from 1 to 100. A smaller number is a fraction by mistake, 0.95 for 95 %.
pub fn percent(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    check(value, (1.0..=100.0).contains(&value), "must be 1 to 100, in percent")
}

/// An angle of 0 to 180 degrees.
pub fn degrees(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    check(value, (0.0..=180.0).contains(&value), "must be 0 to 180")
}

/// The smallest memory budget, 1 MiB.
const MIN_BYTES: u64 = 1 << 20;

/// A number of bytes, with a binary unit: K, M, G or T, of which a B or iB may follow.
pub fn bytes(typed: &str) -> Result<u64, String> {
    const RULE: &str = "must be a number and a unit, such as 512M or 2G";
    let digits = typed.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let power = match typed[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(RULE.to_owned()),
    };
    let count: f64 = digits.trim_end().parse().map_err(|_| RULE.to_owned())?;
    let bytes = count * (1u64 << power) as f64;
    let largest = (1u64 << 60) as f64;
    check(
        bytes as u64,
        (MIN_BYTES as f64..=largest).contains(&bytes),
        "must be 1M to 1048576T, such as 512M or 2G",
    )
}

fn number<T: FromStr>(typed: &str) -> Result<T, String> {
    typed.parse().map_err(|_| "must be a number".to_owned())
}

fn check<T>(value: T, is_valid: bool, rule: impl Display) -> Result<T, String> {
    if is_valid { Ok(value) } else { Err(rule.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_above_zero_and_finite() {
        assert_eq!(epochs("1.75"), Ok(1.75));
        for typed in ["0", "-1", "inf", "NaN", "three", ""] {
            assert!(epochs(typed).is_err(), "{typed:?} was accepted");
        }
    }

    #[test]
    fn integers_are_rejected_with_the_limit_they_exceed() {
        let parse = integer::<u32>(5..=1000);
        assert_eq!(parse("5"), Ok(5));
        for (typed, rule) in [
            ("3", "must be at least 5"),
            ("-3", "must be at least 5"),
            ("1001", "must be at most 1000"),
            ("99999999999999999999999", "must be at most 1000"),
            ("many", "must be a whole number"),
            ("7.5", "must be a whole number"),
            ("", "must be a whole number"),
        ] {
            assert_eq!(parse(typed), Err(rule.to_owned()), "{typed:?}");
        }
        assert_eq!(count("0"), Err("must be at least 1".to_owned()));
        assert_eq!(count_u64("9223372036854775808"), Err("must be at most 9223372036854775807".to_owned()));
    }

    #[test]
    fn sizes_have_binary_units() {
        for (typed, expected) in [
            ("512M", 512 << 20),
            ("2g", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("2048 kB", 2 << 20),
            ("1048576", 1 << 20),
        ] {
            assert_eq!(bytes(typed), Ok(expected), "{typed:?}");
        }
        for typed in ["", "M", "-1G", "2X", "1K", "0", "nan", "infG", "1e30T", "5 0M"] {
            assert!(bytes(typed).is_err(), "{typed:?} was accepted");
        }
    }

    #[test]
    fn rates_that_underflow_or_overflow_as_f32_are_rejected() {
        assert_eq!(positive("1e-3"), Ok(1e-3));
        for typed in ["0", "-0.1", "1e-60", "1e-40", "1e39", "inf", "nan"] {
            assert!(positive(typed).is_err(), "{typed:?} was accepted");
        }
    }

    #[test]
    fn fractions_exclude_zero_and_one_and_a_warmup_may_be_zero() {
        assert_eq!(fraction("0.1"), Ok(0.1));
        assert_eq!(warmup("0"), Ok(0.0));
        for typed in ["0", "1", "10", "-0.1", "nan", "10%"] {
            assert!(fraction(typed).is_err(), "{typed:?} was accepted");
            assert!(typed == "0" || warmup(typed).is_err(), "{typed:?} was accepted");
        }
    }

    #[test]
    fn percentages_and_degrees_are_limited() {
        assert_eq!(percent("100"), Ok(100.0));
        assert_eq!(degrees("180"), Ok(180.0));
        for typed in ["-1", "nan", "inf", "181"] {
            assert!(percent(typed).is_err() && degrees(typed).is_err(), "{typed:?} was accepted");
        }
        assert!(percent("0").is_err());
        assert!(non_negative("-1e-3").is_err() && non_negative("0") == Ok(0.0));
    }

    #[test]
    fn a_decay_that_rounds_to_one_as_f32_is_rejected() {
        assert_eq!(below_one("0"), Ok(0.0));
        assert_eq!(below_one("0.999"), Ok(0.999));
        for typed in ["1", "0.99999999999", "-0.1", "nan"] {
            assert!(below_one(typed).is_err(), "{typed:?} was accepted");
        }
    }
}
