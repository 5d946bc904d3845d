//! A picture as SVG 1.1.

use std::fmt::{self, Write};

use super::font::{FAMILIES, Weight};
use super::{Anchor, Colour, Drawing, Outline, Picture, Place, Shape, Text};

pub(super) fn write(picture: &Picture) -> String {
    let mut svg = String::new();
    write_into(&mut svg, picture).expect("a String takes all that is written");
    svg
}

fn write_into(svg: &mut String, picture: &Picture) -> fmt::Result {
    let (width, height) = (Number(picture.width), Number(picture.height));
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILIES}\" stroke-linejoin=\"round\">"
    )?;
    writeln!(svg, "<title>{}</title>", Escaped(&picture.title))?;
    writeln!(svg, "<desc>{}</desc>", Escaped(&picture.description))?;
    writeln!(svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", Colour::WHITE)?;
    for shape in &picture.shapes {
        match shape {
            Shape::Drawing(drawing) => write_drawing(svg, drawing)?,
            Shape::Text(text) => write_text(svg, text)?,
        }
    }
    svg.write_str("</svg>\n")
}

fn write_drawing(svg: &mut String, drawing: &Drawing) -> fmt::Result {
    match &drawing.outline {
        Outline::Line(places) => write!(svg, "<path d=\"{}\"", Along(places))?,
        Outline::Polygon(places) => write!(svg, "<path d=\"{}Z\"", Along(places))?,
        Outline::Circle { centre: (x, y), radius } => {
            let (x, y, radius) = (Number(*x), Number(*y), Number(*radius));
            write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"")?;
        }
    }
    match drawing.fill {
        None => svg.write_str(" fill=\"none\"")?,
        Some(fill) => {
            write!(svg, " fill=\"{}\"", fill.colour)?;
            if fill.opacity < 1.0 {
                write!(svg, " fill-opacity=\"{}\"", Number(fill.opacity))?;
            }
        }
    }
    if let Some(stroke) = drawing.stroke {
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
    if text.upward {
        write!(svg, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    writeln!(svg, " fill=\"{}\">{}</text>", text.colour, Escaped(&text.text))
}

/// A number to a hundredth, which no eye can tell from a finer one, without the zeros at its end.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:.2}", self.0);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

struct Along<'a>(&'a [Place]);

impl fmt::Display for Along<'_> {
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

/// Text as XML has it. What XML cannot hold, even escaped, is the replacement character.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\t' | '\n' | '\r' => f.write_char(letter)?,
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
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
    fn a_number_is_as_short_as_it_can_be() {
        let written = [0.0, 800.0, 2.5, 1.0 / 3.0, -7.25].map(|number| Number(number).to_string());
        assert_eq!(written, ["0", "800", "2.5", "0.33", "-7.25"]);
    }

    #[test]
    fn text_is_escaped_and_what_xml_cannot_hold_replaced() {
        assert_eq!(Escaped("a < b & \"c\" > d").to_string(), "a &lt; b &amp; \"c\" &gt; d");
        assert_eq!(Escaped("\u{1}\u{ffff}\u{1f600}").to_string(), "\u{fffd}\u{fffd}\u{1f600}");
    }
}
