//! The figures' letters: their widths, for layout, and their outlines, for pixels. They come with the
//! program, so that a figure is the same on every machine. What they are and how they were made stands
//! in README.md beside this file.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

static REGULAR: LazyLock<Face<'static>> = LazyLock::new(|| parsed(include_bytes!("regular.ttf")));
static BOLD: LazyLock<Face<'static>> = LazyLock::new(|| parsed(include_bytes!("bold.ttf")));

fn parsed(file: &'static [u8]) -> Face<'static> {
    Face::parse(file, 0).expect("the fonts in the program are whole")
}

/// The names of faces with the widths of ours, for an SVG's viewer to choose from.
pub const FAMILIES: &str = "Arial, Helvetica, Liberation Sans, Arimo, sans-serif";

/// How high a capital or a digit stands, by the font's size.
pub const CAPITAL: f64 = 0.69;

/// How far letters such as g hang below their line, by the font's size.
pub const DESCENT: f64 = 0.21;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

impl Weight {
    fn face(self) -> &'static Face<'static> {
        match self {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }
}

/// The width of a line of text, in the unit of `size`.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let (_, width) = set(text, weight.face());
    width * size / f64::from(weight.face().units_per_em())
}

/// Tells `builder` the outlines of a line of text that begins at (0, 0), with y downwards as pictures
/// have it, in the unit of `size`.
pub fn outline(text: &str, size: f64, weight: Weight, builder: &mut dyn OutlineBuilder) {
    let face = weight.face();
    let unit = (size / f64::from(face.units_per_em())) as f32;
    for (glyph, x) in set(text, face).0 {
        face.outline_glyph(glyph, &mut Placed { builder, x: x as f32, unit });
    }
}

/// Takes a glyph's outline, in font units with y upwards, to its place in the line.
struct Placed<'a> {
    builder: &'a mut dyn OutlineBuilder,
    x: f32,
    unit: f32,
}

impl Placed<'_> {
    fn x(&self, x: f32) -> f32 {
        (self.x + x) * self.unit
    }

    fn y(&self, y: f32) -> f32 {
        -y * self.unit
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.builder.move_to(self.x(x), self.y(y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.builder.line_to(self.x(x), self.y(y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.builder.quad_to(self.x(x1), self.y(y1), self.x(x), self.y(y));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.builder.curve_to(self.x(x1), self.y(y1), self.x(x2), self.y(y2), self.x(x), self.y(y));
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

/// Each letter's glyph and how far right it begins, and the width of them all, in font units. For what
/// the font lacks, its first glyph stands, an empty box.
fn set(text: &str, face: &Face) -> (Vec<(GlyphId, f64)>, f64) {
    let mut x = 0.0;
    let mut before = None;
    let mut glyphs = Vec::new();
    for letter in text.chars() {
        let glyph = face.glyph_index(letter).unwrap_or_default();
        if let Some(before) = before {
            x += kerning(face, before, glyph);
        }
        glyphs.push((glyph, x));
        x += f64::from(face.glyph_hor_advance(glyph).unwrap_or(0));
        before = Some(glyph);
    }
    (glyphs, x)
}

/// By how much the font moves two glyphs apart, or together where negative.
fn kerning(face: &Face, left: GlyphId, right: GlyphId) -> f64 {
    let Some(table) = face.tables().kern else { return 0.0 };
    let found = table.subtables.into_iter().find_map(|pairs| pairs.glyphs_kerning(left, right));
    f64::from(found.unwrap_or(0))
}

/// `text` in lines of at most `width`, broken between words, and within a word that has no room on a
/// line of its own. White space of any kind is one space.
pub fn wrapped(text: &str, size: f64, weight: Weight, width: f64) -> Vec<String> {
    let fits = |line: &str| self::width(line, size, weight) <= width;
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            line.push(letter);
            if !fits(&line) && line.chars().nth(1).is_some() {
                line.pop();
                lines.push(std::mem::replace(&mut line, letter.to_string()));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// `text`, or as much of its beginning as has room in `width` before an ellipsis.
pub fn shortened(text: &str, size: f64, weight: Weight, width: f64) -> String {
    let fits = |line: &str| self::width(line, size, weight) <= width;
    if fits(text) {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while kept.pop().is_some() && !fits(&format!("{kept}…")) {}
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: f64 = 10.0;

    #[test]
    fn widths_are_those_of_arial() {
        // From Arial's table of widths, of 2048 an em: a digit is 1139 wide, A 1366, a space 569.
        assert_eq!(width("0", 2048.0, Weight::Regular), 1139.0);
        assert_eq!(width("A", 2048.0, Weight::Regular), 1366.0);
        assert_eq!(width(" ", 2048.0, Weight::Regular), 569.0);
    }

    #[test]
    fn a_pair_such_as_av_is_drawn_together() {
        let apart = width("A", SIZE, Weight::Regular) + width("V", SIZE, Weight::Regular);
        assert!(width("AV", SIZE, Weight::Regular) < apart);
    }

    #[test]
    fn the_signs_of_figures_are_in_both_weights() {
        for letter in "AZaz09 .,;:()[]%±×·–—−“”‘’…≤≥≈→βμσ√".chars() {
            for weight in [Weight::Regular, Weight::Bold] {
                assert!(weight.face().glyph_index(letter).is_some(), "{letter} in {weight:?}");
            }
        }
    }

    #[test]
    fn a_letter_that_the_font_lacks_is_a_box() {
        assert!(width("漢", SIZE, Weight::Regular) > 0.0);
    }

    #[test]
    fn a_wrapped_text_keeps_its_words_and_its_width() {
        let text = "Training accuracy by epoch,  three\nruns each";
        let lines = wrapped(text, SIZE, Weight::Regular, 90.0);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| width(line, SIZE, Weight::Regular) <= 90.0), "{lines:?}");
        assert_eq!(lines.join(" "), "Training accuracy by epoch, three runs each");
    }

    #[test]
    fn a_word_that_has_no_room_is_broken_and_no_letter_lost() {
        let lines = wrapped("a incomprehensibilities b", SIZE, Weight::Bold, 40.0);
        assert!(lines.iter().all(|line| width(line, SIZE, Weight::Bold) <= 40.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), "aincomprehensibilitiesb");
        assert_eq!(wrapped("ab", SIZE, Weight::Bold, 0.0), ["a", "b"]);
    }

    #[test]
    fn a_text_that_has_no_room_ends_in_an_ellipsis() {
        assert_eq!(shortened("abc", SIZE, Weight::Regular, 90.0), "abc");
        let short = shortened("incomprehensibilities", SIZE, Weight::Regular, 40.0);
        assert!(short.starts_with("inc") && short.ends_with('…'), "{short}");
        assert!(width(&short, SIZE, Weight::Regular) <= 40.0);
        assert_eq!(shortened("abc", SIZE, Weight::Regular, 0.0), "…");
    }

    #[test]
    fn a_text_of_nothing_but_space_has_no_lines() {
        assert!(wrapped(" \n\t", SIZE, Weight::Regular, 90.0).is_empty());
    }
}
