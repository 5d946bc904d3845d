//! The live view of a run: its curves, its metrics, and how far it is, in at most ten lines.
//!
//! ratatui draws charts of Braille dots and lays text out in a buffer, and is what most programs of this kind use. Its
//! terminals are not used: an inline viewport asks the terminal for the cursor's position and reads the answer from stdin in
//! raw mode. That stops a job in the background, takes input that is meant for the program or the shell, delays Ctrl-C,
//! and fails where nothing answers. `progress::footer` puts the lines on the terminal instead.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;

use super::chart::{self, Curve, Quantity};
use super::history::History;
use super::lines::epoch_of;
use super::numbers::{loss, percent, rate, whole};
use crate::cli::progress::duration;
use crate::cli::terminal::Size;
use crate::engine::Tally;
use crate::train::{EpochProgress, TrainingConfig};

/// The most lines of the view.
const ROWS: usize = 10;

/// The most columns: wider charts would show no more, and lines that are wider than the terminal becomes are torn.
const COLUMNS: usize = 100;

/// The columns that two charts side by side need.
const COLUMNS_OF_TWO: u16 = 60;

/// The columns that one chart needs.
const COLUMNS_OF_ONE: u16 = 24;

/// The lines of a chart.
const ROWS_OF_CHART: std::ops::RangeInclusive<usize> = 3..=5;

/// What stays the same during a run.
#[derive(Debug)]
pub struct Run {
    pub device: String,
    pub config: TrainingConfig,
    /// The numbers of training, validation and test images.
    pub samples: usize,
    pub validation: Option<usize>,
    pub test: usize,
}

/// How far a run is.
#[derive(Debug, Clone)]
pub struct State {
    pub history: History,
    /// The last progress; `None` before the first.
    pub progress: Option<EpochProgress>,
    /// The mean time that the evaluation of an epoch takes.
    pub evaluation: Duration,
}

/// A line of the view, in the order in which they appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Device,
    Speed,
    Charts,
    Train,
    Validation,
    Test,
    Epoch,
    Run,
}

/// The lines for so many columns, those that are left out first at the end.
fn by_importance(is_wide: bool, has_validation: bool) -> Vec<Line> {
    let all = [Line::Run, Line::Train, Line::Test, Line::Validation, Line::Epoch, Line::Device, Line::Speed];
    let is_used = |line: &Line| match line {
        Line::Validation => has_validation,
        // With many columns, these are beside others.
        Line::Epoch | Line::Speed => !is_wide,
        _ => true,
    };
    all.into_iter().filter(is_used).collect()
}

/// Draws the view for a terminal of this size.
pub fn draw(run: &Run, state: &State, size: Size, marker: Marker) -> Buffer {
    let width = size.columns.saturating_sub(1).min(COLUMNS) as u16;
    // Two of the lasting lines and the line of the cursor stay visible.
    let height = size.rows.saturating_sub(3).clamp(1, ROWS);
    let is_wide = width >= COLUMNS_OF_TWO;
    let mut lines = by_importance(is_wide, run.validation.is_some());
    lines.truncate(height);
    let room = height - lines.len();
    let chart = room.min(*ROWS_OF_CHART.end());
    let has_chart = chart >= *ROWS_OF_CHART.start() && width >= COLUMNS_OF_ONE;

    let rows = lines.len() + if has_chart { chart } else { 0 };
    let mut view = View { run, state, is_wide, buffer: Buffer::empty(Rect::new(0, 0, width, rows as u16)) };
    let mut y = 0;
    for line in [
        Line::Device,
        Line::Speed,
        Line::Charts,
        Line::Train,
        Line::Validation,
        Line::Test,
        Line::Epoch,
        Line::Run,
    ] {
        match line {
            Line::Charts if has_chart => {
                view.charts(y, chart as u16, marker);
                y += chart as u16;
            }
            line if lines.contains(&line) => {
                view.line(line, y);
                y += 1;
            }
            _ => {}
        }
    }
    view.buffer
}

/// The colours of the splits, also in the charts.
const TRAIN: Color = Color::Cyan;
const VALIDATION: Color = Color::Magenta;
const TEST: Color = Color::Green;

/// What marks an epoch's values in the charts.
const VALIDATION_MARK: char = '×';
const TEST_MARK: char = '•';

struct View<'a> {
    run: &'a Run,
    state: &'a State,
    is_wide: bool,
    buffer: Buffer,
}

