//! Numbers in few columns.

use crate::wording;

/// A loss in six columns, with at most four decimals.
pub fn loss(value: f64) -> String {
    let mut decimals = (0..=4).rev().map(|decimals| format!("{value:6.decimals$}"));
    decimals.find(|text| text.len() <= 6).unwrap_or_else(|| format!("{value:6.1e}"))
}

/// A fraction as a percentage in five columns.
pub fn percent(fraction: f64) -> String {
    let text = format!("{:5.2}", 100.0 * fraction);
    if text == "100.00" { "100.0".to_owned() } else { text }
}

/// A whole number with thousands separators.
pub fn whole(value: f64) -> String {
    wording::whole(value.round() as u64)
}

/// A speed, abbreviated: "950/s", "61k/s", "1.2M/s".
pub fn rounded(rate: f64) -> String {
    match rate {
        ..999.5 => format!("{rate:.0}/s"),
        ..9_950.0 => format!("{:.1}k/s", rate / 1e3),
        ..999_500.0 => format!("{:.0}k/s", rate / 1e3),
        _ => format!("{:.1}M/s", rate / 1e6),
    }
}

/// A learning rate with three significant digits: "0.001", "0.000437", "4.37e-5".
pub fn rate(value: f64) -> String {
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    match rounded {
        0.0 | 1e-4..1e3 => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_has_six_columns() {
        for (value, expected) in [
            (0.041_23, "0.0412"),
            (9.999_99, "10.000"),
            (123.456, "123.46"),
            (1.5e20, "1.5e20"),
            (-0.5, "-0.500"),
            (f64::INFINITY, "   inf"),
        ] {
            assert_eq!(loss(value), expected);
        }
    }

    #[test]
    fn a_learning_rate_has_three_digits() {
        for (value, expected) in [
            (0.001, "0.001"),
            (0.000_436_8, "0.000437"),
            (4.368e-5, "4.37e-5"),
            (2e-5, "2e-5"),
            (0.1, "0.1"),
            (1.0, "1"),
            (120.0, "120"),
            (5e7, "5e7"),
            (0.0, "0"),
        ] {
            assert_eq!(rate(value), expected);
        }
    }
}
