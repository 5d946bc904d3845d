//! Writes a drawing as an SVG 1.1 file or as an `<svg>` element of an HTML page.

use std::fmt::{self, Write};

use super::font::{self, FAMILIES, Weight};
use super::{Anchor, Colour, Drawing, Element, Geometry, Point, Shape, Text};

/// What a drawing is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A file, with white paper.
    File,
    /// An HTML page, which sets the colours.
    Page,
}

/// Why writing cannot fail.
const TO_A_STRING: &str = "writing to a String does not fail";

pub(super) fn file(drawing: &Drawing) -> String {
    let (width, height) = (Number(drawing.width), Number(drawing.height));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILIES}\" stroke-linejoin=\"round\">\n\
         <title>{}</title>\n\
         <desc>{}</desc>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        Escaped(&drawing.title),
        Escaped(&drawing.description),
        Colour::Paper.hex()
    );
    write_elements(&mut svg, drawing, Target::File).expect(TO_A_STRING);
    svg
}

/// The `<svg>` element of a page, with a class if it is not empty. A `<title>` would be shown as a tooltip everywhere, so
/// the element has a label instead.
pub(super) fn element(drawing: &Drawing, class: &str) -> String {
    let (width, height) = (Number(drawing.width), Number(drawing.height));
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let mut svg = format!(
        "<svg{class} role=\"img\" aria-label=\"{}\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILIES}\" stroke-linejoin=\"round\">\n",
        Escaped(&drawing.title)
    );
    if !drawing.description.is_empty() {
        writeln!(svg, "<desc>{}</desc>", Escaped(&drawing.description)).expect(TO_A_STRING);
    }
    write_elements(&mut svg, drawing, Target::Page).expect(TO_A_STRING);
    svg
}

fn write_elements(svg: &mut String, drawing: &Drawing, target: Target) -> fmt::Result {
    for element in &drawing.elements {
        match element {
            Element::Shape(shape) => write_shape(svg, shape, target)?,
            Element::Text(text) => write_text(svg, text, target)?,
        }
    }
    svg.write_str("</svg>\n")
}

fn write_shape(svg: &mut String, shape: &Shape, target: Target) -> fmt::Result {
    let tag = match &shape.geometry {
        Geometry::Polyline(points) => {
            write!(svg, "<path d=\"{}\"", PathData(points, target))?;
            "path"
        }
        Geometry::Polygon(points) => {
            write!(svg, "<path d=\"{}Z\"", PathData(points, target))?;
            "path"
        }
        Geometry::Circle { centre: (x, y), radius } => {
            let (x, y, radius) = (Number(*x), Number(*y), Number(*radius));
            write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"")?;
            "circle"
        }
    };
    match shape.fill {
        None => svg.write_str(" fill=\"none\"")?,
        Some(fill) => {
            write!(svg, " fill=\"{}\"", Paint(fill.colour, target))?;
            if fill.opacity < 1.0 {
                write!(svg, " fill-opacity=\"{}\"", Number(fill.opacity))?;
            }
        }
    }
    if let Some(stroke) = shape.stroke {
        write!(
            svg,
            " stroke=\"{}\" stroke-width=\"{}\"",
            Paint(stroke.colour, target),
            Number(stroke.width)
        )?;
        if !stroke.dash.is_empty() {
            let lengths: Vec<String> = stroke.dash.iter().map(|&length| Number(length).to_string()).collect();
            write!(svg, " stroke-dasharray=\"{}\"", lengths.join(" "))?;
        }
    }
    let Some(tooltip) = &shape.tooltip else { return svg.write_str("/>\n") };
    // By default, areas that are not painted receive no mouse events.
    let all = if shape.fill.is_none() && shape.stroke.is_none() { " pointer-events=\"all\"" } else { "" };
    writeln!(svg, "{all}><title>{}</title></{tag}>", Escaped(tooltip))
}

/// Writes a line of text, stretched to the width that the layout assumes: the viewer may use another font.
fn write_text(svg: &mut String, text: &Text, target: Target) -> fmt::Result {
    if text.text.is_empty() {
        return Ok(());
    }
    let (x, y) = (Number(text.at.0), Number(text.at.1));
    write!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"", Number(text.size))?;
    if text.weight == Weight::Bold {
        svg.write_str(" font-weight=\"bold\"")?;
    }
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => svg.write_str(" text-anchor=\"middle\"")?,
        Anchor::End => svg.write_str(" text-anchor=\"end\"")?,
    }
    // The width of characters that are missing from the built-in font is unknown.
    if font::has_all(&text.text, text.weight) {
        let width = Number(font::width(&text.text, text.size, text.weight));
        write!(svg, " textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"")?;
    }
    if text.rotated {
        write!(svg, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    writeln!(svg, " fill=\"{}\">{}</text>", Paint(text.colour, target), Escaped(&text.text))
}

/// A colour as the target has it.
struct Paint(Colour, Target);

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Target::File => self.0.hex().fmt(f),
            Target::Page => self.0.css().fmt(f),
        }
    }
}

/// A number rounded to two decimals, which is finer than the eye can see, without trailing zeros.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:.2}", self.0);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The corners of a path. A page has many of them, and a tenth of a unit is less than a pixel.
struct PathData<'a>(&'a [Point], Target);

impl fmt::Display for PathData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(x, y)) in self.0.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let rounded = |value: f64| match self.1 {
                Target::File => Number(value),
                Target::Page => Number((10.0 * value).round() / 10.0),
            };
            write!(f, "{command}{} {}", rounded(x), rounded(y))?;
        }
        Ok(())
    }
}

/// Text escaped for XML and HTML, also within double quotes. Characters that XML cannot represent or discourages, all of
/// them invisible, become U+FFFD.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\t' | '\n' | '\r' => f.write_char(letter)?,
                '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?
                }
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_at_most_two_decimals_and_no_trailing_zeros() {
        let written = [0.0, 800.0, 2.5, 1.0 / 3.0, -7.25].map(|number| Number(number).to_string());
        assert_eq!(written, ["0", "800", "2.5", "0.33", "-7.25"]);
    }

    #[test]
    fn text_is_escaped_and_invalid_xml_characters_are_replaced() {
        assert_eq!(Escaped("a < b & \"c\" > d").to_string(), "a &lt; b &amp; &quot;c&quot; &gt; d");
        assert_eq!(Escaped("\u{1}\u{ffff}\u{1f600}").to_string(), "\u{fffd}\u{fffd}\u{1f600}");
    }
}
