//! Draws settings as lines through an axis for each option, in the colour of their measure.

use super::canvas::{Canvas, GAP, HALF, SIZE, WIDTH, cut, spaced, width};
use super::{Factor, Measure, Range};
use crate::report::drawing::{Anchor, Colour, Drawing, Fill, Point, Shape, Stroke};
use crate::report::figure::Axis;
use crate::report::figure::axis::{FittedAxis, Margin};

/// A setting in the chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The index of the setting, for [`Factor::level`].
    pub setting: usize,
    /// Its value.
    pub value: f64,
    /// What it is, for the tooltip.
    pub name: String,
}

/// The largest number of lines that are drawn: more are one area.
pub const MAX_LINES: usize = 400;
/// How many of the lines have tooltips.
const MAX_NAMED: usize = 100;

/// Of many lines, of few, and of the best.
const HAIR: f64 = 0.75;
const THIN: f64 = 1.25;
const BEST: f64 = 3.0;
/// The width of the layout for much space, and the length of its axes.
const WIDE: f64 = 720.0;
const LENGTH: f64 = 260.0;
/// The distance between two axes of the layout for phones.
const STEP: f64 = 58.0;
const LABEL_ROOM: f64 = 74.0;
const PAPER_OPACITY: f64 = 0.78;

/// Draws the lines, best first, as `<div class="chart">` with a layout for much and one for little space, as
/// [`Figure::to_html`](crate::report::figure::Figure::to_html) does. There must be at least one.
pub fn parallel(factors: &[Factor], measure: Measure, range: Range, lines: &[Line]) -> String {
    let axes = axes(factors, measure, range);
    let [wide, narrow] = [false, true].map(|is_narrow| {
        Layout::new(&axes, is_narrow).draw(factors, measure, range, lines).to_element(if is_narrow {
            "narrow"
        } else {
            "wide"
        })
    });
    format!("<div class=\"chart\">\n{wide}{narrow}</div>\n")
}

/// An axis: an option, or the measure.
struct Scale {
    name: String,
    ticks: Vec<(f64, String)>,
    /// The axis of the measure.
    values: Option<FittedAxis>,
}

fn axes(factors: &[Factor], measure: Measure, range: Range) -> Vec<Scale> {
    let options =
        factors.iter().map(|factor| Scale { name: factor.label(), ticks: factor.ticks(5), values: None });
    let (low, high) = range.limits();
    let values = FittedAxis::new(&Axis::new(""), [low, high].into_iter(), Margin::Small, 5);
    let ticks = values.ticks(5).into_iter();
    let ticks = ticks.map(|tick| (values.fraction(tick.value), tick.label)).collect();
    let name = if measure.is_accuracy { "accuracy (%)" } else { "loss" }.to_owned();
    options.chain([Scale { name, ticks, values: Some(values) }]).collect()
}

/// Where axes are: side by side, or below each other.
struct Layout<'a> {
    axes: &'a [Scale],
    is_narrow: bool,
    /// The positions of the first and the last upright axis.
    margins: (f64, f64),
}

impl<'a> Layout<'a> {
    fn new(axes: &'a [Scale], is_narrow: bool) -> Self {
        let widest = |axis: Option<&Scale>| {
            let widths = axis.into_iter().flat_map(|axis| &axis.ticks).map(|(_, text)| width(text));
            widths.fold(0.0, f64::max).min(LABEL_ROOM) + GAP + 2.0
        };
        // The names above the axes need room as well.
        let half = |axis: Option<&Scale>| axis.map_or(0.0, |axis| width(&cut(&axis.name, LABEL_ROOM)) / 2.0);
        let left = widest(axes.first()).max(half(axes.first()));
        let right = WIDE - widest(axes.last()).max(half(axes.last()));
        Self { axes, is_narrow, margins: (left, right) }
    }

