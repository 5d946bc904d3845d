//! The progress of a run on stderr: a line per epoch, on a terminal with a bar below, or nothing.
//!
//! A line that cannot be written is dropped: a closed or full stderr does not end a run.

use std::cell::Cell;
use std::ops::ControlFlow;

use indicatif::ProgressBar;

use crate::cli::{notice, progress, terminal};
use crate::train::{EpochProgress, EpochRecord, Listener, RunError, Snapshot, TrainingConfig};
use crate::wording;

/// The columns that the lines of epochs fit in.
const COLUMNS: usize = 80;

/// The display of a run.
#[derive(Debug)]
pub struct Progress {
    epochs: u64,
    display: Display,
    has_lines: bool,
}

#[derive(Debug)]
enum Display {
    /// The bar and its template.
    Bar(ProgressBar, Cell<&'static str>),
    Nothing,
}

impl Progress {
    /// A bar if stderr is a terminal, and with `has_lines` a line for each epoch.
    pub fn new(config: &TrainingConfig, samples: usize, has_lines: bool) -> Self {
        if has_lines {
            notice::note("loss and accuracy of each epoch:");
        }
        let display = if terminal::can_overwrite() {
            // Empty until the first update gives it its style.
            let bar =
                ProgressBar::new(config.total_images(samples)).with_style(progress::style("{wide_msg}"));
            progress::show(&bar);
            Display::Bar(bar, Cell::default())
        } else {
            Display::Nothing
        };
        Self { epochs: config.epochs_started(samples), display, has_lines }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self { epochs: 0, display: Display::Nothing, has_lines: false }
    }

    fn update(&self, progress: &EpochProgress) {
        let Display::Bar(bar, current) = &self.display else {
            return;
        };
        let (template, message) = self.bar_text(progress, terminal::stderr_columns());
        if current.replace(template) != template {
            bar.set_style(progress::style(template));
        }
        bar.set_message(message);
        bar.set_position(progress.images);
    }

    /// The template and the message of a bar: what the terminal has room for.
    fn bar_text(&self, progress: &EpochProgress, columns: usize) -> (&'static str, String) {
        const FULL: &str = "{msg} [{wide_bar}] {percent:>3} %, {eta} left";
        const SHORT: &str = "{msg} [{wide_bar}] {percent:>3} %";
        const NO_BAR: &str = "{wide_msg} {percent:>3} %";
        /// The columns beside the message, with a bar of four or more.
        const BESIDE_FULL: usize = 25;
        const BESIDE_SHORT: usize = 13;

        let epoch = self.epoch_of(progress.epoch);
        let tally = &progress.tally;
        let (full, short) = if tally.samples == 0 {
            (format!("{epoch}  starting"), format!("{epoch}  starting"))
        } else {
            let (loss, accuracy) = (loss(tally.loss()), percent(tally.accuracy()));
            let rate = whole(tally.samples as f64 / progress.seconds);
            let full = format!("{epoch}  train {loss} {accuracy} %  {rate} images/s");
            (full, format!("{epoch}  {loss} {accuracy} %"))
        };
        if full.len() + BESIDE_FULL <= columns {
            (FULL, full)
        } else if short.len() + BESIDE_SHORT <= columns {
            (SHORT, short)
        } else {
            (NO_BAR, short)
        }
    }

    /// The metrics of an epoch on a line of at most 80 columns, of which the speed takes those that are left; with `-v`, also
    /// the hash of the weights.
    fn line(&self, record: &EpochRecord) -> String {
        let metrics = |what: &str, value: f64, accuracy: f64| {
            format!("  {what} {} {} %", loss(value), percent(accuracy))
        };
        let mut line = self.epoch_of(record.epoch);
        line += &metrics("train", record.train_loss, record.train_accuracy);
        if let (Some(loss), Some(accuracy)) = (record.validation_loss, record.validation_accuracy) {
            line += &metrics("val", loss, accuracy);
        }
        line += &metrics("test", record.test_loss, record.test_accuracy);
        if log::log_enabled!(log::Level::Info) {
            return format!(
                "{line}  {} images/s  weights {}",
                whole(record.images_per_second),
                record.weights_hash
            );
        }
        let rates =
            [format!("{} images/s", whole(record.images_per_second)), rounded(record.images_per_second)];
        let fits = |rate: &&String| line.len() + 2 + rate.len() <= COLUMNS;
        match rates.iter().find(fits) {
            Some(rate) => format!("{line}  {rate}"),
            None => line,
        }
    }

    /// "epoch  3/10": of the same width for each epoch.
    fn epoch_of(&self, epoch: u64) -> String {
        let width = self.epochs.to_string().len();
        format!("epoch {epoch:>width$}/{}", self.epochs)
    }
}

impl Listener for Progress {
    /// Shows the progress within an epoch.
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        self.update(progress);
        ControlFlow::Continue(())
    }

