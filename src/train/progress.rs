//! How a run shows itself on stderr: a bar on a terminal, a line an epoch elsewhere, or nothing.
//!
//! A stderr that is gone or full is no reason to end a run, so what cannot be written is dropped.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::{EpochProgress, EpochRecord, TrainingConfig};

/// A display of one run. Clones show the same.
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
    /// A bar where stderr is a terminal, lines where it is none.
    pub fn new(plan: &TrainingConfig, samples: usize) -> Self {
        let display = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(plan.total_images(samples));
            bar.set_style(
                // The bar takes what is left of the line, so that 80 columns are enough.
                ProgressStyle::with_template("{msg} [{wide_bar}] {percent:>3} %, {eta} left")
                    .expect("the template is well-formed")
                    .progress_chars("=> "),
            );
            Display::Bar(bar)
        } else {
            Display::Lines
        };
        Self { epochs: plan.epochs_begun(samples), display }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self { epochs: 0, display: Display::Silent }
    }

    /// Shows how an epoch stands.
    pub fn so_far(&self, so_far: &EpochProgress) {
        let Display::Bar(bar) = &self.display else {
            return;
        };
        let tally = &so_far.tally;
        let rate = tally.samples as f64 / so_far.seconds;
        bar.set_message(format!(
            "epoch {}/{}  loss {:.4}  accuracy {:.2} %  {rate:.0} images/s",
            so_far.epoch,
            self.epochs,
            tally.loss(),
            100.0 * tally.accuracy(),
        ));
        bar.set_position(so_far.images);
    }

    /// Shows what an epoch came to.
    pub fn epoch(&self, record: &EpochRecord) {
        self.say(&format!(
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

    /// Tells something else meanwhile.
    pub fn aside(&self, tell: impl FnOnce()) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(tell),
            Display::Lines | Display::Silent => tell(),
        }
    }

    /// Takes the bar away, so that other lines can follow.
    pub fn end(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        match &self.display {
            Display::Bar(bar) => bar.println(line),
            Display::Lines => drop(writeln!(io::stderr(), "{line}")),
            Display::Silent => {}
        }
    }
}
