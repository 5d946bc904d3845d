//! What came of a sweep, on stdout: the settings, the best first, whether the best two differ by more than noise, and how
//! to repeat the best.

use serde_json::{Map, Value, json};

use super::members::options;
use crate::cli::fit::fit;
use crate::cli::recipe::TrainOptions;
use crate::cli::{Failure, Output, terminal};
use crate::report::Table;
use crate::sweep::statistics::{SettingSummary, best_member, compare, ranking, shown};
use crate::sweep::{Metric, Setting, StoredSweep, SweepFiles};
use crate::train::arguments;
use crate::wording::count;

/// The most settings that are shown.
const MAX_SHOWN: usize = 20;

/// The columns of a terminal that cannot say how many it has.
const COLUMNS: usize = 120;

/// Prints the conclusion, or, with `--json`, one object.
pub fn print(files: &SweepFiles, json: bool, output: &mut Output) -> Result<(), Failure> {
    let sweep = files.stored();
    if json {
        output.json(&object(files).to_string())?;
    } else if !sweep.results.is_empty() {
        let columns = terminal::stdout_columns().unwrap_or(COLUMNS);
        output.lines(text(files).iter().flat_map(|text| fit(text, columns)).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The options that repeat the best member; `None` if no member has finished.
pub fn best_options(sweep: &StoredSweep) -> Option<toml::Table> {
    let metric = sweep.config.metric;
    let best = best_member(&ranking(&sweep.plan, metric, &sweep.results), metric, &sweep.results)?;
    let member = sweep.plan.member(best.member);
    Some(options(&sweep.config, &sweep.plan, member, &TrainOptions::default()))
}

/// The command that repeats the best member; `None` if no member has finished.
pub fn repeat_command(sweep: &StoredSweep) -> Option<String> {
    Some(format!("lenet-gpu train{}", arguments(&best_options(sweep)?)))
}

/// Paragraphs, of which one is the table.
pub(super) fn text(files: &SweepFiles) -> Vec<String> {
    let sweep = files.stored();
    let (metric, plan) = (sweep.config.metric, &sweep.plan);
    let ranking = ranking(plan, metric, &sweep.results);
    let mut text = vec![table(sweep, &ranking).to_markdown().trim_end().to_owned()];
    if ranking.len() > MAX_SHOWN {
        let more = count(ranking.len() - MAX_SHOWN, "more setting");
        text.push(format!("and {more}, in sweep.csv and report.html"));
    }
    if let Some(shard) = sweep.config.shard {
        text.push(format!(
            "these are the results of part {shard} alone; `lenet-gpu sweep --merge` combines those of all parts"
        ));
    } else if plan.settings.len() > 1 {
        text.push(compare(&ranking, metric).statement);
    }
    if let Some(best) = best_member(&ranking, metric, &sweep.results) {
        let value = best.final_metric(metric).map_or_else(String::new, |value| shown(metric, value));
        let model = files.model_path();
        text.push(format!("best model: {} (member {}, {value})", model.display(), best.member));
        if let Some(test) = best.last().filter(|_| !metric.uses_test_images()) {
            text.push(format!("its test accuracy: {}", shown(Metric::TestAccuracy, test.test_accuracy)));
        }
        text.extend(repeat_command(sweep).map(|command| format!("to repeat it: {command}")));
    }
    text
}

/// A row for each of the best settings.
fn table(sweep: &StoredSweep, ranking: &[SettingSummary]) -> Table {
    let metric = sweep.config.metric;
    let names = sweep.config.variations.iter().filter(|varied| !varied.is_seed());
    let names = names.map(|varied| varied.name.clone());
    let has_notes = ranking.iter().any(|summary| !note(summary).is_empty());
    let unit = if metric.is_accuracy() { " %" } else { "" };
    let mut columns: Vec<String> = names.collect();
    columns.extend([metric.name().replace('-', " ") + unit, "range".to_owned(), "n".to_owned()]);
    columns.extend(has_notes.then(|| "note".to_owned()));
    let mut table = Table::new(columns);
    for summary in ranking.iter().take(MAX_SHOWN) {
        let Setting { values } = &sweep.plan.settings[summary.setting];
        let mut cells: Vec<String> = values.iter().map(|(_, value)| value.clone()).collect();
        cells.extend([mean(metric, summary), range(metric, summary), summary.metrics.len().to_string()]);
        cells.extend(has_notes.then(|| note(summary)));
        table.push(cells).expect("each row has all columns");
    }
    table
}

/// A metric without its unit.
fn number(metric: Metric, value: f64) -> String {
    shown(metric, value).trim_end_matches(" %").to_owned()
}

/// "98.71 ± 0.05", or the only value.
fn mean(metric: Metric, summary: &SettingSummary) -> String {
    match (summary.mean, summary.deviation) {
        (Some(mean), Some(deviation)) => {
            format!("{} ± {}", number(metric, mean), number(metric, deviation))
        }
        (Some(mean), None) => number(metric, mean),
        (None, _) => "-".to_owned(),
    }
}

/// "98.65 to 98.80".
fn range(metric: Metric, summary: &SettingSummary) -> String {
    match (summary.min, summary.max) {
        (Some(min), Some(max)) if summary.metrics.len() > 1 => {
            format!("{} to {}", number(metric, min), number(metric, max))
        }
        _ => "-".to_owned(),
    }
}

/// What a setting's numbers do not tell: "2 failed", "ended after 3 epochs".
fn note(summary: &SettingSummary) -> String {
    let mut notes = Vec::new();
    if summary.eliminated > 0 {
        notes.push(format!("ended after {}", count(summary.epochs, "epoch")));
    }
    if summary.failed > 0 {
        notes.push(format!("{} failed", summary.failed));
    }
    if summary.missing > 0 {
        notes.push(format!("{} not trained", summary.missing));
    }
    notes.join(", ")
}

/// The conclusion for other programs.
fn object(files: &SweepFiles) -> Value {
    let sweep = files.stored();
    let metric = sweep.config.metric;
    let ranking = ranking(&sweep.plan, metric, &sweep.results);
    let comparison = compare(&ranking, metric);
    let settings: Vec<Value> = ranking.iter().map(|summary| setting(sweep, summary)).collect();
    let best = best_member(&ranking, metric, &sweep.results).map(|best| {
        json!({
            "member": best.member,
            "metric": best.final_metric(metric),
            "test_accuracy": best.last().map(|last| last.test_accuracy),
            "weights_hash": best.last().map(|last| last.weights_hash.clone()),
            "run": best.run,
            "model": files.model_path().display().to_string(),
            "command": repeat_command(sweep),
        })
    });
    json!({
        "sweep": files.path().display().to_string(),
        "metric": metric.name(),
        "settings": settings,
        "comparison": {
            "p": comparison.p,
            "is_significant": comparison.is_significant,
            "statement": comparison.statement,
        },
        "best": best,
    })
}

fn setting(sweep: &StoredSweep, summary: &SettingSummary) -> Value {
    let values = &sweep.plan.settings[summary.setting].values;
    let options: Map<String, Value> =
        values.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    json!({
        "setting": summary.setting,
        "options": options,
        "mean": summary.mean,
        "standard_deviation": summary.deviation,
        "min": summary.min,
        "max": summary.max,
        "n": summary.metrics.len(),
        "finished": summary.finished,
        "failed": summary.failed,
        "eliminated": summary.eliminated,
        "missing": summary.missing,
    })
}