    /// Shows the metrics of a finished epoch.
    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        if self.has_lines {
            notice::note(self.line(record));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for Progress {
    /// Removes the bar.
    fn drop(&mut self) {
        if let Display::Bar(..) = &self.display {
            progress::hide();
        }
    }
}

/// A loss in six columns, with at most four decimals.
fn loss(value: f64) -> String {
    let mut decimals = (0..=4).rev().map(|decimals| format!("{value:6.decimals$}"));
    decimals.find(|text| text.len() <= 6).unwrap_or_else(|| format!("{value:6.1e}"))
}

/// A fraction as a percentage in five columns.
fn percent(fraction: f64) -> String {
    let text = format!("{:5.2}", 100.0 * fraction);
    if text == "100.00" { "100.0".to_owned() } else { text }
}

/// A whole number with thousands separators.
fn whole(value: f64) -> String {
    wording::whole(value.round() as u64)
}

/// A speed in few columns: "950/s", "61k/s", "1.2M/s".
fn rounded(rate: f64) -> String {
    match rate {
        ..999.5 => format!("{rate:.0}/s"),
        ..9_950.0 => format!("{:.1}k/s", rate / 1e3),
        ..999_500.0 => format!("{:.0}k/s", rate / 1e3),
        _ => format!("{:.1}M/s", rate / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Tally;

    fn progress(epochs: u64) -> Progress {
        Progress { epochs, display: Display::Nothing, has_lines: true }
    }

    fn without_validation(record: EpochRecord) -> EpochRecord {
        EpochRecord { validation_loss: None, validation_accuracy: None, ..record }
    }

    fn record() -> EpochRecord {
        EpochRecord {
            epoch: 3,
            train_loss: 0.041_23,
            train_accuracy: 0.987_12,
            validation_loss: Some(0.0523),
            validation_accuracy: Some(0.984),
            test_loss: 0.0478,
            test_accuracy: 0.9852,
            images_per_second: 61_234.0,
            weights_hash: "0123456789abcdef".to_owned(),
            ..EpochRecord::default()
        }
    }

    #[test]
    fn an_epochs_line_has_a_column_for_each_split() {
        assert_eq!(
            progress(3).line(&without_validation(record())),
            "epoch 3/3  train 0.0412 98.71 %  test 0.0478 98.52 %  61,234 images/s"
        );
        assert_eq!(
            progress(3).line(&record()),
            "epoch 3/3  train 0.0412 98.71 %  val 0.0523 98.40 %  test 0.0478 98.52 %  61k/s"
        );
        assert_eq!(
            progress(10).line(&record()),
            "epoch  3/10  train 0.0412 98.71 %  val 0.0523 98.40 %  test 0.0478 98.52 %"
        );
    }

    #[test]
    fn an_epochs_line_fits_80_columns_whatever_the_values() {
        for (loss, accuracy) in
            [(0.0, 0.0), (9.999_99, 1.0), (99.9999, 0.999_99), (9_999.99, 0.5), (1.5e20, 0.1)]
        {
            for rate in [0.4, 999.9, 9_999.0, 999_999.0, 123_456_789.0] {
                let record = EpochRecord {
                    epoch: 1000,
                    train_loss: loss,
                    train_accuracy: accuracy,
                    validation_loss: Some(loss),
                    validation_accuracy: Some(accuracy),
                    test_loss: loss,
                    test_accuracy: accuracy,
                    images_per_second: rate,
                    ..record()
                };
                for epochs in [9, 10, 1000] {
                    for record in [record.clone(), without_validation(record.clone())] {
                        let line = progress(epochs).line(&record);
                        assert!(line.chars().count() <= COLUMNS, "{}: {line}", line.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_loss_has_six_columns() {
        for (value, expected) in [
            (0.041_23, "0.0412"),
            (9.999_99, "10.000"),
            (123.456, "123.46"),
            (1.5e20, "1.5e20"),
            (-0.5, "-0.500"),
            (f64::INFINITY, "   inf"),
        ] {
            assert_eq!(loss(value), expected);
        }
    }

    #[test]
    fn a_bar_fits_the_terminal() {
        let tally = Tally { samples: 640, correct: 321, loss_sum: 640.0 * 2.31, weight: None };
        let progress_of = |samples| EpochProgress {
            epoch: 2,
            images: 60_640,
            tally: Tally { samples, ..tally },
            seconds: 0.01,
        };
        for columns in [24, 40, 60, 80, 120] {
            for samples in [0, 640] {
                let (template, message) = progress(10).bar_text(&progress_of(samples), columns);
                let beside = match template.split_once('}').unwrap().1 {
                    " [{wide_bar}] {percent:>3} %, {eta} left" => 25,
                    " [{wide_bar}] {percent:>3} %" => 13,
                    _ => continue,
                };
                assert!(message.len() + beside <= columns, "{columns}: {template} {message}");
            }
        }
        let (template, message) = progress(10).bar_text(&progress_of(640), 40);
        assert!(template.contains("{wide_bar}"), "there is a bar at 40 columns");
        assert_eq!(message, "epoch  2/10  2.3100 50.16 %");
    }
}
