//! A picture as a list of shapes: what an SVG says in words is what a PNG shows in pixels.

pub mod font;
mod png;
mod svg;

pub use png::TooLarge;

/// A place: right from the left edge, down from the upper one.
pub type Place = (f64, f64);

/// Shapes on white paper, the later ones over the earlier. Lengths are SVG's, 96 to an inch.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: f64,
    pub height: f64,
    /// What those who cannot see it are told first.
    pub title: String,
    /// What they are told next.
    pub description: String,
    pub shapes: Vec<Shape>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Drawing(Drawing),
    Text(Text),
}

/// An outline that is filled, or drawn along, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    pub outline: Outline,
    pub fill: Option<Fill>,
    pub stroke: Option<Stroke>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outline {
    Line(Vec<Place>),
    Polygon(Vec<Place>),
    Circle { centre: Place, radius: f64 },
}

/// Red, green and blue of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    pub const BLACK: Colour = Colour(0, 0, 0);
    pub const WHITE: Colour = Colour(255, 255, 255);
}

impl Drawing {
    /// An upright rectangle of one colour, from its upper left corner on.
    pub fn rectangle((x, y): Place, width: f64, height: f64, fill: Fill) -> Drawing {
        let corners = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
        Drawing { outline: Outline::Polygon(corners), fill: Some(fill), stroke: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    pub colour: Colour,
    /// From 0, which shows nothing, to 1, which hides what lies below.
    pub opacity: f64,
}

impl Fill {
    pub const fn solid(colour: Colour) -> Fill {
        Fill { colour, opacity: 1.0 }
    }
}

/// Lines end square where the outline ends, and join round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    pub colour: Colour,
    pub width: f64,
    /// Lengths of strokes and gaps in turn, an even number of them; none for a line without gaps.
    pub dash: &'static [f64],
}

impl Stroke {
    pub const fn solid(colour: Colour, width: f64) -> Stroke {
        Stroke { colour, width, dash: &[] }
    }
}

/// One line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub text: String,
    /// On the line that letters stand on; left, mid or right, as `anchor` says.
    pub at: Place,
    pub size: f64,
    pub weight: font::Weight,
    pub anchor: Anchor,
    /// Read from below upwards.
    pub upward: bool,
    pub colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    /// The picture as an SVG file. Its text is text: it can be searched, selected and read out.
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// The picture as a PNG file, with `scale` pixels for each unit of its size.
    pub fn to_png(&self, scale: u32) -> Result<Vec<u8>, TooLarge> {
        png::write(self, scale)
    }
}
