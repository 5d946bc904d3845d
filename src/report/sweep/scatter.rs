//! Draws a measure against an option: a dot for each member, and the mean of each value.

use super::canvas::{Canvas, GAP, HALF, SIZE, WIDTH, cut, spaced, width};
use super::{Factor, Measure, Range};
use crate::report::drawing::{Anchor, Colour, Drawing, Fill, Geometry, Point, Shape, Stroke};
use crate::report::figure::Axis;
use crate::report::figure::axis::{FittedAxis, Margin};

/// A member in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// The index of its setting, for [`Factor::level`].
    pub setting: usize,
    /// Its value.
    pub value: f64,
    /// What it is, for the tooltip.
    pub name: String,
}

/// With more dots than this, the distribution of each value or range of values is drawn instead of them.
pub const MAX_DOTS: usize = 300;

/// The number of ranges into which an axis with many values is divided.
const MAX_BOXES: usize = 24;

const HEIGHT: f64 = 270.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 42.0;
const RIGHT: f64 = 10.0;
const RADIUS: f64 = 3.0;
const DOT_OPACITY: f64 = 0.55;
/// The largest distance of a dot from the position of its value: dots beside each other can be counted.
const SPREAD: f64 = 12.0;
const MEAN_WIDTH: f64 = 9.0;
/// The distance from the edge of what is beyond it.
const EDGE: f64 = 5.0;
/// The room for a label below the axis.
const MAX_LABEL: f64 = 64.0;
/// The part of the axis at each end that has no numbers, so that no dot covers the other axis.
const INSET: f64 = 0.035;

/// Draws the dots, of which there must be at least one within the range.
pub fn scatter(factor: &Factor, measure: Measure, range: Range, dots: &[Dot]) -> Drawing {
    let plot = Plot::new(factor, measure, range, dots);
    let mut canvas = Canvas::default();
    plot.axes(&mut canvas);
    if dots.len() > MAX_DOTS {
        plot.boxes(&mut canvas)
    } else {
        plot.dots(&mut canvas)
    }
    plot.note_on_hidden(&mut canvas);
    let title = format!("{} against {}", measure.name, factor.name);
    canvas.finish((WIDTH, HEIGHT), title, plot.description())
}

struct Plot<'a> {
    factor: &'a Factor,
    measure: Measure,
    dots: &'a [Dot],
    y: FittedAxis,
    left: f64,
    /// The limits of what is shown.
    limits: (f64, f64),
}

impl<'a> Plot<'a> {
    fn new(factor: &'a Factor, measure: Measure, range: Range, dots: &'a [Dot]) -> Self {
        let limits = range.limits();
        let mut axis = Axis::new("");
        if !measure.is_accuracy && limits.0 > 0.0 && limits.1 > 20.0 * limits.0 {
            axis = axis.logarithmic();
        }
        let mut y = FittedAxis::new(&axis, [limits.0, limits.1].into_iter(), Margin::ToTick, TICKS);
        // No accuracy is above 100 %, but a dot at the edge would be cut.
        if measure.is_accuracy && limits.1 > 99.0 {
            y = FittedAxis::new(&axis, [limits.0, limits.1].into_iter(), Margin::Small, TICKS);
        }
        let widest = y.ticks(TICKS).iter().map(|tick| width(&tick.label)).fold(0.0, f64::max);
        Self { factor, measure, dots, y, left: SIZE + 2.0 * GAP + widest, limits }
    }

    fn width(&self) -> f64 {
        WIDTH - RIGHT - self.left
    }

    fn x(&self, position: f64) -> f64 {
        let position = if self.factor.is_even() { position } else { INSET + (1.0 - 2.0 * INSET) * position };
        self.left + position * self.width()
    }

    /// The height of a value; that of the edge for one beyond it.
    fn y(&self, value: f64) -> f64 {
        let bottom = HEIGHT - BOTTOM;
        if self.is_hidden(value) {
            return if self.measure.is_accuracy { bottom - EDGE } else { TOP + EDGE };
        }
        bottom - self.y.fraction(value) * (bottom - TOP)
    }

