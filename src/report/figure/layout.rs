//! Where on the paper things stand: from above the title, the legend and the plot, from below the
//! caption; beside the plot its axes, and to its right the name of the rule. The legend has a line of
//! its own, so that it never covers data.

use super::axis::{Axis, Margin, Ruler, Tick};
use super::curves;
use super::palette::{self, GRID, INK, SOFT_INK};
use super::plot::{Plot, SAMPLE};
use super::{Figure, FigureError, Series};
use crate::report::picture::font::{self, CAPITAL, DESCENT, Weight};
use crate::report::picture::{Anchor, Colour, Drawing, Outline, Picture, Place, Shape, Stroke, Text};

/// Free paper around everything.
const MARGIN: f64 = 20.0;

const TITLE_SIZE: f64 = 18.0;
const LABEL_SIZE: f64 = 15.0;
const SMALL_SIZE: f64 = 14.0;
/// From line to line, by the font's size.
const LINE: f64 = 1.35;

const TICK: f64 = 5.0;
/// Between things that belong together, such as a tick and its label.
const NEAR: f64 = 6.0;
/// Between things that do not.
const APART: f64 = 16.0;

/// The widest that a rule's name is before it is broken into lines.
const RULE_NAME: f64 = 84.0;

/// A plot smaller than this shows nothing.
const SMALLEST_PLOT: (f64, f64) = (160.0, 100.0);

/// Paper for each value that an axis names.
const PAPER_PER_X_TICK: f64 = 60.0;
const PAPER_PER_Y_TICK: f64 = 45.0;

pub(super) fn draw(figure: &Figure, width: u32, height: u32) -> Result<Picture, FigureError> {
    let mut page = Page {
        shapes: Vec::new(),
        left: MARGIN,
        right: f64::from(width) - MARGIN,
        top: MARGIN,
        bottom: f64::from(height) - MARGIN,
    };
    let no_room = |what| FigureError::NoRoom { what, figure: figure.title.clone(), width, height };

    page.title(&figure.title);
    page.legend(&figure.series).ok_or_else(|| no_room("a name in the legend"))?;
    page.caption(&figure.caption);
    let plot = page.axes(figure).map_err(no_room)?;
    curves::draw(&figure.series, &plot, &mut page.shapes);

    Ok(Picture {
        width: f64::from(width),
        height: f64::from(height),
        title: figure.title.clone(),
        description: figure.caption.clone(),
        shapes: page.shapes,
    })
}

