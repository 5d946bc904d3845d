//! The progress of a run on stderr: a bar if stderr is a terminal, else a line per epoch, or nothing.
//!
//! A line that cannot be written is dropped: a closed or full stderr does not end a run.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::notice;
use crate::train::{EpochProgress, EpochRecord, TrainingConfig};

/// The display of a run. Clones share it.
#[derive(Debug, Clone)]
pub struct Progress {
    epochs: u64,
    display: Display,
}

#[derive(Debug, Clone)]
enum Display {
    Bar(ProgressBar),
    Lines,
    Silent,
}

impl Progress {
    /// A bar if stderr is a terminal, else lines.
    pub fn new(config: &TrainingConfig, samples: usize) -> Self {
        let display = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(config.total_images(samples));
            bar.set_style(
                // The bar takes what the message leaves of the line: 80 columns are enough.
                ProgressStyle::with_template("{msg} [{wide_bar}] {percent:>3} %, {eta} left")
                    .expect("the template is well-formed")
                    .progress_chars("=> "),
            );
            // A terminal without cursor movements (TERM=dumb) shows no bar.
            if bar.is_hidden() { Display::Lines } else { Display::Bar(bar) }
        } else {
            Display::Lines
        };
        Self { epochs: config.epochs_started(samples), display }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self { epochs: 0, display: Display::Silent }
    }

    /// Shows the progress within an epoch.
    pub fn update(&self, progress: &EpochProgress) {
        let Display::Bar(bar) = &self.display else {
            return;
        };
        let tally = &progress.tally;
        if tally.samples == 0 {
            bar.set_message(format!("epoch {}/{}  starting", progress.epoch, self.epochs));
            return;
        }
        let rate = tally.samples as f64 / progress.seconds;
        bar.set_message(format!(
            "epoch {}/{}  loss {:.4}  accuracy {:.2} %  {rate:.0} images/s",
            progress.epoch,
            self.epochs,
            tally.loss(),
            100.0 * tally.accuracy(),
        ));
        bar.set_position(progress.images);
    }

    /// Shows the metrics of a finished epoch.
    pub fn epoch(&self, record: &EpochRecord) {
        self.print(&format!(
            "epoch {}/{}  train loss {:.4}, accuracy {:.2} %  test loss {:.4}, accuracy {:.2} %  \
             {:.0} images/s  weights {}",
            record.epoch,
            self.epochs,
            record.train_loss,
            100.0 * record.train_accuracy,
            record.test_loss,
            100.0 * record.test_accuracy,
            record.images_per_second,
            record.weights_hash,
        ));
    }

    /// Hides the bar while `print` writes to stderr.
    pub fn suspend(&self, print: impl FnOnce()) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(print),
            Display::Lines | Display::Silent => print(),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// Prints a line that stays.
    fn print(&self, line: &str) {
        match &self.display {
            Display::Bar(bar) => bar.println(line),
            Display::Lines => notice::note(line),
            Display::Silent => {}
        }
    }
}
