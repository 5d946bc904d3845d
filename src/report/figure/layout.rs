//! Lays out a figure: the title, the legend and the plot from the top, the caption from the bottom, the axes beside the
//! plot and the threshold's label to its right. The legend is above the plot, so that it never covers data.
//!
//! A chart of a page has neither title nor caption, as the page has its own, and shows its values under the mouse.

use super::axis::{Axis, FittedAxis, Margin, Tick};
use super::curves;
use super::palette;
use super::plot::{Plot, SAMPLE};
use super::tooltips;
use super::{Figure, FigureError, Series};
use crate::report::drawing::font::{self, CAP_HEIGHT, DESCENT, Weight};
use crate::report::drawing::{Anchor, Colour, Drawing, Element, Point, Shape, Stroke, Text};

/// The sizes of a layout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Margin around everything.
    margin: f64,
    title: f64,
    /// Of the legend and the labels of the axes.
    label: f64,
    /// Of the numbers along the axes, the threshold's label and the caption.
    small: f64,
    /// Whether the chart is a part of a page.
    in_page: bool,
}

/// The sizes in a file.
pub(super) const FILE: Sizes = Sizes { margin: 20.0, title: 18.0, label: 15.0, small: 14.0, in_page: false };

/// The sizes in a page, which has margins of its own. The right margin is room for half a number of the x axis.
pub(super) const PAGE: Sizes = Sizes { margin: 2.0, title: 15.0, label: 13.0, small: 12.0, in_page: true };

/// Distance between baselines, as a fraction of the font size.
const LINE_HEIGHT: f64 = 1.35;

/// Length of a tick mark.
const TICK: f64 = 5.0;
/// Gap between related elements, such as a tick and its label.
const SMALL_GAP: f64 = 6.0;
/// Gap between other elements.
const LARGE_GAP: f64 = 16.0;

/// Width at which the label of a threshold is wrapped.
const MAX_LABEL_WIDTH: f64 = 84.0;

/// Smallest useful width and height of the plot area.
const MIN_PLOT: (f64, f64) = (160.0, 100.0);

/// Space for each tick of an axis.
const MIN_X_TICK_SPACING: f64 = 60.0;
const MIN_Y_TICK_SPACING: f64 = 45.0;

pub(super) fn draw(
    figure: &Figure,
    sizes: Sizes,
    (width, height): (u32, u32),
) -> Result<Drawing, FigureError> {
    let mut page = Page {
        elements: Vec::new(),
        sizes,
        left: sizes.margin,
        right: f64::from(width) - sizes.margin,
        top: sizes.margin,
        bottom: f64::from(height) - sizes.margin,
    };
    let no_room = |what| FigureError::NoRoom { what, figure: figure.title.clone(), width, height };

    if !sizes.in_page {
        page.title(&figure.title);
        page.caption(&figure.caption);
    }
    page.legend(&figure.series).ok_or_else(|| no_room("a name in the legend"))?;
    let plot = page.axes(figure).map_err(no_room)?;
    curves::draw(&figure.series, &plot, &mut page.elements);
    if sizes.in_page {
        tooltips::draw(figure, &plot, &mut page.elements);
    }

    Ok(Drawing {
        width: f64::from(width),
        height: f64::from(height),
        title: figure.title.clone(),
        description: figure.caption.clone(),
        elements: page.elements,
    })
}