/// Shapes so far, and the edges of the paper that is still free.
struct Page {
    shapes: Vec<Shape>,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Page {
    fn width(&self) -> f64 {
        self.right - self.left
    }

    fn title(&mut self, title: &str) {
        let lines = font::wrapped(title, TITLE_SIZE, Weight::Bold, self.width());
        let at = (self.left, self.top + CAPITAL * TITLE_SIZE);
        self.top += LINE * TITLE_SIZE * lines.len() as f64;
        let model = Text { weight: Weight::Bold, ..text("", at, TITLE_SIZE, Anchor::Start) };
        self.lines(lines, model);
    }

    /// One entry after the other, in as many lines as they need; None where one has no room on a line.
    fn legend(&mut self, series: &[Series]) -> Option<()> {
        self.top += NEAR;
        let mut x = self.left;
        let stopped = series.iter().flat_map(|series| &series.tails).any(|tail| tail.stopped);
        let entries = series.iter().enumerate().map(|(index, series)| (Some(index), series.name.as_str()));
        for (index, name) in entries.chain(stopped.then_some((None, "run stopped"))) {
            let sample = if index.is_some() { SAMPLE } else { SAMPLE / 2.0 };
            let width = sample + NEAR + font::width(name, LABEL_SIZE, Weight::Regular);
            if width > self.width() {
                return None;
            }
            if x + width > self.right {
                x = self.left;
                self.top += LINE * LABEL_SIZE;
            }
            let middle = self.top + CAPITAL * LABEL_SIZE / 2.0;
            match index {
                Some(index) => {
                    curves::draw_sample(palette::style(index), &series[index], (x, middle), &mut self.shapes)
                }
                None => curves::draw_stop(SOFT_INK, (x + sample / 2.0, middle), &mut self.shapes),
            }
            let at = (x + sample + NEAR, self.top + CAPITAL * LABEL_SIZE);
            self.shapes.push(Shape::Text(text(name, at, LABEL_SIZE, Anchor::Start)));
            x += width + 1.5 * APART;
        }
        self.top += LINE * LABEL_SIZE + NEAR;
        Some(())
    }

    fn caption(&mut self, caption: &str) {
        let lines = font::wrapped(caption, SMALL_SIZE, Weight::Regular, self.width());
        if lines.is_empty() {
            return;
        }
        let last = self.bottom - DESCENT * SMALL_SIZE;
        let first = last - LINE * SMALL_SIZE * (lines.len() - 1) as f64;
        self.bottom = first - CAPITAL * SMALL_SIZE - APART;
        let model = text("", (self.left, first), SMALL_SIZE, Anchor::Start);
        self.lines(lines, Text { colour: SOFT_INK, ..model });
    }

    /// Both axes around what is left of the paper, with the rule. The error is what took its room.
    fn axes(&mut self, figure: &Figure) -> Result<Plot, &'static str> {
        let bottom = self.bottom - DESCENT * LABEL_SIZE - LABEL_SIZE - NEAR - SMALL_SIZE - NEAR - TICK;
        let top = self.top + CAPITAL * SMALL_SIZE / 2.0;
        if bottom - top < SMALLEST_PLOT.1 {
            return Err("the text above and below");
        }

        let y_values = figure.series.iter().flat_map(values).chain(figure.rule.iter().map(|rule| rule.at));
        let y_count = ((bottom - top) / PAPER_PER_Y_TICK) as usize;
        let y = Ruler::new(&figure.y, y_values, Margin::ToTick, y_count);
        let y_ticks = y.ticks(y_count);

        let left = self.left + LABEL_SIZE + NEAR + widest(&y_ticks) + NEAR + TICK;
        let rule_name = match &figure.rule {
            Some(rule) => font::wrapped(&rule.label, SMALL_SIZE, Weight::Regular, RULE_NAME),
            None => Vec::new(),
        };
        let rule_width =
            rule_name.iter().map(|line| font::width(line, SMALL_SIZE, Weight::Regular)).fold(0.0, f64::max);
        let right = self.right - if rule_name.is_empty() { APART } else { NEAR + rule_width };
        if right - left < SMALLEST_PLOT.0 {
            return Err("the text beside the plot");
        }

        let x_count = ((right - left) / PAPER_PER_X_TICK) as usize;
        let x = Ruler::new(&figure.x, figure.series.iter().flat_map(places), Margin::Little, x_count);
        let x_ticks = (1..=x_count)
            .rev()
            .map(|count| x.ticks(count))
            .find(|ticks| widest(ticks) + NEAR <= nearest(ticks, &x) * (right - left))
            .ok_or("the numbers along the x axis")?;
        let plot = Plot { left, right, top, bottom, x, y };

        self.y_axis(&figure.y, &y_ticks, &plot)?;
        self.x_axis(&figure.x, &x_ticks, &plot)?;
        if let Some(rule) = &figure.rule {
            self.rule(plot.up(rule.at), rule_name, &plot)?;
        }
        Ok(plot)
    }

