//! The metric against each option.

use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{Html, card, columns, intro};
use crate::report::sweep::{Dot, Factor, MAX_DOTS, Range, explained, scatter};
use crate::wording::whole;

/// An option is divided into at most this many values or ranges.
pub const MAX_BINS: usize = 12;

pub fn body(subject: &Subject) -> Html {
    let Some(range) = Range::of(subject.measure, subject.values.iter().flatten().copied()) else {
        return Html::default();
    };
    if subject.factors.is_empty() {
        return Html::default();
    }
    let results = subject.sweep.results.iter().zip(&subject.values);
    let dots: Vec<Dot> = results
        .filter_map(|(result, value)| {
            let name = format!("{}, seed {}", subject.setting(result.setting), result.seed);
            Some(Dot { setting: result.setting, value: (*value)?, name })
        })
        .collect();
    let mut text = match dots.len() > MAX_DOTS {
        false => "A dot is a member; a dark bar is the mean of all members with this value.".to_owned(),
        true => format!(
            "The distribution of {} members: a box has the middle half of them with the median, and a line reaches from \
             the lowest to the highest.",
            whole(dots.len() as u64)
        ),
    };
    if let Some(epoch) = subject.compared_after {
        text += &format!(
            " The values are those after epoch {epoch}, which all settings have completed, also those that were ended early."
        );
    }
    let mut charts: Vec<(&Factor, Option<f64>)> =
        subject.factors.iter().map(|factor| (factor, share(subject, factor))).collect();
    charts.sort_by(|(_, share), (_, other)| other.unwrap_or(0.0).total_cmp(&share.unwrap_or(0.0)));
    if charts.iter().any(|(_, share)| share.is_some()) {
        text += " The options that explain most of the differences between settings are first.";
    }
    let mut html = intro(&text);
    html.push(&columns(charts.into_iter().map(|(factor, share)| {
        let drawing = scatter(factor, subject.measure, range, &dots);
        let caption = match share {
            None => String::new(),
            Some(share) if share < 0.005 => {
                "Explains less than 1 % of the variance between settings.".to_owned()
            }
            Some(share) => format!("Explains {:.0} % of the variance between settings.", 100.0 * share),
        };
        card(&format!("--{}", factor.name), &super::small(&drawing, &caption))
    })));
    html
}

/// The share of the variance between settings that an option explains.
fn share(subject: &Subject, factor: &Factor) -> Option<f64> {
    let bins = factor.bins(MAX_BINS)?;
    let settings = subject.means.iter().zip(&bins.of_setting);
    let (means, groups): (Vec<f64>, Vec<usize>) =
        settings.filter_map(|(mean, bin)| Some(((*mean)?, *bin))).unzip();
    explained(&means, &groups, subject.sweep.config.samples.is_some())
}
