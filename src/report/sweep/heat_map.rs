//! Draws the mean of a measure for each pair of values of two options.

use super::canvas::{Canvas, GAP, HALF, SIZE, WIDTH, cut, spaced, width};
use super::{Bins, Measure, Range};
use crate::report::drawing::{Anchor, Colour, Drawing, Fill, Shape};

/// An option of a heat map: its name and its values.
pub type Side<'a> = (&'a str, &'a Bins);

const MAX_ROW_NAME: f64 = 96.0;
const MAX_COLUMN_NAME: f64 = 76.0;
const MAX_CELL: (f64, f64) = (84.0, 34.0);
const MIN_CELL_HEIGHT: f64 = 9.0;
/// The height that all rows together have at least, if the cells are not larger than the largest.
const HEIGHT: f64 = 210.0;
const BORDER: f64 = 1.0;
/// Cells that are smaller have no numbers.
const MIN_NUMBERED: (f64, f64) = (24.0, 13.0);

/// Draws a cell for each pair of a row and a column with the mean of the values of its settings, `None` and not finite
/// values aside. `values` has one for each setting. A pair without values is hatched.
pub fn heat_map(
    (row_name, rows): Side,
    (column_name, columns): Side,
    measure: Measure,
    values: &[Option<f64>],
) -> Option<Drawing> {
    let means = means(rows, columns, values);
    let range = Range::of(measure, means.iter().flatten().flatten().map(|mean| mean.0))?;
    let mut canvas = Canvas::default();

    let row_names: Vec<String> = rows.names.iter().map(|name| cut(name, MAX_ROW_NAME)).collect();
    let widest = row_names.iter().map(|name| width(name)).fold(0.0, f64::max);
    let left = SIZE + 2.0 * GAP + widest + GAP;
    let right = 2.0;
    let cell_width = ((WIDTH - left - right) / columns.names.len() as f64).min(MAX_CELL.0);
    let cell_height = (HEIGHT / rows.names.len() as f64).clamp(MIN_CELL_HEIGHT, MAX_CELL.1);
    let (all_width, all_height) =
        (cell_width * columns.names.len() as f64, cell_height * rows.names.len() as f64);

    let top = 2.0;
    let labels = |names: &[String]| -> Vec<(f64, String)> {
        let middle = |index: usize| (index as f64 + 0.5) / names.len() as f64;
        names.iter().enumerate().map(|(index, name)| (middle(index), name.clone())).collect()
    };
    for (position, name) in spaced(&labels(&row_names), all_height, |_| SIZE + 1.0) {
        let y = top + position * all_height + HALF;
        canvas.text(&name, (left - GAP, y), Anchor::End, Colour::SoftInk);
    }
    for (row, of_row) in means.iter().enumerate() {
        for (column, mean) in of_row.iter().enumerate() {
            let at = (left + column as f64 * cell_width, top + row as f64 * cell_height);
            let size = (cell_width, cell_height);
            draw_cell(&mut canvas, at, size, mean.map(|(mean, _)| mean), measure, range);
            let (row, column) = (&rows.names[row], &columns.names[column]);
            let what = format!("{row_name} {row}, {column_name} {column}");
            let text = match mean {
                Some((mean, 1)) => format!("{what}: {}, 1 setting", measure.shown(*mean)),
                Some((mean, count)) => format!("{what}: {}, mean of {count} settings", measure.shown(*mean)),
                None => format!("{what}: no result"),
            };
            canvas.shape(Shape::tooltip(at, cell_width, cell_height, text));
        }
    }
    let column_names: Vec<String> = columns.names.iter().map(|name| cut(name, MAX_COLUMN_NAME)).collect();
    let widest = column_names.iter().map(|name| width(name)).fold(0.0, f64::max);
    let is_rotated = widest + 4.0 > cell_width;
    let mut y = top + all_height + GAP;
    let room = |name: &String| if is_rotated { SIZE + 1.0 } else { width(name) + 4.0 };
    for (position, name) in spaced(&labels(&column_names), all_width, room) {
        let x = left + position * all_width;
        match is_rotated {
            true => canvas.rotated(&name, (x + HALF, y), Anchor::End, Colour::SoftInk),
            false => canvas.text(&name, (x, y + 2.0 * HALF), Anchor::Middle, Colour::SoftInk),
        }
    }
    y += if is_rotated { widest } else { 2.0 * HALF } + GAP + 2.0 * HALF;
    let title = cut(column_name, WIDTH - left);
    let half = width(&title) / 2.0;
    let middle = (left + all_width / 2.0).min(WIDTH - half).max(half);
    canvas.text(&title, (middle, y), Anchor::Middle, Colour::Ink);
    let title = cut(row_name, all_height.max(80.0));
    let half = width(&title) / 2.0;
    canvas.rotated(&title, (SIZE, (top + all_height / 2.0).max(half)), Anchor::Middle, Colour::Ink);

    y += 2.0 * GAP;
    let ends = range.ends(measure);
    let ends = [ends[0].as_str(), ends[1].as_str()];
    let room = WIDTH - width(ends[0]) - width(ends[1]) - 2.0 * GAP;
    canvas.scale((width(ends[0]) + GAP, y), room.clamp(60.0, 140.0), ends);
    let title = format!("{} by {row_name} and {column_name}", measure.name);
    let description =
        "Darker on a light page, lighter on a dark one, is better. Pairs without a result are hatched.";
    Some(canvas.finish((WIDTH, y + 12.0 + GAP), title, description.to_owned()))
}

