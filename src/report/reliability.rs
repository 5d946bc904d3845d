//! Reliability diagrams: accuracy by confidence.

use super::drawing::font::{CAP_HEIGHT, Weight};
use super::drawing::{Anchor, Colour, Drawing, Element, Fill, Point, Shape, Stroke, Text};

/// The predictions with a confidence in one of several bins of the same width, which divide 0 to 1 in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Their number.
    pub images: usize,
    /// The fraction of them that are correct.
    pub accuracy: f64,
    /// Their mean confidence.
    pub confidence: f64,
}

/// The side of the plot.
const SIDE: f64 = 300.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 44.0;
const SIZE: f64 = 12.0;
const TICKS: u32 = 5;
const GAP_OPACITY: f64 = 0.3;

/// Draws the accuracy of each bin as a bar, and how far the mean confidence is above or below it. On the diagonal, both
/// are the same.
pub fn draw(bins: &[Bin], title: &str, description: &str) -> Drawing {
    let at = |x: f64, y: f64| (LEFT + x * SIDE, TOP + (1.0 - y) * SIDE);
    let mut elements = Vec::new();
    let mut text = |text: String, at: Point, anchor: Anchor, rotated: bool, colour: Colour| {
        elements.push(Element::Text(Text {
            text,
            at,
            size: SIZE,
            weight: Weight::Regular,
            anchor,
            rotated,
            colour,
        }));
    };
    for tick in 0..=TICKS {
        let value = f64::from(tick) / f64::from(TICKS);
        let label = (100 * tick / TICKS).to_string();
        let (x, y) = at(value, value);
        text(label.clone(), (x, TOP + SIDE + 16.0), Anchor::Middle, false, Colour::SoftInk);
        text(label, (LEFT - 8.0, y + SIZE * CAP_HEIGHT / 2.0), Anchor::End, false, Colour::SoftInk);
    }
    text(
        "Confidence in %".to_owned(),
        (LEFT + SIDE / 2.0, TOP + SIDE + 36.0),
        Anchor::Middle,
        false,
        Colour::Ink,
    );
    text("Accuracy in %".to_owned(), (SIZE, TOP + SIDE / 2.0), Anchor::Middle, true, Colour::Ink);
    for tick in 0..=TICKS {
        let value = f64::from(tick) / f64::from(TICKS);
        elements.push(line(vec![at(0.0, value), at(1.0, value)], Stroke::solid(Colour::Grid, 1.0)));
    }
    let width = 1.0 / bins.len() as f64;
    for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.images > 0) {
        let left = index as f64 * width;
        let bar = |low: f64, high: f64, colour, opacity| {
            let (x, y) = at(left, high);
            let fill = Fill { colour, opacity };
            Shape::rectangle((x + 1.0, y), SIDE * width - 2.0, SIDE * (high - low), fill)
        };
        elements.push(Element::Shape(bar(0.0, bin.accuracy, Colour::Correct, 0.85)));
        let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
        elements.push(Element::Shape(bar(low, high, Colour::Wrong, GAP_OPACITY)));
        let (_, level) = at(0.0, bin.confidence);
        let ((from, _), (to, _)) = (at(left, 0.0), at(left + width, 0.0));
        elements.push(line(vec![(from + 1.0, level), (to - 1.0, level)], Stroke::solid(Colour::Wrong, 2.0)));
    }
    let dashed = Stroke { dash: &[4.0, 3.0], ..Stroke::solid(Colour::SoftInk, 1.25) };
    elements.push(line(vec![at(0.0, 0.0), at(1.0, 1.0)], dashed));
    elements.push(line(vec![at(0.0, 0.0), at(1.0, 0.0)], Stroke::solid(Colour::SoftInk, 1.0)));
    for (index, bin) in bins.iter().enumerate() {
        let range = |part: usize| (100.0 * part as f64 / bins.len() as f64).round();
        let tooltip = match bin.images {
            0 => format!("{} to {} %: no images", range(index), range(index + 1)),
            images => format!(
                "{} to {} %: {images} images, mean confidence {:.1} %, accuracy {:.1} %",
                range(index),
                range(index + 1),
                100.0 * bin.confidence,
                100.0 * bin.accuracy
            ),
        };
        let corner = at(index as f64 * width, 1.0);
        elements.push(Element::Shape(Shape::tooltip(corner, SIDE * width, SIDE, tooltip)));
    }
    let (width, height) = (LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM);
    Drawing { width, height, title: title.to_owned(), description: description.to_owned(), elements }
}

fn line(points: Vec<Point>, stroke: Stroke) -> Element {
    Element::Shape(Shape::line(points, stroke))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bins_with_images_have_bars() {
        let none = Bin { images: 0, accuracy: f64::NAN, confidence: f64::NAN };
        let some = Bin { images: 4, accuracy: 0.5, confidence: 0.9 };
        let svg = draw(&[none, some], "title", "description").to_svg();
        assert!(!svg.contains("NaN"), "{svg}");
        assert!(svg.contains("50 to 100 %: 4 images, mean confidence 90.0 %, accuracy 50.0 %"), "{svg}");
        assert!(svg.contains("0 to 50 %: no images"), "{svg}");
    }
}
