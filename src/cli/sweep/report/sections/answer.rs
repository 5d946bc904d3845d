//! The answer: the best setting, how good it is, and how sure that is.

use crate::cli::sweep::report::subject::{Subject, short};
use crate::report::page::{Html, Tile, Tone, card, command, notice, pairs, tiles};
use crate::sweep::MemberStatus;
use crate::sweep::statistics::SettingSummary;
use crate::wording::{count, duration, whole};

pub fn body(subject: &Subject) -> Html {
    let mut html = Html::default();
    let (ended, members) = (subject.sweep.results.len(), subject.members());
    if ended < members {
        let text = format!(
            "So far, {} of {} members have ended: this page shows the sweep as it was.",
            whole(ended as u64),
            whole(members as u64)
        );
        html.push(&notice(Tone::Neutral, &text));
    }
    if subject.sweep.config.metric.uses_test_images() {
        html.push(&notice(
            Tone::Warning,
            "The settings are compared on the test images, so that the metric of the best one is biased upwards. Hold out \
             validation images to choose by: `--validation-split 0.1`.",
        ));
    }
    html.push(&tiles(numbers(subject)));
    match subject.best {
        Some(_) => {
            let tone = if subject.comparison.is_significant { Tone::Good } else { Tone::Neutral };
            if !subject.comparison.statement.is_empty() && subject.sweep.plan.settings.len() > 1 {
                html.push(&notice(tone, &subject.comparison.statement));
            }
        }
        None if ended > 0 => {
            html.push(&notice(Tone::Bad, "No member has finished, so there is no best setting."))
        }
        None => {}
    }
    html.push(&best(subject));
    html
}

/// The values of the best setting, and the command that repeats it.
fn best(subject: &Subject) -> Html {
    let (Some(best), Some(repeat)) = (subject.best, &subject.repeat) else { return Html::default() };
    let values = best.options.iter().map(|(name, value)| (short(name), Html::code(&short(value))));
    let values: Vec<(String, Html)> = values.collect();
    let mut body = Html::default();
    if !values.is_empty() {
        body.push(&pairs(values.iter().map(|(name, value)| (name.as_str(), value.clone()))));
    }
    body.push(&super::paragraph(
        "muted",
        "This command repeats its best run, whose model is that of the sweep:",
    ));
    body.push(&command(repeat));
    let heading = match subject.sweep.plan.settings.len() {
        1 => "Best run".to_owned(),
        settings => format!("Best of {}", count(whole(settings as u64), "setting")),
    };
    card(&heading, &body)
}

fn tile(label: &str, value: String, unit: &str, note: String) -> Tile {
    Tile { label: label.to_owned(), value, unit: unit.to_owned(), note }
}

fn numbers(subject: &Subject) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let results = &subject.sweep.results;
    if subject.best.is_some()
        && let Some(best) = subject.ranking.first()
        && let Some(mean) = best.mean
    {
        let unit = if subject.measure.is_accuracy { "%" } else { "" };
        tiles.push(tile(subject.measure.name, subject.number(mean), unit, spread(subject, best)));
    }
    let states = [
        (MemberStatus::Finished, "finished"),
        (MemberStatus::Eliminated, "ended early"),
        (MemberStatus::Failed, "failed"),
    ];
    let states = states.into_iter().filter_map(|(status, word)| {
        let number = subject.ended(status);
        (number > 0).then(|| format!("{} {word}", whole(number as u64)))
    });
    let states: Vec<String> = states.collect();
    tiles.push(tile("Members", whole(subject.members() as u64), "", states.join(", ")));
    let seconds: f64 = results.iter().map(|result| result.seconds).sum::<f64>() + 0.0;
    if let Some((started, ended)) = super::about::period(subject) {
        let took = ended.duration_since(started).map_or(0.0, |took| took.as_secs_f64());
        let note = format!("{} summed over members", duration(seconds));
        tiles.push(tile("Time", duration(took), "", note));
    } else {
        tiles.push(tile("Training time", duration(seconds), "", "summed over members".to_owned()));
    }
    if let Some(config) = &subject.config {
        tiles.push(tile("Device", config.engine.name.clone(), "", String::new()));
    }
    tiles
}

/// "± 0.05, from 98.61 to 98.80, n = 5"
fn spread(subject: &Subject, best: &SettingSummary) -> String {
    let SettingSummary { metrics, deviation, min, max, .. } = best;
    let mut parts = Vec::new();
    if let Some(deviation) = deviation {
        parts.push(format!("± {}", subject.number(*deviation)));
    }
    if let (Some(min), Some(max)) = (min, max)
        && metrics.len() > 1
    {
        parts.push(format!("{} to {}", subject.number(*min), subject.number(*max)));
    }
    parts.push(count(metrics.len(), "seed"));
    parts.join(", ")
}
