//! Formatting numbers for table cells.

use crate::bench::statistics::Summary;
use crate::report::Table;
use crate::wording::whole;

pub(super) fn push(table: &mut Table, row: Vec<String>) {
    table.push(row).expect("a row has a cell for each column");
}

/// Shown for an unknown value, or a division by zero time if a device's clock is too coarse.
const MISSING: &str = "–";

pub(super) fn cell<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), show)
}

pub(super) fn spread_of(value: f64, summary: &Summary) -> String {
    format!("{} ± {}", number(value), percent(summary.spread))
}

pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if !percent.is_finite() {
        return MISSING.to_owned();
    }
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

pub(super) fn milliseconds(seconds: f64) -> String {
    format!("{} ms", number(1e3 * seconds))
}

/// Three significant digits, or all digits before the decimal point: 0.123, 12.3, 1,234.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    match (2 - libm::log10(value.abs()).floor() as i32).clamp(0, 6) as usize {
        0 => whole(value.round() as u64),
        digits => format!("{value:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_or_thousands_separators() {
        for (value, expected) in [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234_567.0, "1,234,567"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