    fn axes(&self, canvas: &mut Canvas) {
        let bottom = HEIGHT - BOTTOM;
        for tick in self.y.ticks(TICKS) {
            let y = bottom - self.y.fraction(tick.value) * (bottom - TOP);
            canvas.line(vec![(self.left, y), (WIDTH - RIGHT, y)], Colour::Grid, 1.0);
            canvas.text(&tick.label, (self.left - GAP, y + HALF), Anchor::End, Colour::SoftInk);
        }
        let room = if self.factor.is_even() {
            (self.width() / self.factor.levels() as f64 - 4.0).clamp(MAX_LABEL / 2.0, MAX_LABEL)
        } else {
            MAX_LABEL
        };
        let ticks: Vec<(f64, String)> =
            self.factor.ticks(5).into_iter().map(|(position, text)| (position, cut(&text, room))).collect();
        for (position, text) in spaced(&ticks, self.width(), |text| width(text) + GAP) {
            let x = self.x(position);
            canvas.line(vec![(x, bottom), (x, bottom + 4.0)], Colour::SoftInk, 1.0);
            let half = width(&text) / 2.0;
            let at = (x.clamp(half, WIDTH - half), bottom + 4.0 + GAP + 2.0 * HALF);
            canvas.text(&text, at, Anchor::Middle, Colour::SoftInk);
        }
        canvas.line(vec![(self.left, bottom), (WIDTH - RIGHT, bottom)], Colour::SoftInk, 1.0);
        let name = cut(&self.factor.label(), self.width());
        canvas.text(&name, (self.left + self.width() / 2.0, HEIGHT - 4.0), Anchor::Middle, Colour::Ink);
        let at = (SIZE, (TOP + bottom) / 2.0);
        canvas.rotated(&self.measure.label(), at, Anchor::Middle, Colour::Ink);
    }

    /// The dots, and the means of values that several dots have.
    fn dots(&self, canvas: &mut Canvas) {
        let gap = self.width() / self.factor.levels().max(1) as f64;
        let spread = (gap / 4.0).min(SPREAD);
        let means = self.means();
        let has_means = 2 * means.len() <= self.dots.len();
        for (index, dot) in self.dots.iter().enumerate() {
            // Multiples of the golden ratio are spread evenly.
            let aside =
                if has_means { spread * ((index as f64 * 0.618_034).fract() - 0.5) * 2.0 } else { 0.0 };
            let at =
                (self.x(self.factor.position(self.factor.level(dot.setting))) + aside, self.y(dot.value));
            canvas.shape(Shape { tooltip: Some(self.tooltip(dot)), ..self.mark(dot.value, at) });
        }
        if !has_means {
            return;
        }
        let points: Vec<Point> =
            means.iter().map(|&(level, mean)| (self.x(self.factor.position(level)), self.y(mean))).collect();
        // A line between words would suggest that there is something in between.
        if self.factor.is_numeric() && points.len() > 1 {
            canvas.line(points.clone(), Colour::Ink, 1.25);
        }
        for (&(x, y), &(level, mean)) in points.iter().zip(&means) {
            let text = format!(
                "{} {}: {} on average",
                self.factor.name,
                self.factor.text(level),
                self.measure.shown(mean)
            );
            let colour = if self.is_hidden(mean) { Colour::Wrong } else { Colour::Ink };
            let ends = vec![(x - MEAN_WIDTH, y), (x + MEAN_WIDTH, y)];
            let bar = Shape::line(ends, Stroke::solid(colour, 2.5));
            canvas.shape(Shape { tooltip: Some(text), ..bar });
        }
    }

    fn tooltip(&self, dot: &Dot) -> String {
        let level = self.factor.level(dot.setting);
        format!(
            "{}\n{} {}: {}",
            dot.name,
            self.factor.name,
            self.factor.text(level),
            self.measure.shown(dot.value)
        )
    }

