//! Small images side by side, with what was said of each below it.

use super::figure::palette::{INK, SOFT_INK};
use super::picture::font::{Weight, shortened, wrapped};
use super::picture::{Anchor, Colour, Drawing, Fill, Picture, Place, Shape, Text, TooLarge};
use crate::model::lenet::IMAGE_SIDE;

/// The most images that one sheet has room for.
pub const MOST_TILES: usize = 500;

/// Pixels of the PNG for each unit of the picture's size.
const PIXELS_PER_UNIT: u32 = 2;

/// The side of an image's pixel.
const PIXEL: f64 = 3.0;

const IMAGE: f64 = IMAGE_SIDE as f64 * PIXEL;
const MARGIN: f64 = 16.0;
/// Between two images; no text is wider than an image and this.
const GAP: f64 = 12.0;
const MOST_COLUMNS: usize = 10;
/// Enough for the title's words to have room.
const LEAST_COLUMNS: usize = 3;

const TITLE: f64 = 15.0;
const FIRST_LINE: f64 = 13.0;
const SECOND_LINE: f64 = 10.0;
/// From one line of text to the next, by its size.
const LEADING: f64 = 1.3;
const TILE_HEIGHT: f64 = IMAGE + LEADING * (FIRST_LINE + SECOND_LINE) + GAP;

/// Images as a network sees them, in rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSheet {
    pub title: String,
    /// What those who cannot see it are told, and others below the title.
    pub description: String,
    /// At most [`MOST_TILES`].
    pub tiles: Vec<Tile>,
}

/// One image with two lines below it, which are shortened where they have no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// C×32×32, of one channel or three.
    pub pixels: Vec<u8>,
    /// Bold.
    pub first_line: String,
    pub second_line: String,
}

impl ContactSheet {
    /// The sheet as a PNG file, every pixel of an image a sharp square.
    ///
    /// # Errors
    /// Where there are more than [`MOST_TILES`] images, whose rows are more pixels than are drawn.
    pub fn to_png(&self) -> Result<Vec<u8>, TooLarge> {
        self.draw().to_png(PIXELS_PER_UNIT)
    }

    fn draw(&self) -> Picture {
        let columns = self.tiles.len().isqrt().clamp(LEAST_COLUMNS, MOST_COLUMNS);
        let rows = self.tiles.len().div_ceil(columns);
        let width = 2.0 * MARGIN + columns as f64 * (IMAGE + GAP) - GAP;

        let mut shapes = Vec::new();
        let mut y = MARGIN;
        for (text, size, weight, colour) in [
            (&self.title, TITLE, Weight::Bold, INK),
            (&self.description, SECOND_LINE, Weight::Regular, SOFT_INK),
        ] {
            for text in wrapped(text, size, weight, width - 2.0 * MARGIN) {
                y += LEADING * size;
                let (at, anchor) = ((MARGIN, y), Anchor::Start);
                shapes.push(Shape::Text(Text { text, at, size, weight, anchor, upward: false, colour }));
            }
        }
        // On whole units, or pixels would not be sharp.
        let (top, tile_height) = ((y + GAP).ceil(), TILE_HEIGHT.ceil());
        for (place, tile) in self.tiles.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let at = (MARGIN + column as f64 * (IMAGE + GAP), top + row as f64 * tile_height);
            tile.draw(at, &mut shapes);
        }
        let height = top + rows as f64 * tile_height + MARGIN - GAP;
        let (title, description) = (self.title.clone(), self.description.clone());
        Picture { width, height, title, description, shapes }
    }
}

impl Tile {
    fn draw(&self, (x, y): Place, shapes: &mut Vec<Shape>) {
        shapes.extend(self.image((x, y)));
        let mut below = y + IMAGE;
        for (text, size, weight, colour) in [
            (&self.first_line, FIRST_LINE, Weight::Bold, INK),
            (&self.second_line, SECOND_LINE, Weight::Regular, SOFT_INK),
        ] {
            below += LEADING * size;
            let text = shortened(text, size, weight, IMAGE + GAP / 2.0);
            let (at, anchor) = ((x + IMAGE / 2.0, below), Anchor::Middle);
            shapes.push(Shape::Text(Text { text, at, size, weight, anchor, upward: false, colour }));
        }
    }

    /// A black square, and on it a rectangle for each run of pixels of one colour.
    fn image(&self, (x, y): Place) -> Vec<Shape> {
        let rectangle = |at, width, height, colour| {
            Shape::Drawing(Drawing::rectangle(at, width, height, Fill::solid(colour)))
        };
        let mut shapes = vec![rectangle((x, y), IMAGE, IMAGE, Colour::BLACK)];
        for row in 0..IMAGE_SIDE {
            let colours: Vec<Colour> = (0..IMAGE_SIDE).map(|column| self.colour(row, column)).collect();
            let mut column = 0;
            for run in colours.chunk_by(|a, b| a == b) {
                let at = (x + column as f64 * PIXEL, y + row as f64 * PIXEL);
                if run[0] != Colour::BLACK {
                    shapes.push(rectangle(at, run.len() as f64 * PIXEL, PIXEL, run[0]));
                }
                column += run.len();
            }
        }
        shapes
    }

    fn colour(&self, row: usize, column: usize) -> Colour {
        let plane = IMAGE_SIDE * IMAGE_SIDE;
        let last = self.pixels.len() / plane - 1;
        let channel = |index: usize| self.pixels[index.min(last) * plane + row * IMAGE_SIDE + column];
        Colour(channel(0), channel(1), channel(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(tiles: usize, channels: usize, text: &str) -> ContactSheet {
        let pixels = (0..channels * 1_024).map(|place| if place == 0 { 200 } else { 0 }).collect();
        let tile = Tile { pixels, first_line: text.into(), second_line: text.into() };
        ContactSheet { title: text.into(), description: text.into(), tiles: vec![tile; tiles] }
    }

    #[test]
    fn as_many_images_as_a_sheet_may_have_are_drawn() {
        for tiles in [0, 1, 50, MOST_TILES] {
            let picture = sheet(tiles, 1, &"words ".repeat(40)).draw();
            assert!(picture.height.max(picture.width) * f64::from(PIXELS_PER_UNIT) <= 20_000.0);
        }
    }

    #[test]
    fn every_images_first_pixel_is_a_sharp_square_in_its_colour() {
        const TILES: usize = 7;
        for (channels, expected) in [(1, [200, 200, 200]), (3, [200, 0, 0])] {
            let png = sheet(TILES, channels, "").to_png().unwrap();
            let png = image::load_from_memory(&png).unwrap().to_rgb8();
            let side = (PIXEL as u32 * PIXELS_PER_UNIT) as usize;
            let of_the_squares = png.pixels().filter(|pixel| pixel.0 == expected).count();
            assert_eq!(of_the_squares, TILES * side * side);
        }
    }
}
