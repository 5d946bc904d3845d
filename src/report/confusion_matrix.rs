//! A confusion matrix as a picture: a row for each class, a column for each prediction.

use super::figure::palette::{GRID, INK, SOFT_INK};
use super::picture::font::{CAPITAL, Weight, shortened, width as text_width, wrapped};
use super::picture::{Anchor, Colour, Drawing, Fill, Outline, Picture, Place, Shape, Stroke, Text};
use crate::evaluate::ConfusionMatrix;

/// What is right is in this colour, and what is wrong in the other: Okabe and Ito's blue and vermilion, which
/// people with any kind of colour vision tell apart.
const RIGHT: Colour = Colour(0x00, 0x72, 0xb2);
const WRONG: Colour = Colour(0xd5, 0x5e, 0x00);

/// Up to so many classes the cells have numbers.
const MOST_NUMBERED: usize = 30;
/// Up to so many classes the rows and columns have names.
const MOST_NAMED: usize = 100;

/// The side of all cells together, where they have no numbers.
const SIDE: f64 = 900.0;
/// The side of a cell with a number, and of the smallest.
const NUMBERED_CELL: f64 = 38.0;
const SMALLEST_CELL: f64 = 2.0;

const MARGIN: f64 = 16.0;
const TITLE: f64 = 16.0;
const BODY: f64 = 12.0;
const LEADING: f64 = 1.35;
/// The widest that a class's name is drawn.
const MOST_NAME: f64 = 120.0;

/// Draws a matrix, with a name for each class. A cell's colour is as strong as the square root of its share of its
/// row, so that few mistakes show beside many right answers.
///
/// # Panics
/// Where there is not a name for each class.
pub fn draw(confusion: &ConfusionMatrix, names: &[String], title: &str) -> Picture {
    let classes = confusion.classes();
    assert_eq!(names.len(), classes, "each class has a name");
    let numbered = classes <= MOST_NUMBERED;
    let cell = if numbered { NUMBERED_CELL } else { (SIDE / classes as f64).floor().max(SMALLEST_CELL) };
    let side = cell * classes as f64;
    let name_size = if numbered { BODY } else { (cell * 0.9).min(BODY) };
    let names: Vec<String> = match classes <= MOST_NAMED {
        true => names.iter().map(|name| shortened(name, name_size, Weight::Regular, MOST_NAME)).collect(),
        false => vec![String::new(); classes],
    };
    let widest = names.iter().map(|name| text_width(name, name_size, Weight::Regular)).fold(0.0, f64::max);

    let mut sheet = Sheet { shapes: Vec::new() };
    let left = MARGIN + LEADING * BODY + widest + BODY / 2.0;
    let width = (left + side + MARGIN).max(360.0);
    let description = "Rows are the images' classes, columns what was predicted; the diagonal, in blue, is right. The \
        colour is as strong as the square root of a cell's share of its row.";
    let mut y = MARGIN;
    for (text, size, weight, colour) in
        [(title, TITLE, Weight::Bold, INK), (description, BODY - 2.0, Weight::Regular, SOFT_INK)]
    {
        for line in wrapped(text, size, weight, width - 2.0 * MARGIN) {
            y += LEADING * size;
            sheet.text(&line, (MARGIN, y), size, weight, Anchor::Start, colour);
        }
    }
    y += LEADING * BODY + BODY;
    sheet.text("predicted", (left + side / 2.0, y), BODY, Weight::Regular, Anchor::Middle, SOFT_INK);
    // Names that are wider than their column are read upwards.
    let upward = widest > cell - 4.0;
    y += BODY / 2.0 + if upward { widest } else { LEADING * name_size };
    let top = y + BODY / 2.0;
    sheet.upward("class", (MARGIN + BODY, top + side / 2.0), BODY, Anchor::Middle, SOFT_INK);

    for (class, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let middle = (class as f64 + 0.5) * cell;
        let base = name_size * CAPITAL / 2.0;
        let at = (left - BODY / 2.0, top + middle + base);
        sheet.text(name, at, name_size, Weight::Regular, Anchor::End, INK);
        match upward {
            true => sheet.upward(name, (left + middle + base, y), name_size, Anchor::Start, INK),
            false => sheet.text(name, (left + middle, y), name_size, Weight::Regular, Anchor::Middle, INK),
        }
    }
    for (label, row) in confusion.rows().enumerate() {
        let images: u64 = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = (left + predicted as f64 * cell, top + label as f64 * cell);
            let colour = if label == predicted { RIGHT } else { WRONG };
            let opacity = (count as f64 / images as f64).sqrt();
            let fill = Fill { colour, opacity };
            sheet.shapes.push(Shape::Drawing(Drawing::rectangle(at, cell, cell, fill)));
            if numbered {
                sheet.number(count, at, cell, if opacity > 0.6 { Colour::WHITE } else { INK });
            }
        }
    }
    sheet.lines((left, top), cell, if numbered { classes } else { 1 }, side);
    let height = (top + side + MARGIN).ceil();
    let (title, description) = (title.to_owned(), description.to_owned());
    Picture { width: width.ceil(), height, title, description, shapes: sheet.shapes }
}