    /// A dot, or a triangle at the edge for a value that is beyond.
    fn mark(&self, value: f64, (x, y): Point) -> Shape {
        if !self.is_hidden(value) {
            let circle = Geometry::Circle { centre: (x, y), radius: RADIUS };
            return Shape::filled(circle, Fill { colour: Colour::Series(0), opacity: DOT_OPACITY });
        }
        let away = if self.measure.is_accuracy { 1.0 } else { -1.0 };
        let corners = vec![(x - 4.0, y - 3.0 * away), (x + 4.0, y - 3.0 * away), (x, y + 4.0 * away)];
        Shape::filled(Geometry::Polygon(corners), Fill::solid(Colour::Wrong))
    }

    fn is_hidden(&self, value: f64) -> bool {
        !(self.limits.0..=self.limits.1).contains(&value)
    }

    /// Says how many members are beyond the axis.
    fn note_on_hidden(&self, canvas: &mut Canvas) {
        let hidden = self.dots.iter().filter(|dot| self.is_hidden(dot.value)).count();
        if hidden == 0 {
            return;
        }
        let (low, high) = self.limits;
        let (text, y) = match self.measure.is_accuracy {
            true => (format!("{hidden} below {}", self.measure.shown(low)), HEIGHT - BOTTOM - 3.0 * GAP),
            false => (format!("{hidden} above {}", self.measure.shown(high)), TOP + 2.0 * HALF + 3.0 * GAP),
        };
        let room = width(&text) + 2.0 * GAP;
        let right = WIDTH - RIGHT;
        let paper = Fill { colour: Colour::Paper, opacity: 0.8 };
        canvas.rectangle((right - room, y - 2.0 * HALF - 3.0), room, 2.0 * HALF + 6.0, paper);
        canvas.text(&text, (right - GAP, y), Anchor::End, Colour::Wrong);
    }

    /// The mean of each value that dots have.
    fn means(&self) -> Vec<(usize, f64)> {
        let mut sums = vec![(0.0, 0usize); self.factor.levels()];
        for dot in self.dots.iter().filter(|dot| dot.value.is_finite()) {
            let (sum, count) = &mut sums[self.factor.level(dot.setting)];
            *sum += dot.value;
            *count += 1;
        }
        let used = sums.into_iter().enumerate().filter(|(_, (_, count))| *count > 0);
        used.map(|(level, (sum, count))| (level, sum / count as f64)).collect()
    }

    /// The distribution of each value, or of each part of the axis.
    fn boxes(&self, canvas: &mut Canvas) {
        let parts = if self.factor.is_even() || self.factor.levels() <= MAX_BOXES {
            self.factor.levels()
        } else {
            MAX_BOXES
        };
        let by_level = parts == self.factor.levels();
        let mut groups: Vec<Vec<&Dot>> = vec![Vec::new(); parts];
        for dot in self.dots {
            let level = self.factor.level(dot.setting);
            let part = match by_level {
                true => level,
                false => ((self.factor.position(level) * parts as f64) as usize).min(parts - 1),
            };
            groups[part].push(dot);
        }
        let half = (0.35 * self.width() / parts as f64).clamp(0.75, 12.0);
        for (part, mut group) in groups.into_iter().enumerate().filter(|(_, group)| !group.is_empty()) {
            group.sort_by(|dot, other| dot.value.total_cmp(&other.value));
            let position =
                if by_level { self.factor.position(part) } else { (part as f64 + 0.5) / parts as f64 };
            self.draw_box(canvas, self.x(position), half, &group);
        }
    }

