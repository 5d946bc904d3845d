//! The built-in fonts: text widths for layout and glyph outlines for PNG. They are part of the program, so that a figure
//! looks the same on every machine. README.md in this folder describes their origin.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

static REGULAR: LazyLock<Face<'static>> = LazyLock::new(|| parsed(include_bytes!("regular.ttf")));
static BOLD: LazyLock<Face<'static>> = LazyLock::new(|| parsed(include_bytes!("bold.ttf")));

fn parsed(file: &'static [u8]) -> Face<'static> {
    Face::parse(file, 0).expect("the built-in fonts are valid")
}

/// Font families with the same widths as the built-in fonts, for SVG viewers to choose from.
pub const FAMILIES: &str = "Arial, Helvetica, Liberation Sans, Arimo, sans-serif";

/// The height of capitals and digits, as a fraction of the font size.
pub const CAP_HEIGHT: f64 = 0.69;

/// How far letters such as g extend below the baseline, as a fraction of the font size.
pub const DESCENT: f64 = 0.21;

/// A font weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Regular.
    Regular,
    /// Bold.
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

/// Returns the width of a line of text, in the unit of `size`.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let (_, width) = layout(text, weight.face());
    width * size / f64::from(weight.face().units_per_em())
}

/// Whether the font has all characters of a text.
pub(super) fn has_all(text: &str, weight: Weight) -> bool {
    text.chars().all(|letter| weight.face().glyph_index(letter).is_some())
}

/// Passes the outlines of a line of text to `builder`: in the unit of `size`, starting at (0, 0), with y pointing down.
pub fn outline(text: &str, size: f64, weight: Weight, builder: &mut dyn OutlineBuilder) {
    let face = weight.face();
    let unit = (size / f64::from(face.units_per_em())) as f32;
    for (glyph, x) in layout(text, face).0 {
        face.outline_glyph(glyph, &mut Placed { builder, x: x as f32, unit });
    }
}

/// Converts a glyph's outline from font units, with y pointing up, to its position in the line.
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

/// Returns each character's glyph and x position, and the total width, in font units. Characters that the font lacks get
/// glyph 0, an empty box.
fn layout(text: &str, face: &Face) -> (Vec<(GlyphId, f64)>, f64) {
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

/// The font's kerning between two glyphs: positive values move them apart.
fn kerning(face: &Face, left: GlyphId, right: GlyphId) -> f64 {
    let Some(table) = face.tables().kern else { return 0.0 };
    let found = table.subtables.into_iter().find_map(|pairs| pairs.glyphs_kerning(left, right));
    f64::from(found.unwrap_or(0))
}

/// Breaks `text` into lines of at most `width`, between words, or within a word that is wider than a line. Any white
/// space counts as one space.
pub fn wrap(text: &str, size: f64, weight: Weight, width: f64) -> Vec<String> {
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

/// Returns `text`, cut to `width` with an ellipsis if it is wider.
pub fn truncate(text: &str, size: f64, weight: Weight, width: f64) -> String {
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
        // From Arial's hmtx table, 2048 units per em: digits are 1139 wide, A 1366, the space 569.
        assert_eq!(width("0", 2048.0, Weight::Regular), 1139.0);
        assert_eq!(width("A", 2048.0, Weight::Regular), 1366.0);
        assert_eq!(width(" ", 2048.0, Weight::Regular), 569.0);
    }

    #[test]
    fn kerning_pairs_are_narrower_than_their_letters() {
        let apart = width("A", SIZE, Weight::Regular) + width("V", SIZE, Weight::Regular);
        assert!(width("AV", SIZE, Weight::Regular) < apart);
    }

    #[test]
    fn both_weights_have_the_characters_that_figures_use() {
        for letter in "AZaz09 .,;:()[]%±×·–—−“”‘’…≤≥≈→βμσ√".chars() {
            for weight in [Weight::Regular, Weight::Bold] {
                assert!(weight.face().glyph_index(letter).is_some(), "{letter} in {weight:?}");
            }
        }
    }

    #[test]
    fn a_character_missing_from_the_font_has_a_width() {
        assert!(width("漢", SIZE, Weight::Regular) > 0.0);
    }

    #[test]
    fn wrap_keeps_words_and_respects_the_width() {
        let text = "Training accuracy by epoch,  three\nruns each";
        let lines = wrap(text, SIZE, Weight::Regular, 90.0);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| width(line, SIZE, Weight::Regular) <= 90.0), "{lines:?}");
        assert_eq!(lines.join(" "), "Training accuracy by epoch, three runs each");
    }

    #[test]
    fn wrap_breaks_a_word_that_is_too_wide_without_losing_letters() {
        let lines = wrap("a incomprehensibilities b", SIZE, Weight::Bold, 40.0);
        assert!(lines.iter().all(|line| width(line, SIZE, Weight::Bold) <= 40.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), "aincomprehensibilitiesb");
        assert_eq!(wrap("ab", SIZE, Weight::Bold, 0.0), ["a", "b"]);
    }

    #[test]
    fn truncate_ends_in_an_ellipsis() {
        assert_eq!(truncate("abc", SIZE, Weight::Regular, 90.0), "abc");
        let short = truncate("incomprehensibilities", SIZE, Weight::Regular, 40.0);
        assert!(short.starts_with("inc") && short.ends_with('…'), "{short}");
        assert!(width(&short, SIZE, Weight::Regular) <= 40.0);
        assert_eq!(truncate("abc", SIZE, Weight::Regular, 0.0), "…");
    }

    #[test]
    fn wrap_of_white_space_has_no_lines() {
        assert!(wrap(" \n\t", SIZE, Weight::Regular, 90.0).is_empty());
    }
}
