//! The live view of a run: its curves, its metrics, and how far it is, in at most ten lines.
//!
//! ratatui draws charts of Braille dots and lays text out in a buffer, and is what most programs of this kind use. Its
//! terminals are not used: an inline viewport asks the terminal for the cursor's position and reads the answer from stdin in
//! raw mode. That stops a job in the background, takes input that is meant for the program or the shell, delays Ctrl-C,
//! and fails where nothing answers. `progress::footer` puts the lines on the terminal instead.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;

use super::chart::{self, Curve, Quantity};
use super::history::{EpochMetrics, Metrics};
use super::numbers::{loss, percent};
use super::state::{Done, Run, State};
use crate::cli::terminal::Size;
use crate::engine::Tally;

/// The most lines of the view.
const ROWS: usize = 10;

/// The most columns: wider charts would not show more, and wide lines break when the terminal becomes narrower.
const COLUMNS: usize = 100;

/// The columns that two charts side by side need.
const COLUMNS_OF_TWO: u16 = 60;

/// The columns that one chart needs.
const COLUMNS_OF_ONE: u16 = 24;

/// The lines of a chart.
const ROWS_OF_CHART: std::ops::RangeInclusive<usize> = 3..=5;

/// A line of the view, in the order of appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// The lines of a wide or narrow view, the most important first.
fn by_importance(is_wide: bool, has_validation: bool) -> Vec<Line> {
    let all = [Line::Run, Line::Train, Line::Test, Line::Validation, Line::Epoch, Line::Device, Line::Speed];
    let is_used = |line: &Line| match line {
        Line::Validation => has_validation,
        // In a wide view, these share lines with others.
        Line::Epoch | Line::Speed => !is_wide,
        _ => true,
    };
    all.into_iter().filter(is_used).collect()
}