    /// A box from the first to the third quartile with a line at the median, and a line from the lowest to the highest.
    fn draw_box(&self, canvas: &mut Canvas, x: f64, half: f64, sorted: &[&Dot]) {
        let last = sorted.len() - 1;
        let value = |quarters: usize| sorted[last * quarters / 4].value;
        let [low, first, median, third, high] = [0, 1, 2, 3, 4].map(value);
        canvas.line(vec![(x, self.y(low)), (x, self.y(high))], Colour::Series(0), 1.0);
        let (top, bottom) = (self.y(third), self.y(first));
        let paper = Fill::solid(Colour::Paper);
        canvas.rectangle((x - half, top), 2.0 * half, bottom - top, paper);
        let fill = Fill { colour: Colour::Series(0), opacity: DOT_OPACITY };
        canvas.rectangle((x - half, top), 2.0 * half, bottom - top, fill);
        let middle = self.y(median);
        canvas.line(vec![(x - half, middle), (x + half, middle)], Colour::Ink, 2.0);
        let names = match self.factor.level(sorted[0].setting) {
            level if sorted.iter().all(|dot| self.factor.level(dot.setting) == level) => {
                self.factor.text(level).to_owned()
            }
            _ => {
                let levels = || sorted.iter().map(|dot| self.factor.level(dot.setting));
                let (first, last) = (levels().min().unwrap_or(0), levels().max().unwrap_or(0));
                format!("{} to {}", self.factor.text(first), self.factor.text(last))
            }
        };
        let text = format!(
            "{} {names}: {} members, median {}, from {} to {}",
            self.factor.name,
            sorted.len(),
            self.measure.shown(median),
            self.measure.shown(low),
            self.measure.shown(high)
        );
        let at = (x - half.max(2.0), TOP);
        canvas.shape(Shape::tooltip(at, 2.0 * half.max(2.0), HEIGHT - BOTTOM - TOP, text));
    }

    /// What the chart shows, in words.
    fn description(&self) -> String {
        let mut means = self.means();
        if means.len() > MAX_BOXES {
            means.clear();
        }
        let means = means.into_iter();
        let means: Vec<String> = means
            .map(|(level, mean)| format!("{}: {}", self.factor.text(level), self.measure.shown(mean)))
            .collect();
        match &means[..] {
            [] => String::new(),
            means => format!("Means. {}.", means.join(", ")),
        }
    }
}

/// About how many numbers the vertical axis has.
const TICKS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const ACCURACY: Measure = Measure { name: "Validation accuracy", is_accuracy: true };

    fn draw(values: &[&str], measured: &[f64]) -> String {
        let factor = Factor::new("lr", values.iter().copied());
        let range = Range::of(ACCURACY, measured.iter().copied()).unwrap();
        let dot =
            |(setting, &value)| Dot { setting: setting % values.len(), value, name: format!("<{setting}>") };
        let dots: Vec<Dot> = measured.iter().enumerate().map(dot).collect();
        scatter(&factor, ACCURACY, range, &dots).to_html()
    }

    #[test]
    fn members_have_dots_and_values_have_means() {
        let svg = draw(&["1e-3", "1e-2"], &[98.0, 97.0, 98.5, 97.5]);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(
            svg.contains("lr 1e-3: 98.25 % on average") && svg.contains("lr 1e-2: 97.25 % on average"),
            "{svg}"
        );
        assert!(svg.contains("&lt;3&gt;\nlr 1e-2: 97.50 %"), "{svg}");
        let sampled = draw(&["0.1", "0.2", "0.4"], &[98.0, 97.0, 98.5]);
        assert!(!sampled.contains("on average"), "a mean of one member");
    }

    #[test]
    fn members_beyond_the_axis_are_counted() {
        let svg = draw(&["a", "b"], &[98.0, 97.0, 98.5, 97.5, 98.2, 10.0, f64::NAN]);
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains(">2 below 97.00 %</text>"), "{svg}");
    }

    #[test]
    fn many_members_are_summarised() {
        let values: Vec<String> =
            (0..10_000).map(|index| format!("{}", 1e-8 * f64::from(index * index + 1))).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let measured: Vec<f64> = (0..10_000).map(|index| 90.0 + f64::from(index % 100) / 20.0).collect();
        let svg = draw(&values, &measured);
        assert!(svg.len() < 30_000 && svg.contains(" members, median "), "{} bytes", svg.len());
        let svg = draw(&["adam", "sgd"], &measured);
        assert!(svg.contains("lr sgd: 5000 members, median 92.45 %, from 90.05 % to 94.95 %"), "{svg}");
    }
}