    fn size(&self) -> (f64, f64) {
        let below = 3.0 * GAP + 12.0;
        match self.is_narrow {
            true => (WIDTH, STEP * self.axes.len() as f64 + below),
            false => (WIDE, self.top() + LENGTH + 2.0 * GAP + below),
        }
    }

    /// The top of the upright axes.
    fn top(&self) -> f64 {
        2.0 * SIZE
    }

    /// A position from 0 to 1 along an axis.
    fn at(&self, axis: usize, position: f64) -> Point {
        if self.is_narrow {
            return (8.0 + position * (WIDTH - 16.0), STEP * axis as f64 + 26.0);
        }
        let (left, right) = self.margins;
        let step = (right - left) / (self.axes.len() - 1).max(1) as f64;
        (left + axis as f64 * step, self.top() + (1.0 - position) * LENGTH)
    }

    fn room(&self) -> f64 {
        match self.axes.len() {
            _ if self.is_narrow => WIDTH - 4.0,
            1 => WIDE,
            axes => self.at(1, 0.0).0 - self.at(0, 0.0).0 - if axes > 2 { GAP } else { 0.0 },
        }
    }

    fn draw(&self, factors: &[Factor], measure: Measure, range: Range, lines: &[Line]) -> Drawing {
        let mut canvas = Canvas::default();
        for index in 0..self.axes.len() {
            canvas.line(vec![self.at(index, 0.0), self.at(index, 1.0)], Colour::SoftInk, 1.0);
        }
        for (rank, line) in shown(lines).into_iter().rev() {
            let options = factors.iter().map(|factor| factor.position(factor.level(line.setting)));
            let (low, high) = range.limits();
            let value = if line.value.is_nan() { range.worst } else { line.value.clamp(low, high) };
            let last = self.axes.last().and_then(|axis| axis.values.as_ref());
            let positions = options.chain(last.map(|axis| axis.fraction(value)));
            let points: Vec<Point> =
                positions.enumerate().map(|(axis, position)| self.at(axis, position)).collect();
            let colour = Colour::Shade(range.shade(line.value));
            let tooltip = (rank < MAX_NAMED).then(|| format!("{}: {}", line.name, measure.shown(line.value)));
            let width = if rank == 0 {
                BEST
            } else if lines.len() <= MAX_NAMED {
                THIN
            } else {
                HAIR
            };
            canvas.shape(Shape { tooltip, ..Shape::line(points, Stroke::solid(colour, width)) });
        }
        for index in 0..self.axes.len() {
            self.labels(&mut canvas, index);
        }
        let (width, height) = self.size();
        let ends = range.ends(measure);
        let from = super::canvas::width(&ends[0]) + GAP;
        canvas.scale((from, height - 12.0 - GAP), 140.0, [&ends[0], &ends[1]]);
        let description =
            format!("A line for each of {} settings; the thick one is the best.", lines.len().min(MAX_LINES));
        canvas.finish((width, height), format!("{} of all settings", measure.name), description)
    }

