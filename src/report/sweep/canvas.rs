//! A drawing in the making.

use crate::report::drawing::font::{self, CAP_HEIGHT, Weight};
use crate::report::drawing::{Anchor, Colour, Drawing, Element, Fill, Point, Shape, Stroke, Text};

/// The size of all text. A drawing of [`WIDTH`] is as wide as a phone, and grows with its column elsewhere.
pub(super) const SIZE: f64 = 11.5;
pub(super) const WIDTH: f64 = 360.0;
/// The gap between related elements.
pub(super) const GAP: f64 = 6.0;
/// From the middle of a line of text to its baseline.
pub(super) const HALF: f64 = SIZE * CAP_HEIGHT / 2.0;

/// Longer texts are cut before they are measured, which takes time in proportion to the square of their length.
const MAX_LETTERS: usize = 80;

#[derive(Default)]
pub(super) struct Canvas {
    elements: Vec<Element>,
}

impl Canvas {
    pub fn text(&mut self, text: &str, at: Point, anchor: Anchor, colour: Colour) {
        self.push_text(text, at, anchor, colour, false);
    }

    /// Text that reads from bottom to top.
    pub fn rotated(&mut self, text: &str, at: Point, anchor: Anchor, colour: Colour) {
        self.push_text(text, at, anchor, colour, true);
    }

    fn push_text(&mut self, text: &str, at: Point, anchor: Anchor, colour: Colour, rotated: bool) {
        let (text, size, weight) = (text.to_owned(), SIZE, Weight::Regular);
        self.elements.push(Element::Text(Text { text, at, size, weight, anchor, rotated, colour }));
    }

    /// Text in a smaller size, so that it takes at most `room`; none if it would be illegible.
    pub fn fitted(&mut self, text: &str, at: Point, room: f64, colour: Colour) {
        let size = (room / font::width(text, 1.0, Weight::Regular)).min(SIZE);
        if size >= SIZE * 0.6 {
            let at = (at.0, at.1 + size * CAP_HEIGHT / 2.0);
            let (text, weight, anchor) = (text.to_owned(), Weight::Regular, Anchor::Middle);
            self.elements.push(Element::Text(Text {
                text,
                at,
                size,
                weight,
                anchor,
                rotated: false,
                colour,
            }));
        }
    }

    pub fn line(&mut self, points: Vec<Point>, colour: Colour, width: f64) {
        self.shape(Shape::line(points, Stroke::solid(colour, width)));
    }

    pub fn rectangle(&mut self, at: Point, width: f64, height: f64, fill: Fill) {
        self.shape(Shape::rectangle(at, width, height, fill));
    }

    pub fn shape(&mut self, shape: Shape) {
        self.elements.push(Element::Shape(shape));
    }

    /// Draws the scale of colours from its lowest to its highest value, `width` wide, with a text at each end and the
    /// unit below.
    pub fn scale(&mut self, (x, y): Point, width: f64, ends: [&str; 2]) {
        const HEIGHT: f64 = 10.0;
        let step = width / Colour::SHADES as f64;
        for shade in 0..Colour::SHADES {
            // They overlap, so that no paper shows in between.
            let more = if shade + 1 < Colour::SHADES { 0.5 } else { 0.0 };
            let at = (x + shade as f64 * step, y);
            self.rectangle(at, step + more, HEIGHT, Fill::solid(Colour::Shade(shade)));
        }
        let [low, high] = ends;
        let middle = y + HEIGHT / 2.0 + HALF;
        self.text(low, (x - GAP, middle), Anchor::End, Colour::SoftInk);
        self.text(high, (x + width + GAP, middle), Anchor::Start, Colour::SoftInk);
    }

    pub fn finish(self, (width, height): (f64, f64), title: String, description: String) -> Drawing {
        Drawing { width, height: height.ceil(), title, description, elements: self.elements }
    }
}

/// The width of a text.
pub(super) fn width(text: &str) -> f64 {
    font::width(text, SIZE, Weight::Regular)
}

/// The text, cut to a width.
pub(super) fn cut(text: &str, room: f64) -> String {
    match text.char_indices().nth(MAX_LETTERS) {
        Some((end, _)) => font::truncate(&format!("{}…", &text[..end]), SIZE, Weight::Regular, room),
        None => font::truncate(text, SIZE, Weight::Regular, room),
    }
}

/// The positions from 0 to 1 along an axis of `length` with their labels, without those that would be nearer than `room` to
/// the last one that is kept. `room` gives the length that a label takes along the axis.
pub(super) fn spaced<T: Clone>(labels: &[(f64, T)], length: f64, room: impl Fn(&T) -> f64) -> Vec<(f64, T)> {
    let mut kept: Vec<(f64, T)> = Vec::new();
    for (position, label) in labels {
        let is_clear = kept
            .last()
            .is_none_or(|(last, before)| (position - last) * length >= (room(before) + room(label)) / 2.0);
        if is_clear {
            kept.push((*position, label.clone()));
        }
    }
    kept
}
