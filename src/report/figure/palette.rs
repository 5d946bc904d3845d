//! How the series of one figure differ: in colour, and in dashes and markers for those who see no
//! colours and for paper without any.

use super::super::picture::{Colour, Outline, Place};

pub(in crate::report) const INK: Colour = Colour(0x22, 0x22, 0x22);
pub(in crate::report) const SOFT_INK: Colour = Colour(0x55, 0x55, 0x55);
pub(in crate::report) const GRID: Colour = Colour(0xe4, 0xe4, 0xe4);

/// How many series one figure can hold apart.
pub const MOST_SERIES: usize = STYLES.len();

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub colour: Colour,
    /// Lengths of strokes and gaps.
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

/// Colours of Okabe and Ito, "Color Universal Design" (2008), which people with any kind of colour
/// vision tell apart, less the yellow, which white paper swallows.
const STYLES: [Style; 5] = [
    Style { colour: Colour(0x00, 0x72, 0xb2), dash: &[], marker: Marker::Circle },
    Style { colour: Colour(0xd5, 0x5e, 0x00), dash: &[7.0, 3.0], marker: Marker::Square },
    Style { colour: Colour(0x00, 0x9e, 0x73), dash: &[2.0, 2.5], marker: Marker::Triangle },
    Style { colour: Colour(0xcc, 0x79, 0xa7), dash: &[9.0, 3.0, 2.0, 3.0], marker: Marker::Diamond },
    Style { colour: Colour(0xe6, 0x9f, 0x00), dash: &[14.0, 4.0], marker: Marker::TriangleDown },
];

/// The style of a figure's `index`th series, counted from 0 and below [`MOST_SERIES`].
pub(super) fn style(index: usize) -> Style {
    STYLES[index]
}

impl Marker {
    /// Markers of the same size look equally large: their areas are about the same.
    pub fn outline(self, (x, y): Place, size: f64) -> Outline {
        let polygon = |corners: &[(f64, f64)]| {
            Outline::Polygon(
                corners.iter().map(|&(right, down)| (x + right * size, y + down * size)).collect(),
            )
        };
        match self {
            Marker::Circle => Outline::Circle { centre: (x, y), radius: size },
            Marker::Square => polygon(&[(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)]),
            Marker::Triangle => polygon(&[(0.0, -1.4), (1.25, 0.8), (-1.25, 0.8)]),
            Marker::Diamond => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            Marker::TriangleDown => polygon(&[(0.0, 1.4), (1.25, -0.8), (-1.25, -0.8)]),
        }
    }
}
