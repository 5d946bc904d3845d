//! Tooltips with the values at each x. They are on columns over the whole height of the plot, so that a value needs no
//! aiming, and one tooltip shows the values of all series.

use super::axis::short_number;
use super::plot::Plot;
use super::{Figure, Series};
use crate::report::drawing::{Element, Shape};

/// The least width of a column, which also bounds their number.
const MIN_WIDTH: f64 = 8.0;

pub(super) fn draw(figure: &Figure, plot: &Plot, elements: &mut Vec<Element>) {
    let xs = columns(figure, plot);
    let positions: Vec<f64> = xs.iter().map(|&x| plot.x_position(x)).collect();
    for (index, (&x, &position)) in xs.iter().zip(&positions).enumerate() {
        // A column reaches half-way to its neighbours.
        let left = if index == 0 { plot.left } else { (positions[index - 1] + position) / 2.0 };
        let right = positions.get(index + 1).map_or(plot.right, |next| (position + next) / 2.0);
        let (at, width, height) = ((left, plot.top), right - left, plot.bottom - plot.top);
        elements.push(Element::Shape(Shape::tooltip(at, width, height, values(figure, x))));
    }
}

/// The x that have a column: all, or some if they are close together.
fn columns(figure: &Figure, plot: &Plot) -> Vec<f64> {
    let mut all: Vec<f64> =
        figure.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let last = all.last().copied();
    let mut kept: Vec<f64> = Vec::new();
    for x in all {
        let is_far = |kept: &&f64| plot.x_position(x) - plot.x_position(**kept) >= MIN_WIDTH;
        match kept.last().filter(|kept| !is_far(kept)) {
            None => kept.push(x),
            // The last x is the result of the run.
            Some(_) if Some(x) == last && kept.len() > 1 => {
                kept.pop();
                kept.push(x);
            }
            Some(_) => {}
        }
    }
    kept
}

/// "Epoch 3", and a line for each series with a value there: "train: 98.71 %".
fn values(figure: &Figure, x: f64) -> String {
    let mut text = format!("{} {}", figure.x.label, short_number(x));
    for Series { name, points, .. } in &figure.series {
        let Ok(index) = points.binary_search_by(|point| point.x.total_cmp(&x)) else { continue };
        let name = if name.is_empty() { &figure.y.label } else { name };
        text += &format!("\n{name}: {}", short_number(points[index].mean));
        if let Some(unit) = &figure.y.unit {
            text += &format!(" {unit}");
        }
    }
    text
}
