//! Loss, accuracy, learning rate and speed by epoch.

use super::paragraph;
use crate::cli::report::numbers::{loss, percent, perhaps};
use crate::cli::report::subject::Subject;
use crate::report::curves;
use crate::report::figure::Figure;
use crate::report::page::{DataTable, Html, Tone, card, columns, details, figure, notice};
use crate::train::{EpochRecord, StoredRun};
use crate::wording::whole;

/// The largest number of epochs in the table.
const MAX_ROWS: usize = 60;

pub fn body(subject: &Subject) -> Html {
    let records = &subject.run.records;
    if records.is_empty() {
        return notice(Tone::Neutral, "No epoch was completed, so there are no curves yet.");
    }
    let charts = [
        ("Loss", curves::loss(records), ""),
        ("Accuracy", curves::accuracy(records), ""),
        ("Learning rate", curves::learning_rate(records), "at the end of each epoch"),
        ("Images per second", curves::images_per_second(records), "training, without evaluations"),
    ];
    let charts = charts.into_iter();
    let mut html =
        columns(charts.filter_map(|(heading, drawn, caption)| Some(chart(heading, &drawn?, caption))));
    if subject.run.config.data.validation.is_none() {
        html.push(&notice(
            Tone::Neutral,
            "The run has no validation split: its best epoch is chosen by the test images, on which its accuracy is \
             therefore biased upwards. `--validation-split 0.1` holds out a tenth of the training images.",
        ));
    }
    html.push(&details("Epochs as a table", &table(&subject.run)));
    html
}

/// A chart in a card.
pub fn chart(heading: &str, chart: &Figure, caption: &str) -> Html {
    let drawn = match chart.to_html() {
        Ok(svg) => figure(&Html::trusted(svg), caption),
        Err(error) => notice(Tone::Neutral, &format!("This curve cannot be drawn: {error}.")),
    };
    card(heading, &drawn)
}

/// The metrics of each epoch; of many epochs only some, with the first, the best and the last.
fn table(run: &StoredRun) -> Html {
    let records = &run.records;
    let every = records.len().div_ceil(MAX_ROWS);
    let best = run.best().map(|best| best.epoch);
    let is_shown = |index: usize, record: &EpochRecord| {
        (index + 1).is_multiple_of(every)
            || Some(record.epoch) == best
            || index == 0
            || index + 1 == records.len()
    };
    let has_validation = records.iter().any(|record| record.validation_loss.is_some());
    let mut columns = vec!["Epoch", "Step", "Learning rate", "Training loss", "Training accuracy"];
    if has_validation {
        columns.extend(["Validation loss", "Validation accuracy"]);
    }
    columns.extend(["Test loss", "Test accuracy", "Seconds", "Images/s"]);
    let numbers = 1..columns.len();
    let mut table = DataTable::new("Metrics of each epoch", columns).numbers(numbers);
    for (_, record) in records.iter().enumerate().filter(|(index, record)| is_shown(*index, record)) {
        let epoch = match Some(record.epoch) == best {
            true => format!("{} (best)", record.epoch),
            false => record.epoch.to_string(),
        };
        let mut cells = vec![
            epoch,
            whole(record.step),
            record.lr.to_string(),
            loss(record.train_loss),
            percent(record.train_accuracy),
        ];
        if has_validation {
            cells.push(perhaps(record.validation_loss, loss));
            cells.push(perhaps(record.validation_accuracy, percent));
        }
        cells.extend([
            loss(record.test_loss),
            percent(record.test_accuracy),
            format!("{:.2}", record.seconds),
            whole(record.images_per_second.round() as u64),
        ]);
        table.row(cells.iter().map(|cell| Html::text(cell)));
    }
    let mut html = table.to_html();
    if every > 1 {
        let shown = format!("One in {every} of {} epochs", whole(records.len() as u64));
        let others = "the first, the best and the last; metrics.csv has all of them.";
        html.push(&paragraph("caption", &format!("{shown}, and {others}")));
    }
    html
}
