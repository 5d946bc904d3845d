//! Writes a drawing as SVG 1.1.

use std::fmt::{self, Write};

use super::font::{FAMILIES, Weight};
use super::{Anchor, Colour, Drawing, Element, Geometry, Point, Shape, Text};

pub(super) fn write(drawing: &Drawing) -> String {
    let mut svg = String::new();
    write_into(&mut svg, drawing).expect("writing to a String does not fail");
    svg
}

fn write_into(svg: &mut String, drawing: &Drawing) -> fmt::Result {
    let (width, height) = (Number(drawing.width), Number(drawing.height));
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILIES}\" stroke-linejoin=\"round\">"
    )?;
    writeln!(svg, "<title>{}</title>", Escaped(&drawing.title))?;
    writeln!(svg, "<desc>{}</desc>", Escaped(&drawing.description))?;
    writeln!(svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", Colour::WHITE)?;
    for element in &drawing.elements {
        match element {
            Element::Shape(shape) => write_shape(svg, shape)?,
            Element::Text(text) => write_text(svg, text)?,
        }
    }
    svg.write_str("</svg>\n")
}

fn write_shape(svg: &mut String, shape: &Shape) -> fmt::Result {
    match &shape.geometry {
        Geometry::Polyline(points) => write!(svg, "<path d=\"{}\"", PathData(points))?,
        Geometry::Polygon(points) => write!(svg, "<path d=\"{}Z\"", PathData(points))?,
        Geometry::Circle { centre: (x, y), radius } => {
            let (x, y, radius) = (Number(*x), Number(*y), Number(*radius));
            write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"")?;
        }
    }
    match shape.fill {
        None => svg.write_str(" fill=\"none\"")?,
        Some(fill) => {
            write!(svg, " fill=\"{}\"", fill.colour)?;
            if fill.opacity < 1.0 {
                write!(svg, " fill-opacity=\"{}\"", Number(fill.opacity))?;
            }
        }
    }
    if let Some(stroke) = shape.stroke {
        write!(svg, " stroke=\"{}\" stroke-width=\"{}\"", stroke.colour, Number(stroke.width))?;
        if !stroke.dash.is_empty() {
            let lengths: Vec<String> = stroke.dash.iter().map(|&length| Number(length).to_string()).collect();
            write!(svg, " stroke-dasharray=\"{}\"", lengths.join(" "))?;
        }
    }
    svg.write_str("/>\n")
}

fn write_text(svg: &mut String, text: &Text) -> fmt::Result {
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
    if text.rotated {
        write!(svg, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    writeln!(svg, " fill=\"{}\">{}</text>", text.colour, Escaped(&text.text))
}

/// A number rounded to two decimals, which is finer than the eye can see, without trailing zeros.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:.2}", self.0);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

struct PathData<'a>(&'a [Point]);

impl fmt::Display for PathData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(x, y)) in self.0.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            write!(f, "{command}{} {}", Number(x), Number(y))?;
        }
        Ok(())
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Colour(red, green, blue) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Text escaped for XML. Characters that XML cannot represent or discourages, all of
/// them invisible, become U+FFFD.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
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
        assert_eq!(Escaped("a < b & \"c\" > d").to_string(), "a &lt; b &amp; \"c\" &gt; d");
        assert_eq!(Escaped("\u{1}\u{ffff}\u{1f600}").to_string(), "\u{fffd}\u{fffd}\u{1f600}");
    }
}
