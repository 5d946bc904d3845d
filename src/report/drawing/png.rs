//! Rasterises a drawing and encodes it as PNG.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as SkiaStroke, StrokeDash,
    Transform,
};
use ttf_parser::OutlineBuilder;

use super::{Anchor, Colour, Drawing, Element, Geometry, Shape, Text, font};

/// The largest width and height of a PNG, in pixels.
const MAX_SIDE: f64 = 20_000.0;

/// The image would be empty or too large.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("cannot draw {width} × {height} pixels; width and height must be from 1 to {MAX_SIDE}")]
pub struct InvalidSize {
    width: f64,
    height: f64,
}

pub(super) fn write(drawing: &Drawing, scale: u32) -> Result<Vec<u8>, InvalidSize> {
    let pixels = draw(drawing, scale)?;
    let (width, height) = (pixels.width(), pixels.height());
    // The background is opaque, so the alpha channel can be dropped.
    let rgb: Vec<u8> = pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Best, FilterType::Adaptive)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .expect("the buffer matches the size, and writing to memory does not fail");
    Ok(file)
}

fn draw(drawing: &Drawing, scale: u32) -> Result<Pixmap, InvalidSize> {
    let size = |length: f64| (length * f64::from(scale)).round();
    let (width, height) = (size(drawing.width), size(drawing.height));
    let invalid = InvalidSize { width, height };
    if width.max(height) > MAX_SIDE {
        return Err(invalid);
    }
    let mut canvas = Canvas {
        pixels: Pixmap::new(width as u32, height as u32).ok_or(invalid)?,
        scale: Transform::from_scale(scale as f32, scale as f32),
    };
    canvas.pixels.fill(colour(Colour::Paper, 1.0));
    for element in &drawing.elements {
        match element {
            Element::Shape(shape) => canvas.draw(shape),
            Element::Text(text) => canvas.write(text),
        }
    }
    Ok(canvas.pixels)
}

struct Canvas {
    pixels: Pixmap,
    scale: Transform,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        let Some(path) = path(&shape.geometry) else { return };
        if let Some(fill) = shape.fill {
            self.fill(&path, fill.colour, fill.opacity, self.scale);
        }
        if let Some(stroke) = shape.stroke {
            let dash = stroke.dash.iter().map(|&length| length as f32).collect();
            let pen = SkiaStroke {
                width: stroke.width as f32,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash: StrokeDash::new(dash, 0.0),
                ..SkiaStroke::default()
            };
            self.pixels.stroke_path(&path, &paint(stroke.colour, 1.0), &pen, self.scale, None);
        }
    }

    fn write(&mut self, text: &Text) {
        let mut outlines = Outlines(PathBuilder::new());
        font::outline(&text.text, text.size, text.weight, &mut outlines);
        let Some(path) = outlines.0.finish() else { return };

        let width = font::width(&text.text, text.size, text.weight);
        let left = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (x, y) = (text.at.0 as f32, text.at.1 as f32);
        let transform = self
            .scale
            .pre_concat(Transform::from_translate(x, y))
            .pre_concat(Transform::from_rotate(if text.rotated { -90.0 } else { 0.0 }))
            .pre_concat(Transform::from_translate(-left as f32, 0.0));
        self.fill(&path, text.colour, 1.0, transform);
    }

    fn fill(&mut self, path: &Path, colour: Colour, opacity: f64, transform: Transform) {
        self.pixels.fill_path(path, &paint(colour, opacity), FillRule::Winding, transform, None);
    }
}

fn colour(colour: Colour, opacity: f64) -> tiny_skia::Color {
    let [red, green, blue] = colour.rgb();
    tiny_skia::Color::from_rgba8(red, green, blue, (opacity * 255.0).round() as u8)
}

fn paint(colour: Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(self::colour(colour, opacity));
    paint
}

/// `None` for a geometry without extent, such as a polyline with one point.
fn path(geometry: &Geometry) -> Option<Path> {
    let (points, closed) = match geometry {
        Geometry::Polyline(points) => (points, false),
        Geometry::Polygon(points) => (points, true),
        Geometry::Circle { centre: (x, y), radius } => {
            return PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
        }
    };
    let mut path = PathBuilder::new();
    for (index, &(x, y)) in points.iter().enumerate() {
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

/// Converts glyph outlines to a path.
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