/// The elements so far, and the edges of the area that is still free.
struct Page {
    elements: Vec<Element>,
    sizes: Sizes,
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
        let size = self.sizes.title;
        let lines = font::wrap(title, size, Weight::Bold, self.width());
        let at = (self.left, self.top + CAP_HEIGHT * size);
        self.top += LINE_HEIGHT * size * lines.len() as f64;
        let style = Text { weight: Weight::Bold, ..text("", at, size, Anchor::Start) };
        self.lines(lines, style);
    }

    /// Draws the legend in as many lines as it needs. Returns `None` if an entry is wider than a line; in a page, names
    /// are cut instead. A single series without a name has no legend.
    fn legend(&mut self, series: &[Series]) -> Option<()> {
        self.top += SMALL_GAP;
        if let [Series { name, tails, .. }] = series
            && name.is_empty()
            && !tails.iter().any(|tail| tail.stopped)
        {
            return Some(());
        }
        let label = self.sizes.label;
        let mut x = self.left;
        let stopped = series.iter().flat_map(|series| &series.tails).any(|tail| tail.stopped);
        let entries = series.iter().enumerate().map(|(index, series)| (Some(index), series.name.as_str()));
        for (index, name) in entries.chain(stopped.then_some((None, "run stopped"))) {
            let sample = if index.is_some() { SAMPLE } else { SAMPLE / 2.0 };
            let name = match self.sizes.in_page {
                true => font::truncate(name, label, Weight::Regular, self.width() - sample - SMALL_GAP),
                false => name.to_owned(),
            };
            let width = sample + SMALL_GAP + font::width(&name, label, Weight::Regular);
            if width > self.width() {
                return None;
            }
            if x + width > self.right {
                x = self.left;
                self.top += LINE_HEIGHT * label;
            }
            let middle = self.top + CAP_HEIGHT * label / 2.0;
            match index {
                Some(index) => curves::draw_sample(
                    palette::style(index),
                    &series[index],
                    (x, middle),
                    &mut self.elements,
                ),
                None => {
                    curves::draw_stop_mark(Colour::SoftInk, (x + sample / 2.0, middle), &mut self.elements)
                }
            }
            let at = (x + sample + SMALL_GAP, self.top + CAP_HEIGHT * label);
            self.elements.push(Element::Text(text(name, at, label, Anchor::Start)));
            x += width + 1.5 * LARGE_GAP;
        }
        self.top += LINE_HEIGHT * label + SMALL_GAP;
        Some(())
    }

    fn caption(&mut self, caption: &str) {
        let small = self.sizes.small;
        let lines = font::wrap(caption, small, Weight::Regular, self.width());
        if lines.is_empty() {
            return;
        }
        let last = self.bottom - DESCENT * small;
        let first = last - LINE_HEIGHT * small * (lines.len() - 1) as f64;
        self.bottom = first - CAP_HEIGHT * small - LARGE_GAP;
        let style = text("", (self.left, first), small, Anchor::Start);
        self.lines(lines, Text { colour: Colour::SoftInk, ..style });
    }

    /// Draws the axes and the threshold in the remaining area. The error is the text that does not fit.
    fn axes(&mut self, figure: &Figure) -> Result<Plot, &'static str> {
        let Sizes { label, small, .. } = self.sizes;
        let bottom = self.bottom - DESCENT * label - label - SMALL_GAP - small - SMALL_GAP - TICK;
        let top = self.top + CAP_HEIGHT * small / 2.0;
        if bottom - top < MIN_PLOT.1 {
            return Err("the text above and below");
        }

        let y_values = figure
            .series
            .iter()
            .flat_map(values)
            .chain(figure.threshold.iter().map(|threshold| threshold.value));
        let y_count = ((bottom - top) / MIN_Y_TICK_SPACING) as usize;
        let y = FittedAxis::new(&figure.y, y_values, Margin::ToTick, y_count);
        let y_ticks = y.ticks(y_count);

        let left = self.left + label + SMALL_GAP + widest(&y_ticks, small) + SMALL_GAP + TICK;
        let label_lines = match &figure.threshold {
            Some(threshold) => font::wrap(&threshold.label, small, Weight::Regular, MAX_LABEL_WIDTH),
            None => Vec::new(),
        };
        let label_width =
            label_lines.iter().map(|line| font::width(line, small, Weight::Regular)).fold(0.0, f64::max);
        let right = self.right - if label_lines.is_empty() { LARGE_GAP } else { SMALL_GAP + label_width };
        if right - left < MIN_PLOT.0 {
            return Err("the text beside the plot");
        }

        let x_count = ((right - left) / MIN_X_TICK_SPACING) as usize;
        let x = FittedAxis::new(&figure.x, figure.series.iter().flat_map(xs), Margin::Small, x_count);
        let x_ticks = (1..=x_count)
            .rev()
            .map(|count| x.ticks(count))
            .find(|ticks| widest(ticks, small) + SMALL_GAP <= nearest(ticks, &x) * (right - left))
            .ok_or("the numbers along the x axis")?;
        let plot = Plot { left, right, top, bottom, x, y };

        self.y_axis(&figure.y, &y_ticks, &plot)?;
        self.x_axis(&figure.x, &x_ticks, &plot)?;
        if let Some(threshold) = &figure.threshold {
            self.threshold(plot.y_position(threshold.value), label_lines, &plot)?;
        }
        Ok(plot)
    }

    fn y_axis(&mut self, axis: &Axis, ticks: &[Tick], plot: &Plot) -> Result<(), &'static str> {
        let Sizes { label, small, .. } = self.sizes;
        for tick in ticks {
            let y = plot.y_position(tick.value);
            self.line((plot.left, y), (plot.right, y), Colour::Grid, 1.0);
            self.line((plot.left - TICK, y), (plot.left, y), Colour::Ink, 1.0);
            let at = (plot.left - TICK - SMALL_GAP, y + CAP_HEIGHT * small / 2.0);
            self.elements.push(Element::Text(text(&tick.label, at, small, Anchor::End)));
        }
        self.line((plot.left, plot.top), (plot.left, plot.bottom), Colour::Ink, 1.0);
        let title = axis.title();
        let centre = centred(&title, label, (plot.top + plot.bottom) / 2.0, (self.top, self.bottom));
        let at = (self.left + CAP_HEIGHT * label, centre.ok_or("the y axis's label")?);
        let title = text(title, at, label, Anchor::Middle);
        self.elements.push(Element::Text(Text { rotated: true, ..title }));
        Ok(())
    }

    fn x_axis(&mut self, axis: &Axis, ticks: &[Tick], plot: &Plot) -> Result<(), &'static str> {
        let Sizes { label, small, .. } = self.sizes;
        let labels_at = plot.bottom + TICK + SMALL_GAP + CAP_HEIGHT * small;
        for tick in ticks {
            let x = plot.x_position(tick.value);
            self.line((x, plot.bottom), (x, plot.bottom + TICK), Colour::Ink, 1.0);
            let half = font::width(&tick.label, small, Weight::Regular) / 2.0;
            let at = (x.min(self.right - half).max(self.left + half), labels_at);
            self.elements.push(Element::Text(text(&tick.label, at, small, Anchor::Middle)));
        }
        self.line((plot.left, plot.bottom), (plot.right, plot.bottom), Colour::Ink, 1.0);
        let title = axis.title();
        let centre = centred(&title, label, (plot.left + plot.right) / 2.0, (self.left, self.right));
        let at = (centre.ok_or("the x axis's label")?, self.bottom - DESCENT * label);
        self.elements.push(Element::Text(text(title, at, label, Anchor::Middle)));
        Ok(())
    }

    /// Draws the threshold and its label to the right of the plot.
    fn threshold(&mut self, y: f64, label: Vec<String>, plot: &Plot) -> Result<(), &'static str> {
        let small = self.sizes.small;
        let stroke = Stroke { colour: Colour::SoftInk, width: 1.25, dash: &[1.5, 3.0] };
        self.elements.push(Element::Shape(Shape::line(vec![(plot.left, y), (plot.right, y)], stroke)));

        let height = CAP_HEIGHT * small + LINE_HEIGHT * small * (label.len().max(1) - 1) as f64;
        if height > self.bottom - self.top {
            return Err("the threshold's label");
        }
        let top = (y - height / 2.0).min(self.bottom - height).max(self.top);
        let at = (plot.right + SMALL_GAP, top + CAP_HEIGHT * small);
        self.lines(label, Text { colour: Colour::SoftInk, ..text("", at, small, Anchor::Start) });
        Ok(())
    }

    /// Draws lines of text one below the other, in the style and from the position of `first`.
    fn lines(&mut self, lines: Vec<String>, first: Text) {
        let (x, y) = first.at;
        for (index, text) in lines.into_iter().enumerate() {
            let at = (x, y + LINE_HEIGHT * first.size * index as f64);
            self.elements.push(Element::Text(Text { text, at, ..first.clone() }));
        }
    }

    fn line(&mut self, from: Point, to: Point, colour: Colour, width: f64) {
        self.elements.push(Element::Shape(Shape::line(vec![from, to], Stroke::solid(colour, width))));
    }
}

