//! The texts of progress: a bar in a line, and durations.

use super::footer::Row;

/// With fewer columns there is no room for a bar.
const COLUMNS_OF_BAR: usize = 60;

/// "what [=====>    ] details", or with few columns "what  50 %". The last column of the terminal stays free, as terminals
/// differ in where the cursor is after it.
pub fn bar(what: &str, fraction: f64, details: &str, columns: usize) -> Row {
    let fraction = fraction.clamp(0.0, 1.0);
    let text = what.chars().count() + details.chars().count();
    let room = columns.saturating_sub(text + " [] ".len() + 1);
    if columns < COLUMNS_OF_BAR || room < 4 {
        return line(what, &format!("{:3.0} %", (100.0 * fraction).floor()), columns);
    }
    let done = (fraction * room as f64) as usize;
    let head = if done < room { ">" } else { "" };
    row(format!("{what} [{}{head:width$}] {details}", "=".repeat(done), width = room - done))
}

/// Two texts separated by a space; the first is truncated if there are too few columns.
pub fn line(text: &str, end: &str, columns: usize) -> Row {
    let room = columns.saturating_sub(end.chars().count() + 2);
    let text: String = text.chars().take(room).collect();
    row(format!("{text} {end}").chars().take(columns.saturating_sub(1)).collect())
}

fn row(text: String) -> Row {
    Row { columns: text.chars().count(), text }
}

/// A duration: "7 s", "3:05", "1:03:05", "12 days".
pub fn duration(seconds: f64) -> String {
    const DAY: u64 = 86_400;
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{minutes}:{rest:02}"),
        _ if whole < 4 * DAY => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{} days", whole / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_its_columns() {
        assert_eq!(
            bar("classifying", 0.5, "5 of 10, 3 s left", 60).text,
            "classifying [=============>             ] 5 of 10, 3 s left"
        );
        assert_eq!(bar("classifying", 0.5, "5 of 10, 3 s left", 40).text, "classifying  50 %");
        assert_eq!(bar("classifying", 0.999, "", 10).text, "cla  99 %");
        for columns in 1..90 {
            for fraction in [0.0, 0.3, 1.0, f64::NAN] {
                let row = bar("reading images", fraction, "100 of 200, 1:00 left", columns);
                assert!(row.columns < columns, "{columns}: {row:?}");
                assert_eq!(row.columns, row.text.chars().count());
            }
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, expected) in [
            (0.2, "0 s"),
            (59.4, "59 s"),
            (59.6, "1:00"),
            (3_599.0, "59:59"),
            (3_785.0, "1:03:05"),
            (345_599.0, "95:59:59"),
            (1e6, "11 days"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
