//! Small pictures that share one PNG, drawn on a page as sharp squares.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Html;

/// Red, green, blue and opacity.
pub type Pixel = [u8; 4];

/// An image that is transparent at first, and into which smaller images are painted.
#[derive(Debug, Clone, PartialEq)]
pub struct Sprite {
    width: usize,
    height: usize,
    pixels: Vec<Pixel>,
}

/// A rectangle of a sprite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The left edge.
    pub x: usize,
    /// The top edge.
    pub y: usize,
    /// The width.
    pub width: usize,
    /// The height.
    pub height: usize,
}

impl Sprite {
    /// A transparent image.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0; 4]; width * height] }
    }

    /// Paints each pixel of an area, as a function of its column and its row in the area.
    ///
    /// # Panics
    /// If the area reaches beyond the image.
    pub fn paint(&mut self, area: Area, pixel: impl Fn(usize, usize) -> Pixel) {
        for row in 0..area.height {
            for column in 0..area.width {
                self.pixels[(area.y + row) * self.width + area.x + column] = pixel(column, row);
            }
        }
    }

    /// Returns the content of a PNG file, of the smallest kind that has all colours.
    pub fn to_png(&self) -> Vec<u8> {
        let (colour, palette, data) = self.encoded();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        if let Some(palette) = palette {
            encoder.set_palette(
                palette.iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect::<Vec<_>>(),
            );
            if palette.iter().any(|pixel| pixel[3] < 255) {
                encoder.set_trns(palette.iter().map(|pixel| pixel[3]).collect::<Vec<_>>());
            }
        }
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&data));
        written.expect("the image has pixels, and writing to memory does not fail");
        file
    }

    /// The kind of PNG, its palette and its samples.
    fn encoded(&self) -> (png::ColorType, Option<Vec<Pixel>>, Vec<u8>) {
        let is_opaque = self.pixels.iter().all(|pixel| pixel[3] == 255);
        if is_opaque && self.pixels.iter().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]) {
            return (png::ColorType::Grayscale, None, self.pixels.iter().map(|pixel| pixel[0]).collect());
        }
        let mut indices = BTreeMap::new();
        for &pixel in &self.pixels {
            let next = indices.len();
            indices.entry(pixel).or_insert(next);
            if indices.len() > 256 {
                return if is_opaque {
                    let rgb = self.pixels.iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
                    (png::ColorType::Rgb, None, rgb.collect())
                } else {
                    (png::ColorType::Rgba, None, self.pixels.concat())
                };
            }
        }
        let mut palette = vec![[0; 4]; indices.len()];
        indices.iter().for_each(|(&pixel, &index)| palette[index] = pixel);
        let data = self.pixels.iter().map(|pixel| indices[pixel] as u8).collect();
        (png::ColorType::Indexed, Some(palette), data)
    }

    /// The image on a page, not visible by itself: [`Area::view`] shows parts of it. `id` is unique on the page.
    pub fn definition(&self, id: &'static str) -> Html {
        let (width, height, source) = (self.width, self.height, self.source());
        Html::trusted(format!(
            "<svg class=\"sprite\" aria-hidden=\"true\" xmlns=\"http://www.w3.org/2000/svg\"><defs><image id=\"{id}\" \
             class=\"pixels\" width=\"{width}\" height=\"{height}\" href=\"{source}\"/></defs></svg>\n"
        ))
    }

    /// The whole image on a page, `scale` times as large unless there is no room.
    pub fn to_html(&self, scale: usize, alternative: &str) -> Html {
        let (width, height) = (self.width * scale, self.height * scale);
        let (source, alternative) = (self.source(), Html::text(alternative));
        Html::trusted(format!(
            "<img class=\"pixels\" width=\"{width}\" height=\"{height}\" alt=\"{alternative}\" src=\"{source}\"/>\n"
        ))
    }

    fn source(&self) -> String {
        format!("data:image/png;base64,{}", BASE64_STANDARD.encode(self.to_png()))
    }
}

impl Area {
    /// This part of the sprite with an id, as wide as there is room.
    pub fn view(&self, id: &'static str, alternative: &str) -> Html {
        let Self { x, y, width, height } = self;
        let alternative = Html::text(alternative);
        Html::trusted(format!(
            "<svg class=\"view\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{x} {y} {width} {height}\"><title>{alternative}</title><use href=\"#{id}\"/></svg>"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(colours: usize, opacity: u8) -> Sprite {
        let mut sprite = Sprite::new(20, 20);
        let area = Area { x: 0, y: 0, width: 20, height: 20 };
        sprite.paint(area, |x, y| {
            let index = (y * 20 + x) % colours;
            [index as u8, (index / 2) as u8, (index / 256) as u8, opacity]
        });
        sprite
    }

    #[test]
    fn every_kind_of_png_has_the_painted_pixels() {
        let mut grey = Sprite::new(20, 20);
        grey.paint(Area { x: 0, y: 0, width: 20, height: 20 }, |x, y| grey_pixel((x * y / 2) as u8));
        for (sprite, kind) in [
            (grey, png::ColorType::Grayscale),
            (painted(7, 255), png::ColorType::Indexed),
            (painted(7, 99), png::ColorType::Indexed),
            (painted(300, 255), png::ColorType::Rgb),
            (painted(300, 99), png::ColorType::Rgba),
        ] {
            let file = sprite.to_png();
            assert_eq!(
                png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap().info().color_type,
                kind
            );
            let decoded = image::load_from_memory(&file).unwrap().to_rgba8();
            let pixels: Vec<Pixel> = decoded.pixels().map(|pixel| pixel.0).collect();
            assert_eq!(pixels, sprite.pixels, "{kind:?}");
        }
    }

    fn grey_pixel(value: u8) -> Pixel {
        [value, value, value, 255]
    }

    #[test]
    fn only_the_area_is_painted() {
        let mut sprite = Sprite::new(4, 3);
        sprite.paint(Area { x: 1, y: 1, width: 2, height: 1 }, |x, _| [x as u8, 0, 0, 255]);
        assert_eq!(sprite.pixels[4..8], [[0; 4], [0, 0, 0, 255], [1, 0, 0, 255], [0; 4]]);
        assert!(sprite.pixels[..4].iter().chain(&sprite.pixels[8..]).all(|pixel| *pixel == [0; 4]));
    }
}
