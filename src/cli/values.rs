//! Numbers and paths as they are typed. Each is refused with the reason where it makes no sense.

use std::path::PathBuf;

/// How far a seed or a number of steps goes: `config.toml` keeps it, and TOML's integers are signed.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// A path of a PNG file: what is written is one, whatever its name says.
pub fn png(typed: PathBuf) -> Result<PathBuf, &'static str> {
    let is_png = typed.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    if is_png { Ok(typed) } else { Err("the name of a PNG file ends in .png") }
}

/// Above 0 and finite.
pub fn epochs(typed: &str) -> Result<f64, String> {
    let epochs: f64 = number(typed)?;
    if epochs > 0.0 && epochs.is_finite() {
        Ok(epochs)
    } else {
        Err("it must be above 0 and finite".to_owned())
    }
}

/// Above 0 and at most an hour.
pub fn seconds(typed: &str) -> Result<f64, String> {
    let seconds: f64 = number(typed)?;
    if seconds > 0.0 && seconds <= 3600.0 {
        Ok(seconds)
    } else {
        Err("it must be above 0 and at most 3600".to_owned())
    }
}

/// Above 0 and finite, as an f32. The smallest ones, which lack bits, are 0 to many a GPU.
pub fn positive(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    if value > 0.0 && value.is_normal() {
        Ok(value)
    } else {
        Err("it must be above 0 (at least 1.2e-38) and finite".to_owned())
    }
}

/// At least 0 and below 1, as an f32.
pub fn decay(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err("it must be at least 0 and below 1".to_owned()) }
}

/// At least 0 and finite, as an f32.
pub fn not_negative(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err("it must be at least 0 and finite".to_owned())
    }
}

/// Between 0 and 1, both excluded.
pub fn share(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it must be above 0 and below 1".to_owned()) }
}

/// At least 0 and below 1.
pub fn warmup(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err("it must be at least 0 and below 1".to_owned()) }
}

/// Above 0 and at most 100.
pub fn percent(typed: &str) -> Result<f64, String> {
    let value: f64 = number(typed)?;
    if value > 0.0 && value <= 100.0 {
        Ok(value)
    } else {
        Err("it must be above 0 and at most 100".to_owned())
    }
}

/// 0 to 180.
pub fn degrees(typed: &str) -> Result<f32, String> {
    let value: f32 = number(typed)?;
    if (0.0..=180.0).contains(&value) { Ok(value) } else { Err("it must be 0 to 180".to_owned()) }
}

fn number<T: std::str::FromStr>(typed: &str) -> Result<T, String> {
    typed.parse().map_err(|_| "it is no number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_above_zero_and_finite() {
        assert_eq!(epochs("1.75"), Ok(1.75));
        for typed in ["0", "-1", "inf", "NaN", "three", ""] {
            assert!(epochs(typed).is_err(), "{typed:?} was taken");
        }
    }

    #[test]
    fn a_rate_that_vanishes_or_overflows_as_f32_is_refused() {
        assert_eq!(positive("1e-3"), Ok(1e-3));
        for typed in ["0", "-0.1", "1e-60", "1e-40", "1e39", "inf", "nan"] {
            assert!(positive(typed).is_err(), "{typed:?} was taken");
        }
    }

    #[test]
    fn a_share_leaves_something_on_both_sides() {
        assert_eq!(share("0.1"), Ok(0.1));
        assert_eq!(warmup("0"), Ok(0.0));
        for typed in ["0", "1", "10", "-0.1", "nan", "10%"] {
            assert!(share(typed).is_err(), "{typed:?} was taken");
            assert!(typed == "0" || warmup(typed).is_err(), "{typed:?} was taken");
        }
    }

    #[test]
    fn percents_and_degrees_keep_to_their_circle() {
        assert_eq!(percent("100"), Ok(100.0));
        assert_eq!(degrees("180"), Ok(180.0));
        for typed in ["-1", "nan", "inf", "181"] {
            assert!(percent(typed).is_err() && degrees(typed).is_err(), "{typed:?} was taken");
        }
        assert!(percent("0").is_err());
        assert!(not_negative("-1e-3").is_err() && not_negative("0") == Ok(0.0));
    }

    #[test]
    fn a_decay_that_rounds_to_one_as_f32_is_refused() {
        assert_eq!(decay("0"), Ok(0.0));
        assert_eq!(decay("0.999"), Ok(0.999));
        for typed in ["1", "0.99999999999", "-0.1", "nan"] {
            assert!(decay(typed).is_err(), "{typed:?} was taken");
        }
    }
}
