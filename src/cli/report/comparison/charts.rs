//! The curves of all runs.

use super::Compared;
use crate::cli::report::sections::curves::chart;
use crate::report::compared_curves::{Against, NamedRun, compare};
use crate::report::curves::Metric;
use crate::report::page::{Html, Tone, columns, intro, notice};

const METRICS: [Metric; 3] = [Metric::TestAccuracy, Metric::ValidationAccuracy, Metric::TrainLoss];

/// The longest name in a legend, in characters.
const MAX_NAME: usize = 24;

pub fn body(runs: &[Compared]) -> Html {
    let names = legend_names(runs);
    let named: Vec<NamedRun> = runs
        .iter()
        .zip(&names)
        .filter(|(compared, _)| compared.position.is_some())
        .map(|(compared, name)| NamedRun { name, records: &compared.run.records })
        .collect();
    if named.is_empty() {
        return notice(Tone::Neutral, "No epoch of any run was completed, so there are no curves yet.");
    }
    let mut html = intro("Against epochs, and against the time spent training, without the evaluations.");
    let charts = METRICS.iter().flat_map(|&metric| {
        [Against::Epochs, Against::Seconds].into_iter().map(move |against| (metric, against))
    });
    html.push(&columns(charts.filter_map(|(metric, against)| {
        let drawn = compare(metric, against, &named)?;
        Some(chart(&drawn.title, &drawn, ""))
    })));
    html
}

/// With more runs than this, what all names begin with is left out of the legend, which would be too high otherwise.
const MAX_FULL_NAMES: usize = 4;

/// The names in the legend: shortened in the middle, and numbered if they are then the same.
fn legend_names(runs: &[Compared]) -> Vec<String> {
    let names: Vec<&str> = runs.iter().map(|compared| compared.name.as_str()).collect();
    let shared = if names.len() > MAX_FULL_NAMES { shared_start(&names) } else { 0 };
    let ellipsis = if shared > 0 { "…" } else { "" };
    let mut names: Vec<String> =
        names.iter().map(|name| format!("{ellipsis}{}", shortened(&name[shared..]))).collect();
    for index in 0..names.len() {
        if names[..index].contains(&names[index]) {
            names[index] = format!("{} ({})", names[index], index + 1);
        }
    }
    names
}

/// The length of what all names begin with, up to a separator: 6 of "mnist-1" and "mnist-12".
fn shared_start(names: &[&str]) -> usize {
    let [first, others @ ..] = names else { return 0 };
    let ends = first.match_indices(['-', '_', '/', '.']).map(|(index, separator)| index + separator.len());
    let is_shared = |&end: &usize| others.iter().all(|other| other.starts_with(&first[..end]));
    let is_enough = |&end: &usize| names.iter().all(|name| name.len() > end);
    ends.filter(is_shared).rfind(is_enough).unwrap_or(0)
}

fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= MAX_NAME {
        return name.to_owned();
    }
    let half = (MAX_NAME - 1) / 2;
    let (start, end) = (letters[..half].iter(), letters[letters.len() - half..].iter());
    start.chain(&['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_start_ends_with_a_separator() {
        assert_eq!(shared_start(&["mnist-1", "mnist-12"]), 6);
        assert_eq!(shared_start(&["mnist-20261101-10", "mnist-20261102-10"]), 6);
        assert_eq!(shared_start(&["é-a", "é-b"]), 3);
        for names in [&["a-", "a-b"][..], &["a", "ab"], &["a-b", "c-b"], &[]] {
            assert_eq!(shared_start(names), 0, "{names:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_start_and_its_end() {
        assert_eq!(shortened("mnist-20261122-174530"), "mnist-20261122-174530");
        assert_eq!(shortened("a-very-long-name-of-a-run-with-seed-3"), "a-very-long…with-seed-3");
    }
}
