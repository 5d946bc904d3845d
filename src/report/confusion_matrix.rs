//! Draws a confusion matrix: a row for each class, a column for each predicted class.

use std::borrow::Cow;

use super::drawing::font::{CAP_HEIGHT, Weight, truncate, width as text_width, wrap};
use super::drawing::{Anchor, Colour, Drawing, Element, Fill, Point, Shape, Stroke, Text};
use crate::escape::escape;

/// The largest number of classes for which cells show their counts.
const MAX_NUMBERED: usize = 30;
/// The largest number of classes for which rows and columns are named, and cells have tooltips.
const MAX_NAMED: usize = 100;

/// The side of a matrix whose cells show no counts.
const SIDE: f64 = 900.0;
/// The side of a cell that shows its count, and of the smallest cell.
const NUMBERED_CELL: f64 = 38.0;
const MIN_CELL: f64 = 2.0;

const MARGIN: f64 = 16.0;
const TITLE: f64 = 16.0;
const BODY: f64 = 12.0;
const LEADING: f64 = 1.35;
/// The width to which class names are truncated.
const MAX_NAME_WIDTH: f64 = 120.0;

/// Draws a K×K confusion matrix. `rows` has one slice per class with the number of its images predicted as each class;
/// `names` are the K class names. The opacity of a cell is the square root of its share of its row, so that a few mistakes
/// are visible beside many correct predictions.
///
/// Without a title, the explanation below it is not drawn either, for pages with a heading and a caption of their own. It
/// is then only a text alternative.
///
/// # Panics
/// If the number of rows, the length of a row or the number of names differ.
pub fn draw(rows: &[&[u64]], names: &[String], title: &str) -> Drawing {
    let classes = rows.len();
    let names: Vec<_> = names.iter().map(|name| escape(name)).collect();
    assert_eq!(names.len(), classes, "each class has a name");
    assert!(rows.iter().all(|row| row.len() == classes), "the matrix is square");
    let numbered = classes <= MAX_NUMBERED;
    let cell = if numbered { NUMBERED_CELL } else { (SIDE / classes as f64).floor().max(MIN_CELL) };
    let side = cell * classes as f64;
    let name_size = if numbered { BODY } else { (cell * 0.9).min(BODY) };
    let shown_names: Vec<String> = match classes <= MAX_NAMED {
        true => names.iter().map(|name| truncate(name, name_size, Weight::Regular, MAX_NAME_WIDTH)).collect(),
        false => vec![String::new(); classes],
    };
    let widest =
        shown_names.iter().map(|name| text_width(name, name_size, Weight::Regular)).fold(0.0, f64::max);

    let mut sheet = Sheet { elements: Vec::new() };
    let left = MARGIN + LEADING * BODY + widest + BODY / 2.0;
    let width = (left + side + MARGIN).max(360.0);
    let description = "Rows are true classes, columns are predicted classes; the diagonal, in blue, is correct. The \
        opacity of a cell is the square root of its share of its row.";
    let mut y = MARGIN;
    let shown = if title.is_empty() { "" } else { description };
    for (text, size, weight, colour) in
        [(title, TITLE, Weight::Bold, Colour::Ink), (shown, BODY - 2.0, Weight::Regular, Colour::SoftInk)]
    {
        for line in wrap(text, size, weight, width - 2.0 * MARGIN) {
            y += LEADING * size;
            sheet.text(&line, (MARGIN, y), size, weight, Anchor::Start, colour);
        }
    }
    y += LEADING * BODY + BODY;
    sheet.text(
        "predicted class",
        (left + side / 2.0, y),
        BODY,
        Weight::Regular,
        Anchor::Middle,
        Colour::SoftInk,
    );
    // Names that are wider than their column are rotated.
    let rotated = widest > cell - 4.0;
    y += BODY / 2.0 + if rotated { widest } else { LEADING * name_size };
    let top = y + BODY / 2.0;
    sheet.rotated("true class", (MARGIN + BODY, top + side / 2.0), BODY, Anchor::Middle, Colour::SoftInk);

    for (class, name) in shown_names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let middle = (class as f64 + 0.5) * cell;
        let base = name_size * CAP_HEIGHT / 2.0;
        let at = (left - BODY / 2.0, top + middle + base);
        sheet.text(name, at, name_size, Weight::Regular, Anchor::End, Colour::Ink);
        match rotated {
            true => sheet.rotated(name, (left + middle + base, y), name_size, Anchor::Start, Colour::Ink),
            false => {
                sheet.text(name, (left + middle, y), name_size, Weight::Regular, Anchor::Middle, Colour::Ink)
            }
        }
    }
    for (label, row) in rows.iter().enumerate() {
        let images: u64 = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = (left + predicted as f64 * cell, top + label as f64 * cell);
            let colour = if label == predicted { Colour::Correct } else { Colour::Wrong };
            let opacity = (count as f64 / images as f64).sqrt();
            let fill = Fill { colour, opacity };
            sheet.elements.push(Element::Shape(Shape::rectangle(at, cell, cell, fill)));
            if numbered {
                sheet.number(count, at, cell, if opacity > 0.6 { Colour::Paper } else { Colour::Ink });
            }
        }
    }
    if classes <= MAX_NAMED {
        sheet.tooltips(rows, &names, (left, top), cell);
    }
    sheet.lines((left, top), cell, if numbered { classes } else { 1 }, side);
    let height = (top + side + MARGIN).ceil();
    let title = if title.is_empty() { "Confusion matrix" } else { title };
    let (title, description) = (title.to_owned(), description.to_owned());
    Drawing { width: width.ceil(), height, title, description, elements: sheet.elements }
}

