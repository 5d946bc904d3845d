//! The styles of the series in a figure. They differ in colour, dashes and markers, so that they can be distinguished
//! without colour vision and in black-and-white print.

use super::super::drawing::{Colour, Geometry, Point};

/// The number of series that can be distinguished in one figure.
pub const MAX_SERIES: usize = STYLES.len();

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub colour: Colour,
    /// Alternating lengths of dashes and gaps.
    pub dash: &'static [f64],
    pub marker: Marker,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
}

const STYLES: [Style; Colour::SERIES] = [
    Style { colour: Colour::Series(0), dash: &[], marker: Marker::Circle },
    Style { colour: Colour::Series(1), dash: &[7.0, 3.0], marker: Marker::Square },
    Style { colour: Colour::Series(2), dash: &[2.0, 2.5], marker: Marker::Triangle },
    Style { colour: Colour::Series(3), dash: &[9.0, 3.0, 2.0, 3.0], marker: Marker::Diamond },
    Style { colour: Colour::Series(4), dash: &[14.0, 4.0], marker: Marker::TriangleDown },
    Style { colour: Colour::Series(5), dash: &[4.0, 2.0], marker: Marker::Circle },
    Style { colour: Colour::Series(6), dash: &[7.0, 2.0, 2.0, 2.0, 2.0, 2.0], marker: Marker::Square },
    Style { colour: Colour::Series(7), dash: &[1.5, 1.5], marker: Marker::Triangle },
];

/// Returns the style of series `index` of a figure, counted from 0 and below [`MAX_SERIES`].
pub(super) fn style(index: usize) -> Style {
    STYLES[index]
}

impl Marker {
    /// Returns the outline of a marker. Markers of the same size have about the same area.
    pub fn geometry(self, (x, y): Point, size: f64) -> Geometry {
        let polygon = |corners: &[(f64, f64)]| {
            Geometry::Polygon(
                corners.iter().map(|&(right, down)| (x + right * size, y + down * size)).collect(),
            )
        };
        match self {
            Marker::Circle => Geometry::Circle { centre: (x, y), radius: size },
            Marker::Square => polygon(&[(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)]),
            Marker::Triangle => polygon(&[(0.0, -1.4), (1.25, 0.8), (-1.25, 0.8)]),
            Marker::Diamond => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            Marker::TriangleDown => polygon(&[(0.0, 1.4), (1.25, -0.8), (-1.25, -0.8)]),
        }
    }
}
