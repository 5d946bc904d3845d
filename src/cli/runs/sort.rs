//! The order of the list.

use std::cmp::Ordering;

use super::listed::Listed;
use crate::train::StoredRun;

/// A key and whether its usual order is reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    key: Key,
    reverse: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Key {
    #[default]
    Date,
    Name,
    Accuracy,
    Loss,
    Time,
    Epochs,
    Speed,
}

const KEYS: [(&str, Key); 8] = [
    ("date", Key::Date),
    ("name", Key::Name),
    ("accuracy", Key::Accuracy),
    ("best", Key::Accuracy),
    ("loss", Key::Loss),
    ("time", Key::Time),
    ("epochs", Key::Epochs),
    ("images/s", Key::Speed),
];

pub fn parse(typed: &str) -> Result<Sort, String> {
    let (name, reverse) = typed.strip_prefix('-').map_or((typed, false), |name| (name, true));
    let key = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match key {
        Some(&(_, key)) => Ok(Sort { key, reverse }),
        None => {
            let names: Vec<&str> = KEYS
                .iter()
                .map(|&(name, _)| name)
                .filter(|&name| name != "best" && name != "images/s")
                .collect();
            Err(format!("must be {} or images/s", names.join(", ")))
        }
    }
}

impl Sort {
    /// Sorts runs. Those without a value, and damaged ones, are last in either order.
    pub fn apply(self, listed: &mut [Listed], reverse: bool) {
        let reverse = self.reverse != reverse;
        if self.key == Key::Name {
            let order = |run: &Listed, other: &Listed| natural(&run.name, &other.name);
            listed.sort_by(|run, other| if reverse { order(other, run) } else { order(run, other) });
            return;
        }
        // The lowest is first.
        let value = |run: &Listed| -> Option<f64> {
            let stored = run.run();
            match self.key {
                Key::Date => {
                    let since =
                        stored?.started.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
                    Some(-since.as_secs_f64())
                }
                Key::Name => None,
                Key::Accuracy => run.best().map(|best| -best),
                Key::Loss => run.loss(),
                Key::Time => stored.map(StoredRun::seconds).filter(|&seconds| seconds > 0.0),
                Key::Epochs => stored.map(|stored| -(stored.records.len() as f64)),
                Key::Speed => stored?.images_per_second().map(|speed| -speed),
            }
        };
        let order = |run: &Listed, other: &Listed| match (value(run), value(other)) {
            (Some(run), Some(other)) if reverse => other.total_cmp(&run),
            (Some(run), Some(other)) => run.total_cmp(&other),
            (run, other) => run.is_none().cmp(&other.is_none()),
        };
        listed.sort_by(|run, other| order(run, other).then_with(|| natural(&run.name, &other.name)));
    }
}

/// Compares names with their numbers as numbers: run-9 is before run-10.
fn natural(name: &str, other: &str) -> Ordering {
    for (piece, other_piece) in pieces(name).zip(pieces(other)) {
        let order = match (number(piece), number(other_piece)) {
            (Some(number), Some(other)) => number.cmp(&other),
            _ => piece.cmp(other_piece),
        };
        if order.is_ne() {
            return order;
        }
    }
    name.len().cmp(&other.len())
}

/// The runs of digits, and the text between them.
fn pieces(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
}

fn number(piece: &[u8]) -> Option<u64> {
    std::str::from_utf8(piece).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["run-10", "run-9", "run", "a-2", "run-9b", "10"];
        names.sort_by(|name, other| natural(name, other));
        assert_eq!(names, ["10", "a-2", "run", "run-9", "run-9b", "run-10"]);
    }

    #[test]
    fn a_key_may_be_reversed_by_a_hyphen() {
        assert_eq!(parse("loss"), Ok(Sort { key: Key::Loss, reverse: false }));
        assert_eq!(parse("-Images/s"), Ok(Sort { key: Key::Speed, reverse: true }));
        let error = parse("speed").unwrap_err();
        assert_eq!(error, "must be date, name, accuracy, loss, time, epochs or images/s");
    }
}
