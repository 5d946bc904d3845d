//! A picture as pixels.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as SkiaStroke, StrokeDash,
    Transform,
};
use ttf_parser::OutlineBuilder;

use super::{Anchor, Colour, Drawing, Outline, Picture, Shape, Text, font};

/// The most pixels that a side of a PNG may have here.
const LARGEST_SIDE: f64 = 20_000.0;

/// A picture of more pixels than there is sense in, or of none.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a picture of {width} × {height} pixels cannot be drawn; each side may have from 1 to {LARGEST_SIDE}"
)]
pub struct TooLarge {
    width: f64,
    height: f64,
}

pub(super) fn write(picture: &Picture, scale: u32) -> Result<Vec<u8>, TooLarge> {
    let pixels = draw(picture, scale)?;
    let (width, height) = (pixels.width(), pixels.height());
    // White paper is opaque, and so is all that is drawn on it.
    let rgb: Vec<u8> = pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Best, FilterType::Adaptive)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .expect("as many pixels as the size says, written to memory");
    Ok(file)
}

fn draw(picture: &Picture, scale: u32) -> Result<Pixmap, TooLarge> {
    let size = |length: f64| (length * f64::from(scale)).round();
    let (width, height) = (size(picture.width), size(picture.height));
    let refused = TooLarge { width, height };
    if width.max(height) > LARGEST_SIDE {
        return Err(refused);
    }
    let mut canvas = Canvas {
        pixels: Pixmap::new(width as u32, height as u32).ok_or(refused)?,
        scale: Transform::from_scale(scale as f32, scale as f32),
    };
    canvas.pixels.fill(paint(Colour::WHITE, 1.0));
    for shape in &picture.shapes {
        match shape {
            Shape::Drawing(drawing) => canvas.draw(drawing),
            Shape::Text(text) => canvas.write(text),
        }
    }
    Ok(canvas.pixels)
}

struct Canvas {
    pixels: Pixmap,
    scale: Transform,
}

impl Canvas {
    fn draw(&mut self, drawing: &Drawing) {
        let Some(path) = path(&drawing.outline) else { return };
        if let Some(fill) = drawing.fill {
            self.fill(&path, fill.colour, fill.opacity, self.scale);
        }
        if let Some(stroke) = drawing.stroke {
            let dash = stroke.dash.iter().map(|&length| length as f32).collect();
            let pen = SkiaStroke {
                width: stroke.width as f32,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash: StrokeDash::new(dash, 0.0),
                ..SkiaStroke::default()
            };
            self.pixels.stroke_path(&path, &ink(stroke.colour, 1.0), &pen, self.scale, None);
        }
    }

    fn write(&mut self, text: &Text) {
        let mut outlines = Outlines(PathBuilder::new());
        font::outline(&text.text, text.size, text.weight, &mut outlines);
        let Some(path) = outlines.0.finish() else { return };

        let width = font::width(&text.text, text.size, text.weight);
        let before = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (x, y) = (text.at.0 as f32, text.at.1 as f32);
        let place = self
            .scale
            .pre_concat(Transform::from_translate(x, y))
            .pre_concat(Transform::from_rotate(if text.upward { -90.0 } else { 0.0 }))
            .pre_concat(Transform::from_translate(-before as f32, 0.0));
        self.fill(&path, text.colour, 1.0, place);
    }

    fn fill(&mut self, path: &Path, colour: Colour, opacity: f64, place: Transform) {
        self.pixels.fill_path(path, &ink(colour, opacity), FillRule::Winding, place, None);
    }
}

fn paint(Colour(red, green, blue): Colour, opacity: f64) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(red, green, blue, (opacity * 255.0).round() as u8)
}

fn ink(colour: Colour, opacity: f64) -> Paint<'static> {
    let mut ink = Paint { anti_alias: true, ..Paint::default() };
    ink.set_color(paint(colour, opacity));
    ink
}

/// None for an outline without extent, such as a line of one place.
fn path(outline: &Outline) -> Option<Path> {
    let (places, closed) = match outline {
        Outline::Line(places) => (places, false),
        Outline::Polygon(places) => (places, true),
        Outline::Circle { centre: (x, y), radius } => {
            return PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
        }
    };
    let mut path = PathBuilder::new();
    for (index, &(x, y)) in places.iter().enumerate() {
        if index == 0 {
            path.move_to(x as f32, y as f32);
        } else {
            path.line_to(x as f32, y as f32);
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// What a font draws, as a path.
struct Outlines(PathBuilder);

impl OutlineBuilder for Outlines {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
