//! Contact sheets: small images side by side, with two lines of text below each.

use super::drawing::font::{Weight, truncate, wrap};
use super::drawing::{Anchor, Colour, Drawing, Element, Fill, InvalidSize, Point, Shape, Text};
use crate::model::lenet::IMAGE_SIDE;

/// The largest number of images on one sheet.
pub const MAX_TILES: usize = 500;

/// Pixels of the PNG per unit of the drawing.
const PIXELS_PER_UNIT: u32 = 2;

/// The side of an image's pixel in the drawing.
const PIXEL: f64 = 3.0;

const IMAGE: f64 = IMAGE_SIDE as f64 * PIXEL;
const MARGIN: f64 = 16.0;
/// Gap between two images. Text below an image is at most as wide as the image and half the gap.
const GAP: f64 = 12.0;
const MAX_COLUMNS: usize = 10;
/// Enough for the words of the title to fit.
const MIN_COLUMNS: usize = 3;

const TITLE: f64 = 15.0;
const FIRST_LINE: f64 = 13.0;
const SECOND_LINE: f64 = 10.0;
/// Distance between baselines, as a fraction of the font size.
const LEADING: f64 = 1.3;
const TILE_HEIGHT: f64 = IMAGE + LEADING * (FIRST_LINE + SECOND_LINE) + GAP;

/// Images as the network sees them, in rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSheet {
    /// The title above the images.
    pub title: String,
    /// A description below the title, which is also the text alternative.
    pub description: String,
    /// At most [`MAX_TILES`] images.
    pub tiles: Vec<Tile>,
}

/// One image with two lines of text below it, which are truncated to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// C×32×32 values, with one or three channels.
    pub pixels: Vec<u8>,
    /// The first line, in bold.
    pub first_line: String,
    /// The second line.
    pub second_line: String,
}

impl ContactSheet {
    /// Returns the content of a PNG file in which every pixel of an image is a sharp square.
    ///
    /// # Errors
    /// Returns an error if there are so many images that the PNG would be too large; see [`MAX_TILES`].
    pub fn to_png(&self) -> Result<Vec<u8>, InvalidSize> {
        self.draw().to_png(PIXELS_PER_UNIT)
    }

    fn draw(&self) -> Drawing {
        let columns = self.tiles.len().isqrt().clamp(MIN_COLUMNS, MAX_COLUMNS);
        let rows = self.tiles.len().div_ceil(columns);
        let width = 2.0 * MARGIN + columns as f64 * (IMAGE + GAP) - GAP;

        let mut elements = Vec::new();
        let mut y = MARGIN;
        for (text, size, weight, colour) in [
            (&self.title, TITLE, Weight::Bold, Colour::Ink),
            (&self.description, SECOND_LINE, Weight::Regular, Colour::SoftInk),
        ] {
            for text in wrap(text, size, weight, width - 2.0 * MARGIN) {
                y += LEADING * size;
                let (at, anchor) = ((MARGIN, y), Anchor::Start);
                elements.push(Element::Text(Text { text, at, size, weight, anchor, rotated: false, colour }));
            }
        }
        // Whole units keep the pixels sharp.
        let (top, tile_height) = ((y + GAP).ceil(), TILE_HEIGHT.ceil());
        for (index, tile) in self.tiles.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let at = (MARGIN + column as f64 * (IMAGE + GAP), top + row as f64 * tile_height);
            tile.draw(at, &mut elements);
        }
        let height = top + rows as f64 * tile_height + MARGIN - GAP;
        let (title, description) = (self.title.clone(), self.description.clone());
        Drawing { width, height, title, description, elements }
    }
}

impl Tile {
    fn draw(&self, (x, y): Point, elements: &mut Vec<Element>) {
        elements.extend(self.image((x, y)));
        let mut below = y + IMAGE;
        for (text, size, weight, colour) in [
            (&self.first_line, FIRST_LINE, Weight::Bold, Colour::Ink),
            (&self.second_line, SECOND_LINE, Weight::Regular, Colour::SoftInk),
        ] {
            below += LEADING * size;
            let text = truncate(text, size, weight, IMAGE + GAP / 2.0);
            let (at, anchor) = ((x + IMAGE / 2.0, below), Anchor::Middle);
            elements.push(Element::Text(Text { text, at, size, weight, anchor, rotated: false, colour }));
        }
    }

    /// Draws a black square, and on it a rectangle for each run of pixels of another colour in a row.
    fn image(&self, (x, y): Point) -> Vec<Element> {
        let rectangle = |at, width, height, colour| {
            Element::Shape(Shape::rectangle(at, width, height, Fill::solid(colour)))
        };
        let mut elements = vec![rectangle((x, y), IMAGE, IMAGE, Colour::BLACK)];
        for row in 0..IMAGE_SIDE {
            let colours: Vec<Colour> = (0..IMAGE_SIDE).map(|column| self.colour(row, column)).collect();
            let mut column = 0;
            for run in colours.chunk_by(|a, b| a == b) {
                let at = (x + column as f64 * PIXEL, y + row as f64 * PIXEL);
                if run[0] != Colour::BLACK {
                    elements.push(rectangle(at, run.len() as f64 * PIXEL, PIXEL, run[0]));
                }
                column += run.len();
            }
        }
        elements
    }

    fn colour(&self, row: usize, column: usize) -> Colour {
        let [red, green, blue] = rgb(&self.pixels, row, column);
        Colour::Rgb(red, green, blue)
    }
}

/// A pixel of C×32×32 values, with one or three channels.
pub(crate) fn rgb(pixels: &[u8], row: usize, column: usize) -> [u8; 3] {
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let last = pixels.len() / plane - 1;
    [0, 1, 2].map(|channel: usize| pixels[channel.min(last) * plane + row * IMAGE_SIDE + column])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(tiles: usize, channels: usize, text: &str) -> ContactSheet {
        let pixels = (0..channels * 1_024).map(|index| if index == 0 { 200 } else { 0 }).collect();
        let tile = Tile { pixels, first_line: text.into(), second_line: text.into() };
        ContactSheet { title: text.into(), description: text.into(), tiles: vec![tile; tiles] }
    }

    #[test]
    fn a_sheet_with_the_most_tiles_fits_into_a_png() {
        for tiles in [0, 1, 50, MAX_TILES] {
            let drawing = sheet(tiles, 1, &"words ".repeat(40)).draw();
            assert!(drawing.height.max(drawing.width) * f64::from(PIXELS_PER_UNIT) <= 20_000.0);
        }
    }

    #[test]
    fn pixels_are_sharp_squares_in_their_colour() {
        const TILES: usize = 7;
        for (channels, expected) in [(1, [200, 200, 200]), (3, [200, 0, 0])] {
            let png = sheet(TILES, channels, "").to_png().unwrap();
            let png = image::load_from_memory(&png).unwrap().to_rgb8();
            let side = (PIXEL as u32 * PIXELS_PER_UNIT) as usize;
            let coloured = png.pixels().filter(|pixel| pixel.0 == expected).count();
            assert_eq!(coloured, TILES * side * side);
        }
    }
}