impl View<'_> {
    fn line(&mut self, line: Line, y: u16) {
        let plain = Style::new();
        match line {
            Line::Device => self.device(y),
            Line::Speed => {
                let texts = [self.speed(), self.learning_rate()];
                self.text(0, y, &texts.join("  "), plain);
            }
            Line::Charts => {}
            Line::Train => {
                let tally = self.state.progress.map(|progress| progress.tally);
                let now = tally.filter(|tally| tally.samples > 0).map(|it| (it.loss(), it.accuracy()));
                self.metrics(y, "⠒ train", TRAIN, now, None);
            }
            Line::Validation => {
                let last = self.state.history.records.last();
                let now = last.and_then(|it| Some((it.validation_loss?, it.validation_accuracy?)));
                let best = self.state.history.best(|record| record.validation_accuracy);
                self.metrics(y, &format!("{VALIDATION_MARK} val"), VALIDATION, now, best);
            }
            Line::Test => {
                let now = self.state.history.records.last().map(|it| (it.test_loss, it.test_accuracy));
                let best = self.state.history.best(|record| Some(record.test_accuracy));
                self.metrics(y, &format!("{TEST_MARK} test"), TEST, now, best);
            }
            Line::Epoch => {
                let (name, fraction, left) = self.epoch();
                self.bar(0, y, self.buffer.area.width, &name, fraction, &left);
            }
            Line::Run => {
                let (fraction, left) = self.whole_run();
                let (name, width) = (self.run_name(), self.buffer.area.width);
                if !self.is_wide {
                    return self.bar(0, y, width, &name, fraction, &left);
                }
                // The run is beside the epoch, below its chart.
                let (epoch, of_epoch, left_of_epoch) = self.epoch();
                let (half, second) = halves(width);
                self.bar(0, y, half, &epoch, of_epoch, &left_of_epoch);
                self.bar(second, y, width - second, "run", fraction, &left);
            }
        }
    }

    fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let room = self.buffer.area.width.saturating_sub(x);
        if room == 0 {
            return x;
        }
        self.buffer.set_stringn(x, y, text, room.into(), style).0
    }

    /// A rule that separates the view from the lines above it: the device, and with many columns the learning rate and the
    /// speed.
    fn device(&mut self, y: u16) {
        let width = self.buffer.area.width;
        let (dim, bold) = (Style::new().dim(), Style::new().bold());
        self.text(0, y, &"─".repeat(width.into()), dim);
        let right = match self.is_wide {
            true => format!(" {} ─ {} ", self.learning_rate(), self.speed()),
            false => String::new(),
        };
        let room = usize::from(width).saturating_sub(right.chars().count() + 6);
        let shown: String = match self.run.device.chars().count() {
            length if length <= room => self.run.device.clone(),
            _ => self.run.device.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        };
        self.text(2, y, &format!(" {shown} "), bold);
        if !right.is_empty() {
            let x = width.saturating_sub(right.chars().count() as u16 + 2);
            self.text(x, y, &right, Style::new());
        }
    }

    fn speed(&self) -> String {
        match self.state.progress {
            Some(EpochProgress { tally, seconds, .. }) if tally.samples > 0 && seconds > 0.0 => {
                format!("{} images/s", whole(tally.samples as f64 / seconds))
            }
            _ => "starting".to_owned(),
        }
    }

    fn learning_rate(&self) -> String {
        let config = &self.run.config;
        let (total, per_epoch) =
            (config.total_steps(self.run.samples), config.steps_per_epoch(self.run.samples));
        let step = self.state.progress.map_or(0, |progress| {
            let done = (progress.tally.samples as u64).div_ceil(config.batch_size as u64);
            (progress.epoch - 1) * per_epoch + done.saturating_sub(1)
        });
        let factor = config.schedule.factor(step.min(total.saturating_sub(1)), total, per_epoch);
        format!("lr {}", rate(f64::from(config.learning_rate) * factor))
    }

    /// The loss and the accuracy of a split, and the best accuracy of all epochs.
    fn metrics(
        &mut self,
        y: u16,
        name: &str,
        color: Color,
        now: Option<(f64, f64)>,
        best: Option<(f64, u64)>,
    ) {
        self.text(0, y, name, Style::new().fg(color));
        let (value, accuracy) = match now {
            Some((value, accuracy)) => (loss(value), format!("{} %", percent(accuracy))),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let gap = if self.is_wide { "  " } else { " " };
        let mut x = self.text(8, y, &format!("{gap}{value:>6}{gap}"), Style::new());
        x = self.text(x, y, &format!("{accuracy:>7}"), Style::new().bold());
        let Some((best, epoch)) = best else { return };
        let text = match self.is_wide {
            true => format!("   best {} % in epoch {epoch}", percent(best)),
            false => format!(" best {} ({epoch})", percent(best)),
        };
        if usize::from(x) + text.chars().count() <= usize::from(self.buffer.area.width) {
            self.text(x, y, &text, Style::new());
        }
    }

    fn charts(&mut self, y: u16, height: u16, marker: Marker) {
        let Run { validation, test, .. } = *self.run;
        let history = &self.state.history;
        let extent = history.extent();
        let width = self.buffer.area.width;
        let (half, second) = halves(width);
        let losses = [
            Curve { points: history.training(Tally::loss), color: TRAIN, marker: None },
            Curve {
                points: history.epochs(validation.unwrap_or(0), |it| it.validation_loss),
                color: VALIDATION,
                marker: Some(VALIDATION_MARK),
            },
            Curve {
                points: history.epochs(test, |it| Some(it.test_loss)),
                color: TEST,
                marker: Some(TEST_MARK),
            },
        ];
        let area = Rect { x: 0, y, width: if self.is_wide { half } else { width }, height };
        chart::draw(&mut self.buffer, area, Quantity::Loss, &losses, extent, marker);
        if !self.is_wide {
            return;
        }
        let accuracies = [
            Curve { points: history.training(Tally::accuracy), color: TRAIN, marker: None },
            Curve {
                points: history.epochs(validation.unwrap_or(0), |it| it.validation_accuracy),
                color: VALIDATION,
                marker: Some(VALIDATION_MARK),
            },
            Curve {
                points: history.epochs(test, |it| Some(it.test_accuracy)),
                color: TEST,
                marker: Some(TEST_MARK),
            },
        ];
        let area = Rect { x: second, y, width: width - second, height };
        chart::draw(&mut self.buffer, area, Quantity::Accuracy, &accuracies, extent, marker);
    }

    /// A bar between a name and a percentage with the time that is left. A bar without room is left out.
    fn bar(&mut self, x: u16, y: u16, width: u16, name: &str, fraction: f64, left: &str) {
        let fraction = fraction.clamp(0.0, 1.0);
        let end = format!(" {:3.0} %  {left:>9}", (100.0 * fraction).floor());
        let taken = name.chars().count() + end.chars().count() + 1;
        let bar = usize::from(width).saturating_sub(taken);
        let mut x = self.text(x, y, name, Style::new());
        if bar >= 4 {
            let done = (fraction * bar as f64).round() as usize;
            x = self.text(x, y, &format!(" {}", "━".repeat(done)), Style::new());
            x = self.text(x, y, &"─".repeat(bar - done), Style::new().dim());
        }
        self.text(x, y, &end, Style::new());
    }

    fn epochs(&self) -> u64 {
        self.run.config.epochs_started(self.run.samples)
    }

    /// With few columns and few lines, the run's bar is the only one, and so names the epoch.
    fn run_name(&self) -> String {
        let epochs = self.epochs();
        let width = epoch_of(1, epochs).len();
        match self.buffer.area.height {
            ..6 => epoch_of(self.state.progress.map_or(1, |progress| progress.epoch), epochs),
            _ => format!("{:width$}", "run"),
        }
    }

    /// The name of the epoch that is under way, how much of it is done, and the time that it still takes.
    fn epoch(&self) -> (String, f64, String) {
        let Some(EpochProgress { epoch, images, tally, seconds }) = self.state.progress else {
            return (epoch_of(1, self.epochs()), 0.0, "starting".to_owned());
        };
        let samples = self.run.samples as u64;
        let begin = (epoch - 1) * samples;
        let end = (begin + samples).min(self.run.config.total_images(self.run.samples));
        let (done, all) = (images.saturating_sub(begin), end.saturating_sub(begin));
        let left = match tally.samples {
            0 => "starting".to_owned(),
            _ if done >= all => "evaluating".to_owned(),
            trained => time_left((all - done) as f64 * seconds / trained as f64),
        };
        (epoch_of(epoch, self.epochs()), done as f64 / all.max(1) as f64, left)
    }

    /// How much of the run is done, and the time that it still takes, with its evaluations.
    fn whole_run(&self) -> (f64, String) {
        let total = self.run.config.total_images(self.run.samples);
        let Some(EpochProgress { epoch, images, tally, seconds }) = self.state.progress else {
            return (0.0, String::new());
        };
        let fraction = images as f64 / total.max(1) as f64;
        if tally.samples == 0 {
            return (fraction, String::new());
        }
        let training = total.saturating_sub(images) as f64 * seconds / tally.samples as f64;
        let evaluations = (self.epochs() + 1).saturating_sub(epoch) as f64;
        (fraction, time_left(training + evaluations * self.state.evaluation.as_secs_f64()))
    }
}

fn time_left(seconds: f64) -> String {
    if seconds.is_finite() { format!("{} left", duration(seconds)) } else { String::new() }
}

/// The width of the first of two parts, and where the second begins.
fn halves(width: u16) -> (u16, u16) {
    let half = width.saturating_sub(2) / 2;
    (half, half + 2)
}
