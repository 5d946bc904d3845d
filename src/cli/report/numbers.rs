//! Numbers and names as they are on the pages.

use serde::Serialize;

/// "98.70 %"
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", 100.0 * fraction) } else { "–".to_owned() }
}

/// A probability, of which "100.00 %" would say too much.
pub fn probability(fraction: f64) -> String {
    match fraction {
        _ if fraction >= 0.999_95 => "> 99.99 %".to_owned(),
        _ if fraction < 0.000_05 => "< 0.01 %".to_owned(),
        _ => percent(fraction),
    }
}

/// "0.0412"
pub fn loss(loss: f64) -> String {
    format!("{loss:.4}")
}

/// A number, or a dash if there is none.
pub fn perhaps(number: Option<f64>, shown: fn(f64) -> String) -> String {
    number.map_or_else(|| "–".to_owned(), shown)
}

/// The name of a choice, as in config.toml, but with spaces.
pub fn name_of(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name.replace('-', " "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_never_rounded_to_certainty() {
        let shown = [1.0, 0.99994, 0.5, 0.00001].map(probability);
        assert_eq!(shown, ["> 99.99 %", "99.99 %", "50.00 %", "< 0.01 %"]);
    }

    #[test]
    fn what_is_unknown_is_a_dash() {
        assert_eq!(
            [perhaps(Some(0.5), percent), perhaps(None, loss), percent(f64::NAN)],
            ["50.00 %", "–", "–"]
        );
    }
}