/// Draws the view for a terminal of this size.
pub fn draw(run: &Run, state: &State, size: Size, marker: Marker) -> Buffer {
    let width = size.columns.saturating_sub(1).min(COLUMNS) as u16;
    // Two of the lines above and the line of the cursor stay visible.
    let height = size.rows.saturating_sub(3).clamp(1, ROWS);
    let is_wide = width >= COLUMNS_OF_TWO;
    let mut lines = by_importance(is_wide, run.validation.is_some());
    lines.truncate(height);
    let chart = (height - lines.len()).min(*ROWS_OF_CHART.end());
    if chart >= *ROWS_OF_CHART.start() && width >= COLUMNS_OF_ONE {
        lines.push(Line::Charts);
    }
    lines.sort_unstable();

    let height_of = |line: Line| if line == Line::Charts { chart as u16 } else { 1 };
    let rows = lines.iter().map(|&line| height_of(line)).sum();
    let has_epoch = lines.contains(&Line::Epoch);
    let mut view =
        View { run, state, is_wide, has_epoch, marker, buffer: Buffer::empty(Rect::new(0, 0, width, rows)) };
    let mut y = 0;
    for line in lines {
        view.line(line, y, height_of(line));
        y += height_of(line);
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
    /// Whether the epoch's bar has a line of its own.
    has_epoch: bool,
    /// The symbols that the lines of charts consist of.
    marker: Marker,
    buffer: Buffer,
}

impl View<'_> {
    fn line(&mut self, line: Line, y: u16, height: u16) {
        let width = self.buffer.area.width;
        match line {
            Line::Device => self.device(y),
            Line::Speed => {
                let texts = [self.state.speed(), self.state.learning_rate(self.run)];
                self.text(0, y, &texts.join("  "), Style::new());
            }
            Line::Charts => self.charts(y, height),
            Line::Train => {
                let tally = self.state.progress.map(|progress| progress.tally);
                let now = tally.filter(|tally| tally.samples > 0);
                let now = now.map(|tally| Metrics { loss: tally.loss(), accuracy: tally.accuracy() });
                let mark = if self.marker == Marker::Braille { '⠒' } else { '─' };
                self.metrics(y, &format!("{mark} train"), TRAIN, now, None);
            }
            Line::Validation => {
                let now = self.state.history.last().and_then(|epoch| epoch.validation);
                let best = self.state.history.best(|epoch| Some(epoch.validation?.accuracy));
                self.metrics(y, &format!("{VALIDATION_MARK} val"), VALIDATION, now, best);
            }
            Line::Test => {
                let now = self.state.history.last().map(|epoch| epoch.test);
                let best = self.state.history.best(|epoch| Some(epoch.test.accuracy));
                self.metrics(y, &format!("{TEST_MARK} test"), TEST, now, best);
            }
            Line::Epoch => self.epoch_bar(y, width),
            // The epoch is below the first chart, the run below the second.
            Line::Run if self.is_wide => {
                let (half, second) = halves(width);
                self.epoch_bar(y, half);
                self.bar(second, y, width - second, "run", &self.state.run_done(self.run));
            }
            Line::Run => {
                let epoch = self.state.epoch_name(self.run);
                // As wide as the name of the epoch, so that both bars are aligned.
                let run = format!("{:width$}", "run", width = epoch.len());
                let name = if self.has_epoch { run } else { epoch };
                self.bar(0, y, width, &name, &self.state.run_done(self.run));
            }
        }
    }

    fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let room = self.buffer.area.width.saturating_sub(x);
        if room == 0 {
            return x;
        }
        // Replaces the style of the text that was there.
        self.buffer.set_stringn(x, y, text, room.into(), Style::reset().patch(style)).0
    }

    /// A rule that separates the view from the lines above it: the device, and with many columns the learning rate and the
    /// speed.
    fn device(&mut self, y: u16) {
        let width = self.buffer.area.width;
        let (dim, bold) = (Style::new().dim(), Style::new().bold());
        self.text(0, y, &"─".repeat(width.into()), dim);
        let right = match self.is_wide {
            true => format!(" {} ─ {} ", self.state.learning_rate(self.run), self.state.speed()),
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

    /// The loss and the accuracy of a split, and the best accuracy of all epochs.
    fn metrics(&mut self, y: u16, name: &str, color: Color, now: Option<Metrics>, best: Option<(f64, u64)>) {
        self.text(0, y, name, Style::new().fg(color));
        let (value, accuracy) = match now {
            Some(now) => (loss(now.loss), format!("{} %", percent(now.accuracy))),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let (column, gap) = if self.is_wide { (9, "  ") } else { (8, " ") };
        let mut x = self.text(column, y, &format!("{value:>6}{gap}"), Style::new());
        x = self.text(x, y, &format!("{accuracy:>7}"), Style::new().bold());
        let Some((best, epoch)) = best else { return };
        let best = percent(best);
        let texts = match self.is_wide {
            true => [format!("   best {best} % in epoch {epoch}"), format!("   best {best} %")],
            false => [format!(" best {best} ({epoch})"), format!(" best {best}")],
        };
        let room = usize::from(self.buffer.area.width.saturating_sub(x));
        if let Some(text) = texts.iter().find(|text| text.chars().count() <= room) {
            self.text(x, y, text, Style::new());
        }
    }

    fn charts(&mut self, y: u16, height: u16) {
        let (validation, test) = (self.run.validation.unwrap_or(0), self.run.test);
        let history = &self.state.history;
        let extent = history.extent();
        let width = self.buffer.area.width;
        let (half, second) = halves(width);
        let curves = |trained: fn(&Tally) -> f64, evaluated: fn(Metrics) -> f64| {
            let of_validation = |epoch: &EpochMetrics| epoch.validation.map(evaluated);
            let of_test = |epoch: &EpochMetrics| Some(evaluated(epoch.test));
            [
                Curve { points: history.training(trained), color: TRAIN, marker: None },
                Curve {
                    points: history.evaluations(validation, of_validation),
                    color: VALIDATION,
                    marker: Some(VALIDATION_MARK),
                },
                Curve { points: history.evaluations(test, of_test), color: TEST, marker: Some(TEST_MARK) },
            ]
        };
        let losses = curves(Tally::loss, |metrics| metrics.loss);
        let area = Rect { x: 0, y, width: if self.is_wide { half } else { width }, height };
        chart::draw(&mut self.buffer, area, Quantity::Loss, &losses, extent, self.marker);
        if !self.is_wide {
            return;
        }
        let accuracies = curves(Tally::accuracy, |metrics| metrics.accuracy);
        let area = Rect { x: second, y, width: width - second, height };
        chart::draw(&mut self.buffer, area, Quantity::Accuracy, &accuracies, extent, self.marker);
    }

    fn epoch_bar(&mut self, y: u16, width: u16) {
        let name = self.state.epoch_name(self.run);
        self.bar(0, y, width, &name, &self.state.epoch_done(self.run));
    }

    /// A bar between a name and a percentage with the time left. If there is no room, the bar, the time and the end of the
    /// name are omitted.
    fn bar(&mut self, x: u16, y: u16, width: u16, name: &str, done: &Done) {
        let (fraction, width) = (done.fraction.clamp(0.0, 1.0), usize::from(width));
        let percent = format!(" {:3.0} %", (100.0 * fraction).floor());
        let mut end = format!("{percent}  {:>10}", done.left);
        let taken = |end: &str| name.chars().count() + end.chars().count();
        if taken(&end) > width {
            end = percent;
        }
        let name: String = name.chars().take(width.saturating_sub(end.chars().count())).collect();
        let bar = width.saturating_sub(taken(&end) + 1);
        let mut x = self.text(x, y, &name, Style::new());
        if bar >= 4 {
            let done = (fraction * bar as f64).round() as usize;
            x = self.text(x, y, &format!(" {}", "━".repeat(done)), Style::new());
            x = self.text(x, y, &"─".repeat(bar - done), Style::new().dim());
        }
        self.text(x, y, &end, Style::new());
    }
}

/// The width of the first of two parts, and where the second begins.
fn halves(width: u16) -> (u16, u16) {
    let half = width.saturating_sub(2) / 2;
    (half, half + 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::history::History;
    use super::*;
    use crate::train::{EpochProgress, EpochRecord, TrainingConfig};

    const SAMPLES: usize = 6_000;

    fn run(validation: Option<usize>) -> Run {
        Run {
            device: "CPU (2 threads)".to_owned(),
            config: TrainingConfig { epochs: 3.0, batch_size: 60, ..TrainingConfig::default() },
            samples: SAMPLES,
            validation,
            test: 1_000,
        }
    }

    /// The state in the middle of the second epoch.
    fn state(run: &Run) -> State {
        let total = run.config.total_images(SAMPLES);
        let mut history = History::new(SAMPLES, 60, total);
        let mut progress = None;
        for step in 1..=150_usize {
            let (epoch, samples) = if step <= 100 { (1, 60 * step) } else { (2, 60 * (step - 100)) };
            let loss_sum = samples as f64 * 2.3 / step as f64;
            let tally = Tally { samples, correct: samples - samples / (step + 1), loss_sum, weight: None };
            let images = 60 * step as u64;
            let now = EpochProgress { epoch, images, tally, seconds: samples as f64 / 1_000.0 };
            history.add(&now);
            progress = Some(now);
        }
        history.add_epoch(&EpochRecord {
            epoch: 1,
            validation_loss: run.validation.map(|_| 0.0523),
            validation_accuracy: run.validation.map(|_| 0.984),
            test_loss: 0.0478,
            test_accuracy: 0.9852,
            ..EpochRecord::default()
        });
        State { history, progress, evaluation: Duration::from_millis(500) }
    }

    fn shown(run: &Run, state: &State, columns: usize, rows: usize) -> Vec<String> {
        let buffer = draw(run, state, Size { columns, rows }, Marker::Braille);
        super::super::rows::rows(&buffer, false).into_iter().map(|row| row.text).collect()
    }

    #[test]
    fn eighty_columns_have_two_charts_and_all_numbers() {
        let run = run(Some(500));
        let shown = shown(&run, &state(&run), 80, 24);
        assert_eq!(shown.len(), 10, "{shown:#?}");
        assert!(shown[0].starts_with("── CPU (2 threads) ───"), "{shown:#?}");
        assert!(shown[0].ends_with("─ lr 0.001 ─ 1,000 images/s ──"), "{shown:#?}");
        assert!(shown[1].starts_with(" ") && shown[1].contains('┤'), "{shown:#?}");
        assert!(shown[2].contains("    loss│") && shown[2].contains("accuracy│"), "{shown:#?}");
        assert_eq!(shown[6], "⠒ train  0.0153  99.37 %", "{shown:#?}");
        assert_eq!(shown[7], "× val    0.0523  98.40 %   best 98.40 % in epoch 1");
        assert_eq!(shown[8], "• test   0.0478  98.52 %   best 98.52 % in epoch 1");
        assert!(shown[9].starts_with("epoch 2/3 ━━━━━"), "{shown:#?}");
        assert!(shown[9].contains("  50 %    3 s left  run ━━━━━"), "{shown:#?}");
        // 9 s of training and two evaluations.
        assert!(shown[9].ends_with("  50 %   10 s left"), "{shown:#?}");
    }

    #[test]
    fn forty_columns_have_one_chart() {
        let run = run(None);
        let shown = shown(&run, &state(&run), 40, 24);
        assert_eq!(shown.len(), 10, "{shown:#?}");
        assert!(shown[0].starts_with("── CPU (2 threads) ──"), "{shown:#?}");
        assert_eq!(shown[1], "1,000 images/s  lr 0.001");
        assert!(shown[3].contains("    loss│") && !shown.concat().contains("accuracy"), "{shown:#?}");
        assert_eq!(shown[7], "• test  0.0478 98.52 % best 98.52 (1)");
        assert!(shown[8].starts_with("epoch 2/3 ━━━"), "{shown:#?}");
        assert!(shown[9].starts_with("run       ━━━"), "{shown:#?}");
    }

    #[test]
    fn every_terminal_has_a_view_that_fits() {
        for validation in [None, Some(500)] {
            let run = run(validation);
            let empty = State {
                history: History::new(SAMPLES, 60, 3 * SAMPLES as u64),
                progress: None,
                evaluation: Duration::ZERO,
            };
            for state in [empty, state(&run)] {
                for columns in 1..130 {
                    for rows in 1..20 {
                        let shown = shown(&run, &state, columns, rows);
                        assert!(shown.len() <= ROWS && shown.len() <= (rows - 1).max(1), "{shown:#?}");
                        let widest = shown.iter().map(|line| line.chars().count()).max().unwrap_or(0);
                        assert!(widest < columns, "{columns}: {shown:#?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_line_that_is_left_has_the_epoch_and_the_time() {
        let run = run(None);
        let shown = shown(&run, &state(&run), 40, 4);
        assert_eq!(shown.len(), 1);
        assert!(shown[0].starts_with("epoch 2/3 ━") && shown[0].ends_with("50 %   10 s left"), "{shown:#?}");
    }

    #[test]
    fn only_one_bar_has_the_name_of_the_epoch() {
        for (validation, rows) in [(None, 7), (Some(500), 8)] {
            let run = run(validation);
            let shown = shown(&run, &state(&run), 40, rows);
            assert_eq!(shown.len(), rows - 3, "{shown:#?}");
            assert!(shown[rows - 5].starts_with("epoch 2/3 ━"), "{shown:#?}");
            assert!(shown[rows - 4].starts_with("run       ━"), "{shown:#?}");
        }
    }
}
