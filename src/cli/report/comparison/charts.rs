//! The curves of all runs.

use super::Compared;
use crate::report::compared_curves::{Against, NamedRun, compare};
use crate::report::curves::Metric;
use crate::report::page::{Html, Tone, card, columns, figure, intro, notice};

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
        let chart = compare(metric, against, &named)?;
        let drawn = match chart.to_html() {
            Ok(svg) => figure(&Html::trusted(svg), ""),
            Err(error) => notice(Tone::Neutral, &format!("This curve cannot be drawn: {error}.")),
        };
        Some(card(&chart.title, &drawn))
    })));
    html
}

/// The names in the legend: shortened in the middle, and numbered if they are then the same.
fn legend_names(runs: &[Compared]) -> Vec<String> {
    let mut names: Vec<String> = runs.iter().map(|compared| shortened(&compared.name)).collect();
    for index in 0..names.len() {
        if names[..index].contains(&names[index]) {
            names[index] = format!("{} ({})", names[index], index + 1);
        }
    }
    names
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
    fn a_long_name_keeps_its_start_and_its_end() {
        assert_eq!(shortened("mnist-20261122-174530"), "mnist-20261122-174530");
        assert_eq!(shortened("a-very-long-name-of-a-run-with-seed-3"), "a-very-long…with-seed-3");
    }
}