    fn labels(&self, canvas: &mut Canvas, index: usize) {
        let Scale { name, ticks, .. } = &self.axes[index];
        let is_last = index + 1 == self.axes.len();
        let name = cut(name, self.room());
        let (x, y) = self.at(index, if self.is_narrow { 0.0 } else { 1.0 });
        if self.is_narrow {
            self.label(canvas, &name, (2.0, y - 9.0), Anchor::Start, Colour::Ink);
        } else {
            let half = width(&name) / 2.0;
            let x = x.clamp(half + 1.0, WIDE - half - 1.0);
            self.label(canvas, &name, (x, y - SIZE), Anchor::Middle, Colour::Ink);
        }
        let room = if self.is_narrow { LABEL_ROOM } else { (self.room() - 10.0).min(LABEL_ROOM) };
        let cut: Vec<(f64, String)> = ticks.iter().map(|(at, text)| (*at, cut(text, room))).collect();
        let length = if self.is_narrow { WIDTH - 16.0 } else { LENGTH };
        let taken = |text: &String| if self.is_narrow { width(text) + 8.0 } else { SIZE + 4.0 };
        for (position, text) in spaced(&cut, length, taken) {
            let (x, y) = self.at(index, position);
            match self.is_narrow {
                true => {
                    canvas.line(vec![(x, y - 3.0), (x, y + 3.0)], Colour::SoftInk, 1.0);
                    let half = width(&text) / 2.0;
                    let x = x.clamp(half + 1.0, WIDTH - half - 1.0);
                    self.label(canvas, &text, (x, y + 7.0 + 2.0 * HALF), Anchor::Middle, Colour::SoftInk);
                }
                false => {
                    canvas.line(vec![(x - 3.0, y), (x + 3.0, y)], Colour::SoftInk, 1.0);
                    let (at, anchor) = if is_last {
                        ((x + GAP, y + HALF), Anchor::Start)
                    } else {
                        ((x - GAP, y + HALF), Anchor::End)
                    };
                    self.label(canvas, &text, at, anchor, Colour::SoftInk);
                }
            }
        }
    }

    /// Text on paper that covers the lines behind it.
    fn label(&self, canvas: &mut Canvas, text: &str, (x, y): Point, anchor: Anchor, colour: Colour) {
        let width = width(text);
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        let paper = Fill { colour: Colour::Paper, opacity: PAPER_OPACITY };
        canvas.rectangle((left - 1.0, y - 2.0 * HALF - 2.0), width + 2.0, 2.0 * HALF + 4.0, paper);
        canvas.text(text, (x, y), anchor, colour);
    }
}

/// The lines that are drawn, with their ranks: all, or the best and an even choice of the others.
fn shown(lines: &[Line]) -> Vec<(usize, &Line)> {
    let best = lines.len().min(MAX_NAMED);
    let others = lines.len() - best;
    let chosen = others.min(MAX_LINES - MAX_NAMED);
    let others = (0..chosen).map(|index| best + index * others / chosen.max(1));
    (0..best).chain(others).map(|rank| (rank, &lines[rank])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSS: Measure = Measure { name: "Validation loss", is_accuracy: false };

    fn draw(settings: usize, options: usize) -> String {
        let values: Vec<String> = (0..settings).map(|index| format!("{}", 1.0 + index as f64)).collect();
        let factors: Vec<Factor> = (0..options)
            .map(|option| {
                Factor::new(&format!("option {option} \u{202e}"), values.iter().map(String::as_str))
            })
            .collect();
        let line = |setting| Line { setting, value: 0.1 + setting as f64, name: format!("<{setting}>") };
        let lines: Vec<Line> = (0..settings).map(line).collect();
        let range = Range::of(LOSS, lines.iter().map(|line| line.value)).unwrap();
        parallel(&factors, LOSS, range, &lines)
    }

    #[test]
    fn each_setting_is_a_line_in_both_layouts() {
        let html = draw(12, 3);
        assert_eq!(html.matches("var(--shade-12)").count(), 2 * 2, "the best, and the end of the scale");
        assert_eq!(html.matches("<title>&lt;11&gt;: 11.1").count(), 2);
        assert!(!html.contains('\u{202e}'));
    }

    #[test]
    fn any_number_of_settings_and_options_is_small() {
        for (settings, options) in [(1, 1), (1, 10), (10_000, 10)] {
            let html = draw(settings, options);
            assert!(html.len() < 300_000, "{settings} settings: {} bytes", html.len());
        }
        let all: Vec<Line> =
            (0..1000).map(|setting| Line { setting, value: 0.0, name: String::new() }).collect();
        let ranks: Vec<usize> = shown(&all).into_iter().map(|(rank, _)| rank).collect();
        assert!(
            ranks.len() == MAX_LINES && ranks.is_sorted_by(|a, b| a < b) && ranks[399] > 990,
            "{ranks:?}"
        );
    }
}
