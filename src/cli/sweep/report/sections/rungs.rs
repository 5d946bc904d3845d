//! The settings that successive halving ended, by rung.

use std::collections::BTreeMap;

use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{DataTable, Html, card, details, intro};
use crate::sweep::{MemberResult, MemberStatus};
use crate::wording::{count, whole};

/// The largest number of settings in a list.
const MAX_NAMES: usize = 20;

pub fn body(subject: &Subject) -> Html {
    let rungs = rungs(subject);
    if rungs.is_empty() {
        return Html::default();
    }
    let columns = ["After epoch", "Settings", "Ended", "Went on", "Best that ended", "Worst that went on"];
    let mut table = DataTable::new("Rungs", columns).numbers(1..6);
    let mut left = subject.means.iter().flatten().count();
    let mut lists = Html::default();
    for (&epoch, ended) in &rungs {
        let went_on: Vec<usize> =
            setting_ends(subject).filter(|(_, last)| *last > epoch).map(|(setting, _)| setting).collect();
        let at = |settings: &[usize]| -> Vec<f64> {
            settings.iter().filter_map(|&setting| mean_at(subject, setting, epoch)).collect()
        };
        let order = |value: &f64, other: &f64| subject.measure.order(*value, *other);
        let best = at(ended).into_iter().min_by(order);
        let worst = at(&went_on).into_iter().max_by(order);
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| subject.shown(value));
        let cells = [
            epoch.to_string(),
            whole(left as u64),
            whole(ended.len() as u64),
            whole(left.saturating_sub(ended.len()) as u64),
            shown(best),
            shown(worst),
        ];
        table.row(cells.iter().map(|cell| Html::text(cell)));
        left = left.saturating_sub(ended.len());
        let mut names: Vec<String> =
            ended.iter().take(MAX_NAMES).map(|&setting| subject.setting(setting)).collect();
        if ended.len() > MAX_NAMES {
            names.push(format!("and {} more", whole((ended.len() - MAX_NAMES) as u64)));
        }
        let items: String = names.iter().map(|name| format!("<li>{}</li>", Html::text(name))).collect();
        let summary = format!("{} that ended after epoch {epoch}", count(ended.len(), "setting"));
        lists.push(&details(&summary, &Html::trusted(format!("<ul>{items}</ul>\n"))));
    }
    let mut html = intro(&format!(
        "Successive halving compares the settings after some epochs by the mean of their {}, and ends those that do worst.",
        metric_name(subject)
    ));
    let mut body = table.to_html();
    body.push(&lists);
    html.push(&card("", &body));
    html
}

fn metric_name(subject: &Subject) -> String {
    subject.measure.name.to_lowercase()
}

fn is_eliminated(result: &&MemberResult) -> bool {
    result.status == MemberStatus::Eliminated
}

/// The settings that were ended, by the epoch after which they were.
fn rungs(subject: &Subject) -> BTreeMap<u64, Vec<usize>> {
    let mut ends = BTreeMap::new();
    for result in subject.sweep.results.iter().filter(is_eliminated) {
        if let Some(last) = result.last() {
            ends.insert(result.setting, last.epoch);
        }
    }
    let mut rungs: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    // In the order of the ranking.
    for summary in &subject.ranking {
        if let Some(&epoch) = ends.get(&summary.setting) {
            rungs.entry(epoch).or_default().push(summary.setting);
        }
    }
    rungs
}

/// The settings with the last epoch that a member of theirs has completed.
fn setting_ends<'a>(subject: &'a Subject) -> impl Iterator<Item = (usize, u64)> + 'a {
    subject.ranking.iter().map(|summary| {
        let of_setting = subject.results_of(summary.setting).iter().copied();
        let last = of_setting.filter_map(|result| result.last()).map(|last| last.epoch).max();
        (summary.setting, last.unwrap_or(0))
    })
}

/// The mean of the metric of a setting's members after an epoch.
fn mean_at(subject: &Subject, setting: usize, epoch: u64) -> Option<f64> {
    let of_setting = subject.results_of(setting).iter().copied();
    let values: Vec<f64> = of_setting
        .filter_map(|result| result.epochs.iter().find(|record| record.epoch == epoch))
        .filter_map(|record| subject.sweep.config.metric.of(record))
        .collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
