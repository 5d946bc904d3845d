//! Conditions on runs: `NAME OPERATOR VALUE`.

use std::cmp::Ordering;

use super::listed::{DAMAGED, Listed, dataset, date};
use crate::cli::{recipe, usage};
use crate::train::StoredRun;

#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    field: Field,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Name,
    State,
    Dataset,
    Device,
    Date,
    Best,
    Last,
    Loss,
    Epochs,
    Time,
    Speed,
    /// An option of `train`, with its default.
    Option(String, Option<String>),
}

const FIELDS: [(&str, Field); 12] = [
    ("name", Field::Name),
    ("state", Field::State),
    ("dataset", Field::Dataset),
    ("device", Field::Device),
    ("date", Field::Date),
    ("accuracy", Field::Best),
    ("best", Field::Best),
    ("last", Field::Last),
    ("loss", Field::Loss),
    ("epochs", Field::Epochs),
    ("time", Field::Time),
    ("images/s", Field::Speed),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
}

/// The longer ones first.
const OPERATORS: [(&str, Operator); 8] = [
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

/// The states that a filter can name.
const STATES: [&str; 6] = ["running", "finished", "stopped", "interrupted", "failed", DAMAGED];

pub fn parse(typed: &str) -> Result<Filter, String> {
    let found = (0..typed.len()).filter(|&index| typed.is_char_boundary(index)).find_map(|index| {
        let operator = OPERATORS.iter().find(|(text, _)| typed[index..].starts_with(text));
        operator.map(|&(text, operator)| (&typed[..index], operator, &typed[index + text.len()..]))
    });
    let Some((name, operator, value)) = found else {
        return Err("must be NAME, then = != < <= > >= or ~, then VALUE, such as 'accuracy>98'".to_owned());
    };
    let (name, value) = (name.trim(), value.trim());
    let field = field(name)?;
    if value.is_empty() {
        return Err(format!("there is no value for {name}"));
    }
    let needs_number = field.is_number() && operator != Operator::Contains;
    let value = if needs_number { value.trim_end_matches(['%', ' ']) } else { value };
    if needs_number && number(value).is_none() {
        return Err(format!("{name} is a number, and {value:?} is not"));
    }
    let is_state = STATES.iter().any(|state| state.eq_ignore_ascii_case(value));
    if field == Field::State && operator == Operator::Equal && !is_state {
        return Err(format!("a state is one of {}", STATES.join(", ")));
    }
    Ok(Filter { field, operator, value: value.to_owned() })
}

fn field(name: &str) -> Result<Field, String> {
    if let Some((_, field)) = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(field.clone());
    }
    match recipe::option(&name.to_ascii_lowercase().replace('_', "-")) {
        Some((name, default)) => Ok(Field::Option(name, default)),
        None => {
            let similar = usage::similar_name(name, FIELDS.map(|(name, _)| name))
                .or_else(|| usage::similar_option(name));
            let advice = similar.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            Err(format!("{name:?} is neither a column nor an option of train{advice}"))
        }
    }
}

impl Field {
    fn is_number(&self) -> bool {
        matches!(self, Self::Best | Self::Last | Self::Loss | Self::Epochs | Self::Time | Self::Speed)
    }
}

impl Filter {
    /// Whether the condition holds for a run. It does not if the run has no value.
    pub fn holds(&self, listed: &Listed) -> bool {
        let text = |text: &str| self.compare(text);
        let number = |number: Option<f64>| number.is_some_and(|number| self.compare(&number.to_string()));
        let run = listed.run();
        match &self.field {
            Field::Name => text(&listed.name),
            Field::State => text(listed.state()),
            Field::Best => number(listed.best().map(rounded)),
            Field::Last => number(listed.last().map(rounded)),
            Field::Loss => number(listed.loss()),
            Field::Dataset => run.is_some_and(|run| self.any(&datasets(run))),
            Field::Device => run.is_some_and(|run| text(run.device()) || text(&run.config.engine.backend)),
            Field::Date => run.is_some_and(|run| self.compare_date(&date(run))),
            Field::Epochs => number(run.map(|run| run.records.len() as f64)),
            Field::Time => number(run.map(StoredRun::seconds)),
            Field::Speed => number(run.and_then(StoredRun::images_per_second)),
            Field::Option(name, default) => {
                run.is_some_and(|run| match recipe::value(&run.config, name, default.as_deref()) {
                    Some(value) => text(&value),
                    None => self.operator == Operator::Unequal,
                })
            }
        }
    }

