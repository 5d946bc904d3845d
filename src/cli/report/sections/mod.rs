//! The sections of the page of a run, one a file. Each returns nothing if it has nothing to say.

pub mod calibration;
pub mod curves;
pub mod data;
pub mod feature_maps;
pub mod headline;
pub mod machine;
pub mod mistakes;
pub mod network;
pub mod repeat;
pub mod results;
pub mod settings;

/// "98.70 %"
fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", 100.0 * fraction) } else { "–".to_owned() }
}

/// A probability, of which "100.00 %" would say too much.
fn probability(fraction: f64) -> String {
    match fraction {
        _ if fraction >= 0.999_95 => "> 99.99 %".to_owned(),
        _ if fraction < 0.000_05 => "< 0.01 %".to_owned(),
        _ => percent(fraction),
    }
}

/// A duration: "4.08 s", "12 min 5 s", "2 h 7 min".
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.2} s"),
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        0..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = [0.5, 13.14, 59.96, 754.0, 7_654.0].map(duration);
        assert_eq!(shown, ["0.50 s", "13.1 s", "60.0 s", "12 min 34 s", "2 h 7 min"]);
    }

    #[test]
    fn a_probability_is_never_rounded_to_certainty() {
        let shown = [1.0, 0.99994, 0.5, 0.00001].map(probability);
        assert_eq!(shown, ["> 99.99 %", "99.99 %", "50.00 %", "< 0.01 %"]);
    }
}