/// The mean and the number of settings of each cell.
fn means(rows: &Bins, columns: &Bins, values: &[Option<f64>]) -> Vec<Vec<Option<(f64, usize)>>> {
    let mut sums = vec![vec![(0.0, 0usize); columns.names.len()]; rows.names.len()];
    for (setting, value) in values.iter().enumerate() {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let (sum, count) = &mut sums[rows.of_setting[setting]][columns.of_setting[setting]];
            *sum += value;
            *count += 1;
        }
    }
    let mean = |(sum, count): (f64, usize)| (count > 0).then(|| (sum / count as f64, count));
    sums.into_iter().map(|row| row.into_iter().map(mean).collect()).collect()
}

fn draw_cell(
    canvas: &mut Canvas,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    mean: Option<f64>,
    measure: Measure,
    range: Range,
) {
    let (inner_width, inner_height) = (width - BORDER, height - BORDER);
    let Some(mean) = mean else {
        // Three strokes from the lower left to the upper right.
        for part in [1.0 / 3.0, 2.0 / 3.0, 1.0] {
            let (right, down) = (inner_width * part, inner_height * part);
            canvas.line(vec![(x, y + down), (x + right, y)], Colour::Grid, 1.0);
            if part < 1.0 {
                let corner = (x + inner_width, y + inner_height);
                let from = (corner.0 - right, corner.1);
                canvas.line(vec![from, (corner.0, corner.1 - down)], Colour::Grid, 1.0);
            }
        }
        return;
    };
    let shade = range.shade(mean);
    canvas.rectangle((x, y), inner_width, inner_height, Fill::solid(Colour::Shade(shade)));
    if width >= MIN_NUMBERED.0 && height >= MIN_NUMBERED.1 {
        let at = (x + inner_width / 2.0, y + inner_height / 2.0);
        canvas.fitted(&measure.number(mean), at, inner_width - 4.0, Colour::on_shade(shade));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::Factor;

    const ACCURACY: Measure = Measure { name: "Validation accuracy", is_accuracy: true };

    fn bins(values: &[&str]) -> Bins {
        Factor::new("x", values.iter().copied()).bins(24).unwrap()
    }

    #[test]
    fn a_cell_has_the_mean_of_its_settings() {
        let (rows, columns) = (bins(&["a", "a", "a", "b", "b"]), bins(&["1", "1", "2", "1", "2"]));
        let values = [Some(97.0), Some(98.0), Some(90.0), Some(f64::NAN), None];
        let svg = heat_map(("<row>", &rows), ("column", &columns), ACCURACY, &values).unwrap().to_html();
        assert!(svg.contains(">97.50</text>"), "{svg}");
        assert!(svg.contains("&lt;row&gt; a, column 1: 97.50 %, mean of 2 settings"), "{svg}");
        assert_eq!(svg.matches(": no result").count(), 2);
        assert_eq!(heat_map(("a", &rows), ("b", &columns), ACCURACY, &[None; 5]), None);
    }

    #[test]
    fn numbers_are_in_large_cells_only() {
        let values: Vec<String> = (0..20).map(|index| format!("value {index}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (rows, one) = (bins(&values), bins(&vec!["a"; 20]));
        let measured: Vec<_> = (0..20).map(|index| Some(90.0 + f64::from(index) / 4.0)).collect();
        let drawn = |columns: &Bins| heat_map(("a", &rows), ("b", columns), ACCURACY, &measured).unwrap();
        assert!(!drawn(&rows).to_html().contains(">94.75</text>"));
        drawn(&one).to_png(1).unwrap();
    }
}
