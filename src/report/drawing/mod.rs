//! Vector drawings: lists of shapes and lines of text. SVG files, PNG files and parts of HTML pages are written from the
//! same list.

mod colour;
pub mod font;
mod png;
mod svg;

pub use colour::Colour;
pub use png::InvalidSize;

/// x and y, from the left and the top edge of the drawing.
pub type Point = (f64, f64);

/// Shapes and text on white paper; later elements cover earlier ones. Lengths are in SVG user units, 96 per inch.
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

impl Element {
    /// The same element elsewhere: `right` and `down` of where it is.
    pub fn moved(mut self, (right, down): Point) -> Element {
        let at = |(x, y): Point| (x + right, y + down);
        match &mut self {
            Element::Text(text) => text.at = at(text.at),
            Element::Shape(Shape { geometry: Geometry::Circle { centre, .. }, .. }) => *centre = at(*centre),
            Element::Shape(Shape { geometry: Geometry::Polyline(points), .. })
            | Element::Shape(Shape { geometry: Geometry::Polygon(points), .. }) => {
                points.iter_mut().for_each(|point| *point = at(*point));
            }
        }
        self
    }
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
    /// What a viewer shows while the mouse is over the shape, even if nothing of it is painted. PNG files have none.
    pub tooltip: Option<String>,
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

impl Shape {
    /// A shape that is filled only.
    pub fn filled(geometry: Geometry, fill: Fill) -> Shape {
        Shape { geometry, fill: Some(fill), stroke: None, tooltip: None }
    }

    /// Connected line segments.
    pub fn line(points: Vec<Point>, stroke: Stroke) -> Shape {
        Shape { geometry: Geometry::Polyline(points), fill: None, stroke: Some(stroke), tooltip: None }
    }

    /// A filled rectangle whose top left corner is `(x, y)`.
    pub fn rectangle((x, y): Point, width: f64, height: f64, fill: Fill) -> Shape {
        let corners = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
        Shape::filled(Geometry::Polygon(corners), fill)
    }

    /// A rectangle with a tooltip, of which nothing is painted.
    pub fn tooltip(at: Point, width: f64, height: f64, text: String) -> Shape {
        let area = Shape::rectangle(at, width, height, Fill::solid(Colour::Paper));
        Shape { fill: None, tooltip: Some(text), ..area }
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
    /// Returns the content of an SVG file. Text stays text: it can be searched, selected and read aloud. It takes the
    /// same space in every font that the viewer may have.
    pub fn to_svg(&self) -> String {
        svg::file(self)
    }

    /// Returns an `<svg>` element for an HTML page. It has no background, and takes its colours from the page's CSS
    /// variables ([`Colour::css`]), so it follows the page's light and dark themes. It has no ids and no inline styles. Its
    /// `width` and `height` are the drawing's; with `max-width: 100%; height: auto` it shrinks with the page.
    ///
    /// The title and the description are its text alternatives. The shape with a tooltip under the mouse matches
    /// `[pointer-events]:hover` if it is not painted, so that the page can show which one it is.
    pub fn to_html(&self) -> String {
        svg::element(self, "")
    }

    /// The same with a class.
    pub(super) fn to_element(&self, class: &str) -> String {
        svg::element(self, class)
    }

    /// Returns the content of a PNG file with `scale` pixels per unit of length.
    ///
    /// # Errors
    /// Returns an error if the image would be empty or larger than 20,000 pixels on a side.
    pub fn to_png(&self, scale: u32) -> Result<Vec<u8>, InvalidSize> {
        png::write(self, scale)
    }
}