    /// Whether one of several names is meant; `!=` means none of them.
    fn any(&self, names: &[String]) -> bool {
        match self.operator {
            Operator::Unequal => names.iter().all(|name| self.compare(name)),
            _ => names.iter().any(|name| self.compare(name)),
        }
    }

    fn compare(&self, found: &str) -> bool {
        let (found_text, value) = (found.to_lowercase(), self.value.to_lowercase());
        let order = numeric_order(found, &self.value).unwrap_or_else(|| found_text.cmp(&value));
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::Unequal => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Contains => found_text.contains(&value),
        }
    }

    /// Compares as much of a date as the value has: `date=2026-11` is all of November.
    fn compare_date(&self, date: &str) -> bool {
        let value = Self { value: self.value.replace('T', " "), ..self.clone() };
        value.compare(date.get(..value.value.len()).unwrap_or(date))
    }
}

/// A percentage as the table shows it.
fn rounded(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The order of two values if both are numbers. Numbers that differ only by the rounding of f32 are equal.
pub fn numeric_order(value: &str, other: &str) -> Option<Ordering> {
    let (value, other) = (number(value)?, number(other)?);
    let is_same = (value - other).abs() <= 1e-6 * value.abs().max(other.abs());
    Some(if is_same { Ordering::Equal } else { value.total_cmp(&other) })
}

/// The names under which a run's data set is known.
fn datasets(run: &StoredRun) -> Vec<String> {
    let given = run.config.options.get("dataset").and_then(|value| value.as_str());
    let names = [Some(dataset(run)), Some(run.config.data.name.as_str()), given];
    names.into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, found: &str) -> bool {
        parse(condition).unwrap().compare(found)
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_words_without_case() {
        for (condition, found, expected) in [
            ("lr=1e-3", "0.001", true),
            ("lr=1e-3", "0.0010000000474974513", true),
            ("lr!=1e-3", "0.001", false),
            ("seed>9", "10", true),
            ("seed>=10", "10", true),
            ("seed<10", "10", false),
            ("accuracy > 98 %", "98.01", true),
            ("optimizer=SGD", "sgd", true),
            ("name~FAST", "my-fastest", true),
            ("name=fast", "my-fastest", false),
            ("batch-size=all", "64", false),
        ] {
            assert_eq!(holds(condition, found), expected, "{condition} with {found}");
        }
    }

    #[test]
    fn a_date_is_compared_as_far_as_it_is_given() {
        let holds = |condition: &str| parse(condition).unwrap().compare_date("2026-11-22 17:45:30");
        for condition in [
            "date=2026-11",
            "date=2026-11-22",
            "date>2026-11-21",
            "date<=2026-11-22",
            "date>2026-11-22T17:45:29",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in ["date>2026-11-22", "date<2026-11", "date=2025"] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_understood_is_explained() {
        for (condition, expected) in [
            ("accuracy", "must be NAME, then ="),
            ("acuracy>98", "did you mean accuracy?"),
            ("batchsize=3", "did you mean batch-size?"),
            ("accuracy>high", "accuracy is a number, and \"high\" is not"),
            ("state=done", "a state is one of running, finished"),
            ("lr=", "there is no value for lr"),
            ("=3", "is neither a column nor an option"),
            ("é=3", "is neither a column nor an option"),
        ] {
            let error = parse(condition).unwrap_err();
            assert!(error.contains(expected), "{condition}: {error}");
        }
    }
}
