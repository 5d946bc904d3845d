//! The most important numbers, and what to know before reading further.

use crate::cli::report::numbers::{loss, percent};
use crate::cli::report::subject::Subject;
use crate::engine::LossKind;
use crate::report::page::{Html, Tile, Tone, notice, tiles};
use crate::train::RunStatus;
use crate::wording::{count, duration, whole};

pub fn body(subject: &Subject) -> Html {
    let mut html = Html::default();
    match &subject.run.status {
        RunStatus::Failed(error) => html.push(&notice(Tone::Bad, &format!("The run failed: {error}"))),
        RunStatus::Stopped(reason) => {
            html.push(&notice(Tone::Neutral, &format!("Stopped before its last epoch: {reason}.")));
        }
        RunStatus::Interrupted => html.push(&notice(Tone::Warning, &interrupted(subject))),
        RunStatus::Running => {
            html.push(&notice(Tone::Neutral, "The run is in progress: this page shows it as it was."));
        }
        RunStatus::Finished => {}
    }
    html.push(&tiles(numbers(subject)));
    html
}

fn interrupted(subject: &Subject) -> String {
    match subject.run.last() {
        Some(last) => {
            format!("Interrupted after {}, before its last step.", count(last.epoch, "whole epoch"))
        }
        None => "Interrupted within the first epoch, so there are no metrics yet.".to_owned(),
    }
}

fn tile(label: &str, value: String, unit: &str, note: String) -> Tile {
    Tile { label: label.to_owned(), value, unit: unit.to_owned(), note }
}

fn numbers(subject: &Subject) -> Vec<Tile> {
    let run = &subject.run;
    let percentage = |fraction: f64| percent(fraction).trim_end_matches(" %").to_owned();
    let mut tiles = Vec::new();
    let epoch = subject.weights.as_ref().ok().and_then(|weights| weights.epoch);
    match (&subject.evaluated, run.last()) {
        (Ok(evaluated), last) => {
            let tally = &evaluated.evaluation.tally;
            let of = match (epoch, last) {
                (Some(epoch), _) => format!("after epoch {epoch}"),
                (None, Some(last)) => format!("within epoch {}", last.epoch + 1),
                (None, None) => "within epoch 1".to_owned(),
            };
            tiles.push(tile("Test accuracy", percentage(tally.accuracy()), "%", of));
            let wrong = tally.samples - tally.correct;
            let note = format!("of {}", count(whole(tally.samples as u64), "image"));
            tiles.push(tile("Mistakes", whole(wrong as u64), "", note));
            let measure = "negative log-likelihood".to_owned();
            // The run may have trained with another loss, which its curves show.
            let label = match run.config.loss.kind {
                LossKind::Nll | LossKind::CrossEntropy => "Test loss",
                LossKind::Mse | LossKind::RawNll => "Test NLL",
            };
            tiles.push(tile(label, loss(tally.loss()), "", measure));
        }
        (Err(_), Some(last)) => {
            let of = format!("after epoch {}", last.epoch);
            tiles.push(tile("Test accuracy", percentage(last.test_accuracy), "%", of.clone()));
            tiles.push(tile("Test loss", loss(last.test_loss), "", of));
        }
        (Err(_), None) => {}
    }
    if let Some(best) = run.best() {
        let (split, accuracy) = match best.validation_accuracy {
            Some(accuracy) => ("validation", accuracy),
            None => ("test", best.test_accuracy),
        };
        let note = format!("{split}, epoch {}", best.epoch);
        tiles.push(tile("Best accuracy", percentage(accuracy), "%", note));
    }
    if let Some(speed) = run.images_per_second() {
        tiles.push(tile("Images per second", whole(speed.round() as u64), "", "in training".to_owned()));
        tiles.push(tile("Training time", duration(run.seconds()), "", "without evaluations".to_owned()));
    }
    tiles.push(tile("Device", run.device().to_owned(), "", String::new()));
    tiles
}