struct Sheet {
    shapes: Vec<Shape>,
}

impl Sheet {
    fn text(&mut self, text: &str, at: Place, size: f64, weight: Weight, anchor: Anchor, colour: Colour) {
        let text = text.to_owned();
        self.shapes.push(Shape::Text(Text { text, at, size, weight, anchor, upward: false, colour }));
    }

    fn upward(&mut self, text: &str, at: Place, size: f64, anchor: Anchor, colour: Colour) {
        let (text, weight) = (text.to_owned(), Weight::Regular);
        self.shapes.push(Shape::Text(Text { text, at, size, weight, anchor, upward: true, colour }));
    }

    /// A number in the middle of a cell, as large as it has room for.
    fn number(&mut self, number: u64, (x, y): Place, cell: f64, colour: Colour) {
        let text = number.to_string();
        let room = (cell - 4.0) / text_width(&text, 1.0, Weight::Regular);
        let size = room.min(BODY);
        let at = (x + cell / 2.0, y + cell / 2.0 + size * CAPITAL / 2.0);
        self.text(&text, at, size, Weight::Regular, Anchor::Middle, colour);
    }

    /// Lines around the matrix, and between its cells where there are several `steps`.
    fn lines(&mut self, (left, top): Place, cell: f64, steps: usize, side: f64) {
        for step in 0..=steps {
            let at = if steps == 1 { step as f64 * side } else { step as f64 * cell };
            let across = vec![(left, top + at), (left + side, top + at)];
            let down = vec![(left + at, top), (left + at, top + side)];
            for line in [across, down] {
                let stroke = Some(Stroke::solid(GRID, 1.0));
                self.shapes.push(Shape::Drawing(Drawing {
                    outline: Outline::Line(line),
                    fill: None,
                    stroke,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(classes: usize) -> (ConfusionMatrix, Vec<String>) {
        let mut confusion = ConfusionMatrix::new(classes);
        for class in 0..classes {
            (0..99).for_each(|_| confusion.add(class, class));
            confusion.add(class, (class + 1) % classes);
        }
        (confusion, (0..classes).map(|class| format!("class {class}")).collect())
    }

    #[test]
    fn few_classes_have_their_numbers_and_names_and_every_number_of_classes_is_drawn() {
        let (two, names) = confusion(2);
        let svg = draw(&two, &names, "Confusion").to_svg();
        assert!(svg.contains(">99</text>") && svg.contains(">class 1</text>"), "{svg}");
        for classes in [10, 31, 101, 1_000] {
            let (confusion, names) = confusion(classes);
            draw(&confusion, &names, "Confusion").to_png(1).unwrap();
        }
    }
}
