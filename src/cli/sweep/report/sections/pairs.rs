//! Heat maps of pairs of options.

use super::options::MAX_BINS;
use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{Html, card, columns, intro};
use crate::report::sweep::{Bins, explained, heat_map};
use crate::wording::whole;

/// The largest number of heat maps.
const MAX_MAPS: usize = 6;

/// An option with its rows or columns.
type Side<'a> = (&'a str, Bins);

pub fn body(subject: &Subject) -> Html {
    let options: Vec<Side> = subject
        .factors
        .iter()
        .filter_map(|factor| Some((factor.name.as_str(), factor.bins(MAX_BINS)?)))
        .collect();
    let mut pairs: Vec<(f64, &Side, &Side)> = Vec::new();
    for (index, first) in options.iter().enumerate() {
        for second in &options[index + 1..] {
            pairs.push((share(subject, &first.1, &second.1).unwrap_or(0.0), first, second));
        }
    }
    let all = pairs.len();
    pairs.sort_by(|(share, ..), (other, ..)| other.total_cmp(share));
    pairs.truncate(MAX_MAPS);
    let maps: Vec<Html> = pairs
        .into_iter()
        .filter_map(|(_, first, second)| {
            // The option with fewer values has the columns, for which there is less room.
            let (rows, columns) =
                if first.1.names.len() < second.1.names.len() { (second, first) } else { (first, second) };
            let sides = [(rows.0, &rows.1), (columns.0, &columns.1)];
            let drawing = heat_map(sides[0], sides[1], subject.measure, &subject.means)?;
            let heading = format!("--{} and --{}", rows.0, columns.0);
            Some(card(&heading, &super::small(&drawing, "")))
        })
        .collect();
    if maps.is_empty() {
        return Html::default();
    }
    let mut text = format!(
        "{}: the mean over all settings with these two values. Pairs without a result are hatched.",
        subject.measure.name
    );
    if all > MAX_MAPS {
        text += &format!(
            " Of {} pairs, the {MAX_MAPS} that explain most of the variance between settings.",
            whole(all as u64)
        );
    }
    let mut html = intro(&text);
    html.push(&columns(maps));
    html
}

/// The share of the variance between settings that a pair of options explains.
fn share(subject: &Subject, first: &Bins, second: &Bins) -> Option<f64> {
    let group = |setting: usize| first.of_setting[setting] * second.names.len() + second.of_setting[setting];
    let means = subject.means.iter().enumerate();
    let (means, groups): (Vec<f64>, Vec<usize>) =
        means.filter_map(|(setting, mean)| Some(((*mean)?, group(setting)))).unzip();
    explained(&means, &groups, subject.sweep.config.samples.is_some())
}