    fn y_axis(&mut self, axis: &Axis, ticks: &[Tick], plot: &Plot) -> Result<(), &'static str> {
        for tick in ticks {
            let y = plot.up(tick.value);
            self.line((plot.left, y), (plot.right, y), GRID, 1.0);
            self.line((plot.left - TICK, y), (plot.left, y), INK, 1.0);
            let at = (plot.left - TICK - NEAR, y + CAPITAL * SMALL_SIZE / 2.0);
            self.shapes.push(Shape::Text(text(&tick.label, at, SMALL_SIZE, Anchor::End)));
        }
        self.line((plot.left, plot.top), (plot.left, plot.bottom), INK, 1.0);
        let title = axis.title();
        let centre = centred(&title, (plot.top + plot.bottom) / 2.0, (self.top, self.bottom));
        let at = (self.left + CAPITAL * LABEL_SIZE, centre.ok_or("the y axis's label")?);
        let title = text(title, at, LABEL_SIZE, Anchor::Middle);
        self.shapes.push(Shape::Text(Text { upward: true, ..title }));
        Ok(())
    }

    fn x_axis(&mut self, axis: &Axis, ticks: &[Tick], plot: &Plot) -> Result<(), &'static str> {
        let labels_at = plot.bottom + TICK + NEAR + CAPITAL * SMALL_SIZE;
        for tick in ticks {
            let x = plot.across(tick.value);
            self.line((x, plot.bottom), (x, plot.bottom + TICK), INK, 1.0);
            let half = font::width(&tick.label, SMALL_SIZE, Weight::Regular) / 2.0;
            let at = (x.min(self.right - half).max(self.left + half), labels_at);
            self.shapes.push(Shape::Text(text(&tick.label, at, SMALL_SIZE, Anchor::Middle)));
        }
        self.line((plot.left, plot.bottom), (plot.right, plot.bottom), INK, 1.0);
        let title = axis.title();
        let centre = centred(&title, (plot.left + plot.right) / 2.0, (self.left, self.right));
        let at = (centre.ok_or("the x axis's label")?, self.bottom - DESCENT * LABEL_SIZE);
        self.shapes.push(Shape::Text(text(title, at, LABEL_SIZE, Anchor::Middle)));
        Ok(())
    }

    /// The line of a rule, and its name to the right of the plot.
    fn rule(&mut self, y: f64, name: Vec<String>, plot: &Plot) -> Result<(), &'static str> {
        let stroke = Stroke { colour: SOFT_INK, width: 1.25, dash: &[1.5, 3.0] };
        let outline = Outline::Line(vec![(plot.left, y), (plot.right, y)]);
        self.shapes.push(Shape::Drawing(Drawing { outline, fill: None, stroke: Some(stroke) }));

        let height = CAPITAL * SMALL_SIZE + LINE * SMALL_SIZE * (name.len().max(1) - 1) as f64;
        if height > self.bottom - self.top {
            return Err("the rule's name");
        }
        let top = (y - height / 2.0).min(self.bottom - height).max(self.top);
        let at = (plot.right + NEAR, top + CAPITAL * SMALL_SIZE);
        self.lines(name, Text { colour: SOFT_INK, ..text("", at, SMALL_SIZE, Anchor::Start) });
        Ok(())
    }

    /// Lines of text one below the other, all as `first` is, which says where the first one stands.
    fn lines(&mut self, lines: Vec<String>, first: Text) {
        let (x, y) = first.at;
        for (index, text) in lines.into_iter().enumerate() {
            let at = (x, y + LINE * first.size * index as f64);
            self.shapes.push(Shape::Text(Text { text, at, ..first.clone() }));
        }
    }

    fn line(&mut self, from: Place, to: Place, colour: Colour, width: f64) {
        let outline = Outline::Line(vec![from, to]);
        let stroke = Some(Stroke::solid(colour, width));
        self.shapes.push(Shape::Drawing(Drawing { outline, fill: None, stroke }));
    }
}

fn text(text: impl Into<String>, at: Place, size: f64, anchor: Anchor) -> Text {
    Text { text: text.into(), at, size, weight: Weight::Regular, anchor, upward: false, colour: INK }
}

/// The middle nearest to `middle` at which an axis's label stays between two edges.
fn centred(label: &str, middle: f64, (from, to): (f64, f64)) -> Option<f64> {
    let half = font::width(label, LABEL_SIZE, Weight::Regular) / 2.0;
    (2.0 * half <= to - from).then(|| middle.clamp(from + half, (to - half).max(from + half)))
}

fn widest(ticks: &[Tick]) -> f64 {
    let widths = ticks.iter().map(|tick| font::width(&tick.label, SMALL_SIZE, Weight::Regular));
    widths.fold(0.0, f64::max)
}

/// The least distance between two of an axis's ticks, by its length.
fn nearest(ticks: &[Tick], ruler: &Ruler) -> f64 {
    let places = || ticks.iter().map(|tick| ruler.fraction(tick.value));
    places().zip(places().skip(1)).map(|(tick, next)| next - tick).fold(1.0, f64::min)
}

fn places(series: &Series) -> impl Iterator<Item = f64> {
    let tails = series.tails.iter().flat_map(|tail| tail.points.iter().map(|&(x, _)| x));
    series.points.iter().map(|point| point.x).chain(tails)
}

fn values(series: &Series) -> impl Iterator<Item = f64> {
    let tails = series.tails.iter().flat_map(|tail| tail.points.iter().map(|&(_, value)| value));
    series.points.iter().flat_map(|point| [point.low, point.high]).chain(tails)
}
