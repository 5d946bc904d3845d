//! Colours: by their role, so that a page can give them other values in its dark theme, or as fixed values.

use std::fmt;

/// The colour of a part of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// The background, and what is set off against a colour.
    Paper,
    /// Text and axes.
    Ink,
    /// Text that is less important.
    SoftInk,
    /// Lines that guide the eye.
    Grid,
    /// The series with this index, counted from 0 and below [`SERIES`](Colour::SERIES).
    Series(usize),
    /// A value on a scale of [`SHADES`](Colour::SHADES) colours, from 0, next to the paper's colour, to the one that stands
    /// out most from it. [`Colour::on_shade`] is readable on it.
    Shade(usize),
    /// Correct predictions.
    Correct,
    /// Wrong predictions.
    Wrong,
    /// Red, green and blue in sRGB, the same in every theme, as for the pixels of an image.
    Rgb(u8, u8, u8),
}

/// The colours of Okabe and Ito, "Color Universal Design" (2008), which are distinguishable with any kind of colour
/// vision, without the yellow, which is hard to see on white; then a violet and a grey.
const SERIES: [[u8; 3]; 8] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x7a, 0x5f, 0xc0],
    [0x6b, 0x72, 0x80],
];

/// The colours of viridis (Stéfan van der Walt and Nathaniel Smith, 2015), which differ evenly in lightness with any kind
/// of colour vision, from yellow to violet. A dark page has them in the opposite order. There is a small gap in the middle,
/// so that ink is readable on the lower half and paper's colour on the upper.
const SHADES: [[u8; 3]; 12] = [
    [0xd0, 0xe1, 0x26],
    [0x9a, 0xd8, 0x3c],
    [0x68, 0xcb, 0x5c],
    [0x3f, 0xbb, 0x73],
    [0x23, 0xa8, 0x84],
    [0x21, 0x96, 0x8a],
    [0x28, 0x7d, 0x8e],
    [0x31, 0x68, 0x8d],
    [0x3b, 0x52, 0x8a],
    [0x43, 0x3a, 0x81],
    [0x47, 0x1e, 0x70],
    [0x44, 0x01, 0x54],
];

impl Colour {
    /// The number of colours for series.
    pub const SERIES: usize = SERIES.len();

    /// The number of colours of the scale.
    pub const SHADES: usize = SHADES.len();

    /// The colour of text on a shade.
    pub fn on_shade(shade: usize) -> Colour {
        if shade < Self::SHADES / 2 { Colour::Ink } else { Colour::Paper }
    }

    /// Black in every theme.
    pub const BLACK: Colour = Colour::Rgb(0, 0, 0);

    /// Returns red, green and blue on white paper, as in SVG and PNG files.
    ///
    /// # Panics
    /// For [`Colour::Series`] and [`Colour::Shade`], if the index is not below the number of such colours.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Colour::Paper => [0xff; 3],
            Colour::Ink => [0x22; 3],
            Colour::SoftInk => [0x55; 3],
            Colour::Grid => [0xe4; 3],
            Colour::Series(index) => SERIES[index],
            Colour::Shade(index) => SHADES[index],
            Colour::Correct => SERIES[0],
            Colour::Wrong => SERIES[1],
            Colour::Rgb(red, green, blue) => [red, green, blue],
        }
    }

    /// Returns the value in CSS: a variable of the page, such as `var(--ink)`, except for [`Colour::Rgb`].
    pub fn css(self) -> impl fmt::Display {
        Css(self)
    }

    /// Returns the value on white paper in CSS: `#222222`.
    pub(super) fn hex(self) -> impl fmt::Display {
        Hex(self)
    }
}

struct Css(Colour);

impl fmt::Display for Css {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Colour::Paper => f.write_str("var(--paper)"),
            Colour::Ink => f.write_str("var(--ink)"),
            Colour::SoftInk => f.write_str("var(--muted)"),
            Colour::Grid => f.write_str("var(--grid)"),
            Colour::Series(index) => write!(f, "var(--series-{})", index + 1),
            Colour::Shade(index) => write!(f, "var(--shade-{})", index + 1),
            Colour::Correct => f.write_str("var(--correct)"),
            Colour::Wrong => f.write_str("var(--wrong)"),
            Colour::Rgb(..) => Hex(self.0).fmt(f),
        }
    }
}

struct Hex(Colour);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0.rgb();
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_shades_have_the_same_colours_in_files_and_on_light_pages() {
        let theme = include_str!("../page/theme.css");
        let (light, _dark) = theme.split_once("@media").unwrap();
        for index in 0..Colour::SERIES {
            let line = format!("--series-{}: {};", index + 1, Colour::Series(index).hex());
            assert!(light.contains(&line), "{line}");
        }
        for index in 0..Colour::SHADES {
            let line = format!("--shade-{}: {};", index + 1, Colour::Shade(index).hex());
            assert!(light.contains(&line), "{line}");
        }
    }
}
