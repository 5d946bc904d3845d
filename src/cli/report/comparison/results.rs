//! How well the runs did.

use std::cmp::Ordering;
use std::path::Path;

use super::Compared;
use super::links::link;
use crate::cli::report::numbers::{loss, percent, perhaps};
use crate::cli::report::page::state;
use crate::report::drawing::Colour;
use crate::report::figure::MAX_SERIES;
use crate::report::page::{DataTable, Html, Tile, Tone, badge, card, intro};
use crate::train::{EpochRecord, RunDirectory, StoredRun};
use crate::wording::{duration, whole};

/// A column of numbers.
struct Column {
    heading: &'static str,
    value: Value,
    shown: fn(f64) -> String,
    /// Which of two values is better.
    better: Ordering,
    /// Whether the values depend on the loss function of the run.
    is_loss: bool,
}

type Value = fn(&StoredRun) -> Option<f64>;

const fn column_of_accuracies(heading: &'static str, value: Value) -> Column {
    Column { heading, value, shown: percent, better: Ordering::Greater, is_loss: false }
}

const fn column_of_losses(heading: &'static str, value: Value) -> Column {
    Column { heading, value, shown: loss, better: Ordering::Less, is_loss: true }
}

const COLUMNS: [Column; 7] = [
    column_of_accuracies("Best accuracy", |run| run.best().map(|best| best.test_accuracy)),
    column_of_accuracies("Last accuracy", |run| run.last().map(|last| last.test_accuracy)),
    column_of_accuracies("Validation", |run| run.best().and_then(|best| best.validation_accuracy)),
    column_of_losses("Training loss", |run| run.last().map(|last| last.train_loss)),
    column_of_losses("Test loss", |run| run.last().map(|last| last.test_loss)),
    Column { heading: "Time", value: time, shown: duration, better: Ordering::Less, is_loss: false },
    Column {
        heading: "Images/s",
        value: StoredRun::images_per_second,
        shown: |speed| whole(speed.round() as u64),
        better: Ordering::Greater,
        is_loss: false,
    },
];

/// The table of results. The best value of each column is marked.
pub fn body(runs: &[Compared], folder: Option<&Path>) -> Html {
    let columns: Vec<(&Column, Option<f64>)> = COLUMNS
        .iter()
        .filter(|column| runs.iter().any(|compared| (column.value)(&compared.run).is_some()))
        .map(|column| (column, best(runs, column).filter(|&best| stands_out(runs, column, best))))
        .collect();
    let headings =
        ["Run", "State", "Epochs"].into_iter().chain(columns.iter().map(|(column, _)| column.heading));
    let mut table = DataTable::new("Results", headings).numbers(2..3 + columns.len());
    for Compared { run, name, position } in by_accuracy(runs) {
        let link = link(name, &RunDirectory::report_path_in(&run.path), folder);
        let swatch = swatch(*position);
        let named = Html::trusted(format!("<span style=\"white-space: nowrap\">{swatch}{link}</span>"));
        let (text, tone) = state(&run.status);
        let epochs = format!("{}/{}", run.records.len(), run.planned_epochs());
        let mut cells = vec![named, badge(&text, tone), Html::text(&epochs)];
        for (column, best) in &columns {
            let value = (column.value)(run);
            let text = perhaps(value, column.shown);
            let is_best = value.is_some() && value.map(column.shown) == best.map(column.shown);
            cells.push(if is_best { badge(&text, Tone::Good) } else { Html::text(&text) });
        }
        table.row(cells);
    }
    let mut html = intro(
        "Accuracies and losses of the test images: after the best epoch, and after the last one. The best epoch is \
         selected on the validation images, or else on the test images, which makes its accuracy biased upwards. The \
         best value of each column is marked.",
    );
    html.push(&card("", &table.to_html()));
    html
}

/// The most important numbers.
pub fn tiles(runs: &[Compared]) -> Html {
    let mut tiles = Vec::new();
    let mut tile = |column: &Column, label: &str, unit: &str| {
        let Some(best) = best(runs, column) else { return };
        let Some(holder) = runs.iter().find(|compared| (column.value)(&compared.run) == Some(best)) else {
            return;
        };
        let value = (column.shown)(best);
        let value = value.strip_suffix(&format!(" {unit}")).unwrap_or(&value).to_owned();
        tiles.push(Tile { label: label.to_owned(), value, unit: unit.to_owned(), note: holder.name.clone() });
    };
    let [accuracy, _, _, _, loss, _, speed] = &COLUMNS;
    tile(accuracy, "Best test accuracy", "%");
    tile(loss, "Lowest test loss", "");
    tile(speed, "Most images per second", "");
    let seconds: f64 = runs.iter().map(|compared| compared.run.seconds()).sum();
    tiles.push(Tile {
        label: "Training time".to_owned(),
        value: duration(seconds),
        unit: String::new(),
        note: "of all runs".to_owned(),
    });
    crate::report::page::tiles(tiles)
}

/// The best value of a column; `None` if only one run has a value, which is not better than others, or if the values are
/// of different loss functions.
fn best(runs: &[Compared], column: &Column) -> Option<f64> {
    let of_one_loss = runs.windows(2).all(|pair| pair[0].run.config.loss == pair[1].run.config.loss);
    if column.is_loss && !of_one_loss {
        return None;
    }
    let values: Vec<f64> = runs.iter().filter_map(|compared| (column.value)(&compared.run)).collect();
    let better = |best: f64, value: f64| if value.total_cmp(&best) == column.better { value } else { best };
    (values.len() > 1).then(|| values.into_iter().reduce(better)).flatten()
}

/// Whether a run has a worse value than the best, as they are shown.
fn stands_out(runs: &[Compared], column: &Column, best: f64) -> bool {
    let values = runs.iter().filter_map(|compared| (column.value)(&compared.run));
    values.map(column.shown).any(|shown| shown != (column.shown)(best))
}

/// The runs, the best first; those without a result last.
fn by_accuracy(runs: &[Compared]) -> Vec<&Compared> {
    let accuracy =
        |compared: &Compared| compared.run.best().map_or(-1.0, |best: &EpochRecord| best.test_accuracy);
    let mut sorted: Vec<&Compared> = runs.iter().collect();
    sorted.sort_by(|run, other| accuracy(other).total_cmp(&accuracy(run)));
    sorted
}

/// The colour of a run in the curves. Runs without a colour of their own share the last one.
fn swatch(position: Option<usize>) -> Html {
    let colour = position.map_or_else(
        || "none".to_owned(),
        |position| Colour::Series(position.min(MAX_SERIES - 1)).css().to_string(),
    );
    Html::trusted(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" aria-hidden=\"true\" viewBox=\"0 0 10 10\" width=\"10\" height=\"10\" \
         style=\"margin-right: 0.5rem\"><circle cx=\"5\" cy=\"5\" r=\"5\" fill=\"{colour}\"/></svg>"
    ))
}

fn time(run: &StoredRun) -> Option<f64> {
    Some(run.seconds()).filter(|&seconds| seconds > 0.0)
}
