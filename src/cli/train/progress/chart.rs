//! A small chart of the curves of a run, three to five lines high.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Context, Line, Points as Dots};

use super::history::Points;
use super::numbers;

/// The columns of the axis: labels of eight columns, and the axis itself.
const AXIS: u16 = 9;

/// What a chart shows, which determines its scale. Both scales show late improvements as clearly as early ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// On a logarithmic scale, if all values are positive.
    Loss,
    /// On a logarithmic scale of what is missing from 100 %: 90 %, 99 % and 99.9 % are equally far apart.
    Accuracy,
}

/// The curve of a split.
#[derive(Debug)]
pub struct Curve {
    pub points: Points,
    pub color: Color,
    /// The character that marks each point; `None` for a line.
    pub marker: Option<char>,
}

/// The smallest fraction of errors that the scale of an accuracy shows.
const LEAST_ERROR: f64 = 1e-4;

#[derive(Debug, Clone, Copy)]
struct Scale {
    quantity: Quantity,
    is_logarithmic: bool,
}

impl Scale {
    /// The scale for some curves.
    fn new(quantity: Quantity, curves: &[Curve]) -> Self {
        let mut values = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
        Self { quantity, is_logarithmic: quantity == Quantity::Accuracy || values.all(|value| value > 0.0) }
    }

    /// How high a value is, which is the mean over some images.
    fn height(self, value: f64, images: usize) -> f64 {
        match self.quantity {
            // No error counts as half an error: more images would have had one.
            Quantity::Accuracy => -libm::log10((1.0 - value).max(LEAST_ERROR).max(0.5 / images as f64)),
            Quantity::Loss if self.is_logarithmic => libm::log10(value),
            Quantity::Loss => value,
        }
    }

    /// The value at a height, as text.
    fn label(self, height: f64) -> String {
        match self.quantity {
            Quantity::Accuracy => format!("{} %", numbers::percent(1.0 - libm::pow(10.0, -height))),
            Quantity::Loss if self.is_logarithmic => numbers::loss(libm::pow(10.0, height)),
            Quantity::Loss => numbers::loss(height),
        }
    }

    fn name(self) -> &'static str {
        match self.quantity {
            Quantity::Loss => "loss",
            Quantity::Accuracy => "accuracy",
        }
    }
}

/// Draws the curves over the images 0 to `extent`.
pub fn draw(
    buffer: &mut Buffer,
    area: Rect,
    quantity: Quantity,
    curves: &[Curve],
    extent: f64,
    line: Marker,
) {
    let scale = Scale::new(quantity, curves);
    let heights: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|curve| {
            curve.points.iter().map(|&(x, value, images)| (x, scale.height(value, images))).collect()
        })
        .collect();
    let all = heights.iter().flatten().map(|point| point.1).filter(|height| height.is_finite());
    let range =
        all.map(|height| (height, height)).reduce(|range, next| (range.0.min(next.0), range.1.max(next.1)));
    draw_axis(buffer, area, scale, range);
    let (Some((low, high)), true) = (range, area.width > AXIS) else { return };
    // A single value is at the top, where its label is.
    let bottom = if high > low { low } else { high - 1.0 };
    let plot = Rect { x: area.x + AXIS, width: area.width - AXIS, ..area };
    let paint = |context: &mut Context| {
        for (curve, points) in curves.iter().zip(&heights) {
            context.marker(curve.marker.map_or(line, Marker::Custom));
            if curve.marker.is_none() {
                for pair in points.windows(2) {
                    let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
                    context.draw(&Line { x1, y1, x2, y2, color: curve.color });
                }
            }
            context.draw(&Dots { coords: points, color: curve.color });
            context.layer();
        }
    };
    Canvas::default().x_bounds([0.0, extent]).y_bounds([bottom, high]).paint(paint).render(plot, buffer);
}

/// The axis with the values at its top and bottom, and in its middle if there is room, and the name of the quantity.
fn draw_axis(buffer: &mut Buffer, area: Rect, scale: Scale, range: Option<(f64, f64)>) {
    let dim = Style::new().dim();
    let last = area.height - 1;
    let label = |row: u16| {
        let (low, high) = range?;
        let is_labelled = row == 0 || row == last || (last.is_multiple_of(2) && last > 2 && row == last / 2);
        let height = high - (high - low) * f64::from(row) / f64::from(last.max(1));
        (is_labelled && (high > low || row == 0)).then(|| scale.label(height))
    };
    for row in 0..area.height {
        let (text, axis) = match label(row) {
            Some(label) => (label, "┤"),
            None if row == 1 => (scale.name().to_owned(), "│"),
            None => (String::new(), "│"),
        };
        let y = area.y + row;
        buffer.set_stringn(area.x, y, format!("{text:>8}"), area.width.into(), dim);
        buffer.set_stringn(area.x + AXIS - 1, y, axis, 1, dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(quantity: Quantity, values: &[f64], height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, 20, height);
        let mut buffer = Buffer::empty(area);
        let points: Points =
            values.iter().enumerate().map(|(x, &value)| (x as f64 + 0.5, value, 10_000)).collect();
        let curve = Curve { points, color: Color::Reset, marker: None };
        draw(&mut buffer, area, quantity, &[curve], values.len() as f64, Marker::Braille);
        let row = |y| (0..20).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn labels_are_the_values_at_the_ends_and_in_the_middle() {
        let loss = drawn(Quantity::Loss, &[2.0, 0.2, 0.02], 5);
        assert!(loss[0].starts_with("  2.0000┤"), "{loss:#?}");
        assert!(loss[1].starts_with("    loss│"), "{loss:#?}");
        assert!(loss[2].starts_with("  0.2000┤"), "{loss:#?}");
        assert!(loss[4].starts_with("  0.0200┤"), "{loss:#?}");
        let accuracy = drawn(Quantity::Accuracy, &[0.1, 0.91, 0.991], 3);
        assert!(accuracy[0].starts_with(" 99.10 %┤"), "{accuracy:#?}");
        assert!(accuracy[1].starts_with("accuracy│"), "{accuracy:#?}");
        assert!(accuracy[2].starts_with(" 10.00 %┤"), "{accuracy:#?}");
    }

    #[test]
    fn a_loss_may_be_negative_or_constant_and_an_accuracy_perfect() {
        let loss = drawn(Quantity::Loss, &[1.0, -1.0], 4);
        assert!(loss[0].starts_with("  1.0000┤") && loss[3].starts_with("  -1.000┤"), "{loss:#?}");
        let constant = drawn(Quantity::Loss, &[0.5, 0.5], 5);
        assert!(constant[0].starts_with("  0.5000┤") && constant[0].contains('⠉'), "{constant:#?}");
        let perfect = drawn(Quantity::Accuracy, &[0.5, 1.0], 4);
        assert!(perfect[0].starts_with(" 99.99 %┤"), "{perfect:#?}");
        assert_eq!(drawn(Quantity::Loss, &[], 3)[1], "    loss│");
        assert!(drawn(Quantity::Loss, &[f64::NAN], 3)[0].ends_with('│'));
    }
}
