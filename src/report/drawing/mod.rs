//! Vector drawings: lists of shapes and lines of text. SVG and PNG files are written from the same list.

pub mod font;
mod png;
mod svg;

pub use png::InvalidSize;

/// x and y, from the left and the top edge of the drawing.
pub type Point = (f64, f64);

/// Shapes and text on a white background; later elements cover earlier ones. Lengths are in SVG user units, 96 per inch.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The width of the drawing.
    pub width: f64,
    /// The height of the drawing.
    pub height: f64,
    /// A short text alternative for screen readers.
    pub title: String,
    /// A longer text alternative for screen readers.
    pub description: String,
    /// What is drawn, in drawing order.
    pub elements: Vec<Element>,
}

/// One item of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// A filled or stroked shape.
    Shape(Shape),
    /// A line of text.
    Text(Text),
}

/// A geometry with a fill, a stroke, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The outline.
    pub geometry: Geometry,
    /// How the inside is painted, if at all.
    pub fill: Option<Fill>,
    /// How the outline is painted, if at all.
    pub stroke: Option<Stroke>,
}

/// The outline of a shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// Connected line segments.
    Polyline(Vec<Point>),
    /// Connected line segments, closed.
    Polygon(Vec<Point>),
    /// A circle.
    Circle {
        /// The centre.
        centre: Point,
        /// The radius.
        radius: f64,
    },
}

/// Red, green and blue in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// Black.
    pub const BLACK: Colour = Colour(0, 0, 0);
    /// White.
    pub const WHITE: Colour = Colour(255, 255, 255);
}

impl Shape {
    /// A filled rectangle whose top left corner is `(x, y)`.
    pub fn rectangle((x, y): Point, width: f64, height: f64, fill: Fill) -> Shape {
        let corners = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
        Shape { geometry: Geometry::Polygon(corners), fill: Some(fill), stroke: None }
    }
}

/// How the inside of a shape is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// The colour.
    pub colour: Colour,
    /// From 0 (transparent) to 1 (opaque).
    pub opacity: f64,
}

impl Fill {
    /// An opaque fill.
    pub const fn solid(colour: Colour) -> Fill {
        Fill { colour, opacity: 1.0 }
    }
}

/// How an outline is painted: with butt caps and round joins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// The colour.
    pub colour: Colour,
    /// The width of the line.
    pub width: f64,
    /// Alternating lengths of dashes and gaps, an even number of them; empty for a solid line.
    pub dash: &'static [f64],
}

impl Stroke {
    /// A solid line.
    pub const fn solid(colour: Colour, width: f64) -> Stroke {
        Stroke { colour, width, dash: &[] }
    }
}

/// One line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// A point on the baseline; `anchor` says which.
    pub at: Point,
    /// The font size.
    pub size: f64,
    /// The font weight.
    pub weight: font::Weight,
    /// Which part of the text is at the point `at`.
    pub anchor: Anchor,
    /// Whether the text is rotated by 90° to read from bottom to top.
    pub rotated: bool,
    /// The colour.
    pub colour: Colour,
}

/// The part of a line of text that its position refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

impl Drawing {
    /// Returns the content of an SVG file. Text stays text: it can be searched, selected and read aloud.
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// Returns the content of a PNG file with `scale` pixels per unit of length.
    ///
    /// # Errors
    /// Returns an error if the image would be empty or larger than 20,000 pixels on a side.
    pub fn to_png(&self, scale: u32) -> Result<Vec<u8>, InvalidSize> {
        png::write(self, scale)
    }
}
