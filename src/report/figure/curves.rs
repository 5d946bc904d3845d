//! Draws the curves: first all bands, then lines, crosses and markers, so that no band covers a line.

use super::palette::{self, Style};
use super::plot::{Plot, SAMPLE};
use super::{Series, Tail};
use crate::report::drawing::{Colour, Element, Fill, Geometry, Point, Shape, Stroke};

/// Width of the line of a mean.
const LINE: f64 = 2.25;
/// Width of the line of a single run.
const THIN_LINE: f64 = 1.25;
const BAND_OPACITY: f64 = 0.18;

/// Size of a marker.
const MARKER: f64 = 4.0;
/// Width of the white rim that sets a marker or cross off from its line.
const RIM: f64 = 1.0;
/// Lines with more points have no markers: they would merge into a thicker line.
const MAX_MARKERS: usize = 25;

/// Half the side of the cross where a run was stopped. Large enough for its arms to show under a marker.
const CROSS: f64 = 5.5;
const CROSS_LINE: f64 = 2.0;

/// Width of the columns within which the points of a line are indistinguishable.
const COLUMN: f64 = 2.0;

/// Half the width of the bar that replaces the band of a single point.
const WHISKER: f64 = 4.0;

pub(super) fn draw(series: &[Series], plot: &Plot, elements: &mut Vec<Element>) {
    let styled = || series.iter().enumerate().map(|(index, series)| (palette::style(index), series));
    for (style, series) in styled() {
        draw_band(style, series, plot, elements);
    }
    for (style, series) in styled() {
        for tail in &series.tails {
            elements.push(line(tail_points(tail, plot), style, THIN_LINE));
        }
        elements.push(line(mean_points(series, plot), style, LINE));
    }
    for (style, series) in styled() {
        for tail in series.tails.iter().filter(|tail| tail.stopped) {
            if let Some(&end) = tail_points(tail, plot).last() {
                draw_stop_mark(style.colour, end, elements);
            }
        }
    }
    for (style, series) in styled() {
        let points = mean_points(series, plot);
        if points.len() <= MAX_MARKERS {
            elements.extend(points.into_iter().map(|point| marker(style, point)));
        }
    }
}

/// Draws the sample of a series for the legend. `(x, y)` is the left end of its line.
pub(super) fn draw_sample(style: Style, series: &Series, (x, y): Point, elements: &mut Vec<Element>) {
    if series.runs > 1 {
        let (top, bottom) = (y - 6.0, y + 6.0);
        let band = vec![(x, top), (x + SAMPLE, top), (x + SAMPLE, bottom), (x, bottom)];
        elements.push(filled(band, style.colour));
    }
    elements.push(line(vec![(x, y), (x + SAMPLE, y)], style, LINE));
    if series.points.len() <= MAX_MARKERS {
        elements.push(marker(style, (x + SAMPLE / 2.0, y)));
    }
}

/// Draws the cross that marks the end of a run that was stopped.
pub(super) fn draw_stop_mark(colour: Colour, (x, y): Point, elements: &mut Vec<Element>) {
    let cross = |half: f64, stroke: Stroke| {
        [1.0, -1.0].map(|slope| {
            let ends = vec![(x - half, y - slope * half), (x + half, y + slope * half)];
            Element::Shape(Shape::line(ends, stroke))
        })
    };
    elements.extend(cross(CROSS + RIM, Stroke::solid(Colour::Paper, CROSS_LINE + 2.0 * RIM)));
    elements.extend(cross(CROSS, Stroke::solid(colour, CROSS_LINE)));
}

/// Draws the band from the lowest to the highest run. A single point has no area, so it gets a bar instead.
fn draw_band(style: Style, series: &Series, plot: &Plot, elements: &mut Vec<Element>) {
    if series.points.iter().all(|point| point.low == point.high) {
        return;
    }
    let high = series.points.iter().map(|point| plot.position(point.x, point.high));
    let low = series.points.iter().rev().map(|point| plot.position(point.x, point.low));
    let band = match &series.points[..] {
        [point] => {
            let (x, top) = plot.position(point.x, point.high);
            let (_, bottom) = plot.position(point.x, point.low);
            vec![(x - WHISKER, top), (x + WHISKER, top), (x + WHISKER, bottom), (x - WHISKER, bottom)]
        }
        _ => [thinned(high.collect()), thinned(low.collect())].concat(),
    };
    elements.push(filled(band, style.colour));
}

/// Thins out a line that has more points than the eye can distinguish: keeps the highest and the lowest of all points
/// within [`COLUMN`] units, and the first and the last of the line. A line with few points is unchanged.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    let column = |point: &Point| (point.0 / COLUMN).floor();
    let mut kept = vec![0];
    let mut first = 0;
    for within in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |a: &(usize, &Point), b: &(usize, &Point)| a.1.1.total_cmp(&b.1.1);
        let highest = within.iter().enumerate().min_by(by_height);
        let lowest = within.iter().enumerate().max_by(by_height);
        let mut indices: Vec<usize> =
            [highest, lowest].into_iter().flatten().map(|(index, _)| first + index).collect();
        indices.sort_unstable();
        kept.extend(indices);
        first += within.len();
    }
    kept.push(points.len() - 1);
    kept.dedup();
    kept.into_iter().map(|index| points[index]).collect()
}

fn mean_points(series: &Series, plot: &Plot) -> Vec<Point> {
    series.points.iter().map(|point| plot.position(point.x, point.mean)).collect()
}

fn tail_points(tail: &Tail, plot: &Plot) -> Vec<Point> {
    tail.points.iter().map(|&(x, value)| plot.position(x, value)).collect()
}

fn line(points: Vec<Point>, style: Style, width: f64) -> Element {
    let stroke = Stroke { colour: style.colour, width, dash: style.dash };
    Element::Shape(Shape::line(thinned(points), stroke))
}

fn marker(style: Style, point: Point) -> Element {
    let filled = Shape::filled(style.marker.geometry(point, MARKER), Fill::solid(style.colour));
    Element::Shape(Shape { stroke: Some(Stroke::solid(Colour::Paper, RIM)), ..filled })
}

fn filled(polygon: Vec<Point>, colour: Colour) -> Element {
    Element::Shape(Shape::filled(Geometry::Polygon(polygon), Fill { colour, opacity: BAND_OPACITY }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_line_keeps_its_ends_and_extremes() {
        // A zigzag with 100 points per column, and one spike.
        let mut points: Vec<Point> =
            (0..10_000).map(|index| (f64::from(index) * COLUMN / 100.0, f64::from(index % 7))).collect();
        points[5_050].1 = -40.0;
        let thin = thinned(points.clone());
        assert!(thin.len() <= 202, "{}", thin.len());
        assert_eq!((thin.first(), thin.last()), (points.first(), points.last()));
        assert!(thin.contains(&points[5_050]));
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_line_with_few_points_is_not_thinned() {
        let points: Vec<Point> = (0..100).map(|index| (f64::from(index) * COLUMN, 1.0)).collect();
        assert_eq!(thinned(points.clone()), points);
    }
}