struct Sheet {
    elements: Vec<Element>,
}

impl Sheet {
    fn text(&mut self, text: &str, at: Point, size: f64, weight: Weight, anchor: Anchor, colour: Colour) {
        let text = text.to_owned();
        self.elements.push(Element::Text(Text { text, at, size, weight, anchor, rotated: false, colour }));
    }

    fn rotated(&mut self, text: &str, at: Point, size: f64, anchor: Anchor, colour: Colour) {
        let (text, weight) = (text.to_owned(), Weight::Regular);
        self.elements.push(Element::Text(Text { text, at, size, weight, anchor, rotated: true, colour }));
    }

    /// Draws a number in the middle of a cell, as large as fits.
    fn number(&mut self, number: u64, (x, y): Point, cell: f64, colour: Colour) {
        let text = number.to_string();
        let room = (cell - 4.0) / text_width(&text, 1.0, Weight::Regular);
        let size = room.min(BODY);
        let at = (x + cell / 2.0, y + cell / 2.0 + size * CAP_HEIGHT / 2.0);
        self.text(&text, at, size, Weight::Regular, Anchor::Middle, colour);
    }

    /// Adds a tooltip to each cell that is not empty. It covers the cell's number, which would hide it from the mouse.
    fn tooltips(&mut self, rows: &[&[u64]], names: &[Cow<str>], (left, top): Point, cell: f64) {
        for (label, row) in rows.iter().enumerate() {
            let images: u64 = row.iter().sum();
            for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                let at = (left + predicted as f64 * cell, top + label as f64 * cell);
                let text =
                    format!("{count} of {images} images of {} read as {}", names[label], names[predicted]);
                self.elements.push(Element::Shape(Shape::tooltip(at, cell, cell, text)));
            }
        }
    }

    /// Draws lines around the matrix, and between its cells if there are several `steps`.
    fn lines(&mut self, (left, top): Point, cell: f64, steps: usize, side: f64) {
        for step in 0..=steps {
            let at = if steps == 1 { step as f64 * side } else { step as f64 * cell };
            let across = vec![(left, top + at), (left + side, top + at)];
            let down = vec![(left + at, top), (left + at, top + side)];
            for line in [across, down] {
                let stroke = Stroke::solid(Colour::Grid, 1.0);
                self.elements.push(Element::Shape(Shape::line(line, stroke)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 images per class, one of them predicted as the next class.
    fn confusion(classes: usize) -> (Vec<Vec<u64>>, Vec<String>) {
        let mut rows = vec![vec![0; classes]; classes];
        for (class, row) in rows.iter_mut().enumerate() {
            row[class] += 99;
            row[(class + 1) % classes] += 1;
        }
        (rows, (0..classes).map(|class| format!("class {class}")).collect())
    }

    fn draw_classes(classes: usize) -> Drawing {
        let (rows, names) = confusion(classes);
        let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
        draw(&rows, &names, "Confusion")
    }

    #[test]
    fn small_matrices_show_counts_and_names_and_any_size_is_drawn() {
        let svg = draw_classes(2).to_svg();
        assert!(svg.contains(">99</text>") && svg.contains(">class 1</text>"), "{svg}");
        let hostile = ["a\nb".to_owned(), "\u{202e}c".to_owned()];
        let svg = draw(&[&[1, 2], &[0, 1]], &hostile, "").to_svg();
        assert!(svg.contains(r">a\nb</text>") && svg.contains(r"read as \u{202e}c<"), "{svg}");
        for classes in [10, 31, 101, 1_000] {
            draw_classes(classes).to_png(1).unwrap();
        }
    }
}