fn text(text: impl Into<String>, at: Point, size: f64, anchor: Anchor) -> Text {
    Text { text: text.into(), at, size, weight: Weight::Regular, anchor, rotated: false, colour: Colour::Ink }
}

/// The position nearest to `middle` at which a centred label stays between two edges; `None` if it is too long.
fn centred(title: &str, size: f64, middle: f64, (from, to): (f64, f64)) -> Option<f64> {
    let half = font::width(title, size, Weight::Regular) / 2.0;
    (2.0 * half <= to - from).then(|| middle.clamp(from + half, (to - half).max(from + half)))
}

fn widest(ticks: &[Tick], size: f64) -> f64 {
    let widths = ticks.iter().map(|tick| font::width(&tick.label, size, Weight::Regular));
    widths.fold(0.0, f64::max)
}

/// The smallest distance between two ticks of an axis, as a fraction of its length.
fn nearest(ticks: &[Tick], axis: &FittedAxis) -> f64 {
    let positions = || ticks.iter().map(|tick| axis.fraction(tick.value));
    positions().zip(positions().skip(1)).map(|(tick, next)| next - tick).fold(1.0, f64::min)
}

fn xs(series: &Series) -> impl Iterator<Item = f64> {
    let tails = series.tails.iter().flat_map(|tail| tail.points.iter().map(|&(x, _)| x));
    series.points.iter().map(|point| point.x).chain(tails)
}

fn values(series: &Series) -> impl Iterator<Item = f64> {
    let tails = series.tails.iter().flat_map(|tail| tail.points.iter().map(|&(_, value)| value));
    series.points.iter().flat_map(|point| [point.low, point.high]).chain(tails)
}
