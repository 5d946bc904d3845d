//! The curves themselves: bands first, then lines, crosses and markers, so that no band covers another's
//! line.

use super::palette::{self, Style};
use super::plot::{Plot, SAMPLE};
use super::{Series, Tail};
use crate::report::picture::{Colour, Drawing, Fill, Outline, Place, Shape, Stroke};

const LINE: f64 = 2.25;
/// A single run, beside the mean of all.
const THIN_LINE: f64 = 1.25;
const BAND_OPACITY: f64 = 0.18;

const MARKER: f64 = 4.0;
/// White around a marker or cross, so that it stands out of its line.
const RIM: f64 = 1.0;
/// A line of more points has no markers: they would be a thicker line.
const MOST_MARKERS: usize = 25;

/// Half the side of the cross where a run was stopped: its arms show from under a marker.
const CROSS: f64 = 5.5;
const CROSS_LINE: f64 = 2.0;

/// Half the width of the band of a single point.
const WHISKER: f64 = 4.0;

pub(super) fn draw(series: &[Series], plot: &Plot, shapes: &mut Vec<Shape>) {
    let styled = || series.iter().enumerate().map(|(index, series)| (palette::style(index), series));
    for (style, series) in styled() {
        draw_band(style, series, plot, shapes);
    }
    for (style, series) in styled() {
        for tail in &series.tails {
            shapes.push(line(tail_places(tail, plot), style, THIN_LINE));
        }
        shapes.push(line(mean_places(series, plot), style, LINE));
    }
    for (style, series) in styled() {
        for tail in series.tails.iter().filter(|tail| tail.stopped) {
            if let Some(&end) = tail_places(tail, plot).last() {
                draw_stop(style.colour, end, shapes);
            }
        }
    }
    for (style, series) in styled() {
        let places = mean_places(series, plot);
        if places.len() <= MOST_MARKERS {
            shapes.extend(places.into_iter().map(|place| marker(style, place)));
        }
    }
}

/// A piece of a series's line for the legend, which begins at a place.
pub(super) fn draw_sample(style: Style, series: &Series, (x, y): Place, shapes: &mut Vec<Shape>) {
    if series.runs > 1 {
        let (top, bottom) = (y - 6.0, y + 6.0);
        let band = vec![(x, top), (x + SAMPLE, top), (x + SAMPLE, bottom), (x, bottom)];
        shapes.push(filled(band, style.colour));
    }
    shapes.push(line(vec![(x, y), (x + SAMPLE, y)], style, LINE));
    if series.points.len() <= MOST_MARKERS {
        shapes.push(marker(style, (x + SAMPLE / 2.0, y)));
    }
}

/// A cross at the end of a run that a rule stopped.
pub(super) fn draw_stop(colour: Colour, (x, y): Place, shapes: &mut Vec<Shape>) {
    let cross = |half: f64, stroke: Stroke| {
        [1.0, -1.0].map(|slope| {
            let outline = Outline::Line(vec![(x - half, y - slope * half), (x + half, y + slope * half)]);
            Shape::Drawing(Drawing { outline, fill: None, stroke: Some(stroke) })
        })
    };
    shapes.extend(cross(CROSS + RIM, Stroke::solid(Colour::WHITE, CROSS_LINE + 2.0 * RIM)));
    shapes.extend(cross(CROSS, Stroke::solid(colour, CROSS_LINE)));
}

/// From the lowest to the highest run. One point has no area, so that it gets a bar.
fn draw_band(style: Style, series: &Series, plot: &Plot, shapes: &mut Vec<Shape>) {
    if series.points.iter().all(|point| point.low == point.high) {
        return;
    }
    let high = series.points.iter().map(|point| plot.place(point.x, point.high));
    let low = series.points.iter().rev().map(|point| plot.place(point.x, point.low));
    let band = match &series.points[..] {
        [point] => {
            let (x, top) = plot.place(point.x, point.high);
            let (_, bottom) = plot.place(point.x, point.low);
            vec![(x - WHISKER, top), (x + WHISKER, top), (x + WHISKER, bottom), (x - WHISKER, bottom)]
        }
        _ => high.chain(low).collect(),
    };
    shapes.push(filled(band, style.colour));
}

fn mean_places(series: &Series, plot: &Plot) -> Vec<Place> {
    series.points.iter().map(|point| plot.place(point.x, point.mean)).collect()
}

fn tail_places(tail: &Tail, plot: &Plot) -> Vec<Place> {
    tail.points.iter().map(|&(x, value)| plot.place(x, value)).collect()
}

fn line(places: Vec<Place>, style: Style, width: f64) -> Shape {
    let stroke = Some(Stroke { colour: style.colour, width, dash: style.dash });
    Shape::Drawing(Drawing { outline: Outline::Line(places), fill: None, stroke })
}

fn marker(style: Style, place: Place) -> Shape {
    Shape::Drawing(Drawing {
        outline: style.marker.outline(place, MARKER),
        fill: Some(Fill { colour: style.colour, opacity: 1.0 }),
        stroke: Some(Stroke::solid(Colour::WHITE, RIM)),
    })
}

fn filled(polygon: Vec<Place>, colour: Colour) -> Shape {
    let fill = Some(Fill { colour, opacity: BAND_OPACITY });
    Shape::Drawing(Drawing { outline: Outline::Polygon(polygon), fill, stroke: None })
}
