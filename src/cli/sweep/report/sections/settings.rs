//! The settings, the best first.

use crate::cli::report::link;
use crate::cli::report::numbers::perhaps;
use crate::cli::sweep::report::subject::{Subject, short};
use crate::report::page::{DataTable, Html, Tone, badge, card, intro};
use crate::sweep::statistics::SettingSummary;
use crate::sweep::{MemberResult, MemberStatus};
use crate::train::RunDirectory;
use crate::wording::{count, whole};

/// The largest number of rows.
const MAX_ROWS: usize = 50;

pub fn body(subject: &Subject) -> Html {
    if subject.sweep.results.is_empty() {
        return Html::default();
    }
    let rows = match &subject.ranking[..] {
        [only] if subject.sweep.plan.seeds.len() > 1 => return seeds(subject, only.setting),
        all => &all[..all.len().min(MAX_ROWS)],
    };
    let first = &subject.sweep.plan.settings[0].values;
    let options = first.iter().map(|(name, _)| format!("--{}", short(name)));
    let measure = &["Mean", "±", "Lowest", "Highest", "n"];
    let columns =
        ["Rank".to_owned()].into_iter().chain(options).chain(measure.iter().map(ToString::to_string));
    let columns = columns.chain(["State".to_owned(), "Best run".to_owned()]);
    // Values are not broken into lines either.
    let numbers = 1..1 + first.len() + measure.len();
    let mut table = DataTable::new("Settings, the best first", columns).numbers(numbers);
    for (rank, summary) in rows.iter().enumerate() {
        let mut cells = vec![Html::text(&(rank + 1).to_string())];
        let values = &subject.sweep.plan.settings[summary.setting].values;
        cells.extend(values.iter().map(|(_, value)| Html::text(&short(value))));
        let SettingSummary { mean, deviation, min, max, metrics, .. } = summary;
        for value in [mean, deviation, min, max] {
            cells.push(Html::text(&value.map_or_else(|| "–".to_owned(), |value| subject.number(value))));
        }
        cells.push(Html::text(&metrics.len().to_string()));
        cells.push(state(summary));
        cells.push(best_run(subject, summary.setting));
        table.row(cells);
    }
    let unit = if subject.measure.is_accuracy { " in percent" } else { "" };
    let seeds = subject.sweep.plan.seeds.len();
    let spread = match seeds {
        1 => "There is one seed, so that the noise between runs is unknown.".to_owned(),
        _ => format!("± is the standard deviation over {} seeds.", whole(seeds as u64)),
    };
    let early = match subject.compared_after {
        Some(_) => " Settings that were ended early are last, with their values at that time.",
        None => "",
    };
    let mut html = intro(&format!("{}{unit} after the last epoch. {spread}{early}", subject.measure.name));
    let mut body = table.to_html();
    let more = subject.ranking.len() - rows.len();
    if more > 0 {
        let text = format!("And {}: sweep.csv has all members.", count(whole(more as u64), "more setting"));
        body.push(&super::paragraph("caption", &text));
    }
    html.push(&card("", &body));
    html
}

/// What came of the members of a setting that did not finish.
fn state(summary: &SettingSummary) -> Html {
    let SettingSummary { failed, eliminated, missing, epochs, .. } = *summary;
    if failed + eliminated + missing == 0 {
        return badge("finished", Tone::Good);
    }
    let mut html = Html::default();
    if eliminated > 0 {
        html.push(&badge(&format!("ended after {}", count(epochs, "epoch")), Tone::Neutral));
    }
    for (number, word, tone) in [(failed, "failed", Tone::Bad), (missing, "not ended", Tone::Accent)] {
        if number > 0 {
            html.push(&Html::text(if html.is_empty() { "" } else { " " }));
            html.push(&badge(&format!("{number} {word}"), tone));
        }
    }
    html
}

/// The run of a setting's best member, as a link to its report if it has one.
fn best_run(subject: &Subject, setting: usize) -> Html {
    let of_setting = subject.results_of(setting).iter().copied();
    let value = |result: &&MemberResult| {
        result.last().and_then(|last| subject.sweep.config.metric.of(last)).unwrap_or(f64::NAN)
    };
    let best = of_setting.reduce(|best, result| {
        let is_better = subject.measure.is_better(value(&result), value(&best)) || value(&best).is_nan();
        if is_better { result } else { best }
    });
    best.map_or_else(Html::default, |best| run_link(subject, best))
}

fn run_link(subject: &Subject, result: &MemberResult) -> Html {
    link(&result.run, &RunDirectory::report_path_in(&subject.run_path(result)), subject.folder)
}

/// The members of the only setting.
fn seeds(subject: &Subject, setting: usize) -> Html {
    let columns = ["Seed", "Epochs", subject.measure.name, "Test accuracy (%)", "State", "Run"];
    let mut table = DataTable::new("Members", columns).numbers(1..4);
    let results = || subject.results_of(setting).iter().copied();
    for result in results().take(MAX_ROWS) {
        let metric = result.last().and_then(|last| subject.sweep.config.metric.of(last));
        let accuracy = result.last().map(|last| last.test_accuracy);
        let state = match result.status {
            MemberStatus::Finished => badge("finished", Tone::Good),
            MemberStatus::Eliminated => badge("ended early", Tone::Neutral),
            MemberStatus::Failed => badge("failed", Tone::Bad),
        };
        table.row([
            Html::text(&result.seed.to_string()),
            Html::text(&result.epochs.len().to_string()),
            Html::text(&metric.map_or_else(|| "–".to_owned(), |value| subject.number(value))),
            Html::text(&perhaps(accuracy, |value| format!("{:.2}", 100.0 * value))),
            state,
            run_link(subject, result),
        ]);
    }
    let mut html = intro("The same options with different seeds, after the last epoch.");
    let mut body = table.to_html();
    let more = results().count().saturating_sub(MAX_ROWS);
    if more > 0 {
        let text = format!("And {}: sweep.csv has all of them.", count(whole(more as u64), "more member"));
        body.push(&super::paragraph("caption", &text));
    }
    html.push(&card("", &body));
    html
}
