//! C literals and comments.

use std::fmt::Write as _;

/// Numbers per line.
const PER_LINE: usize = 8;

/// Writes the values as lines of floating-point literals, each followed by a comma. Each literal is the shortest decimal
/// that parses to the same f32.
pub(super) fn floats(values: &[f32]) -> String {
    let mut text = String::with_capacity(16 * values.len());
    for line in values.chunks(PER_LINE) {
        text.push_str("   ");
        for value in line {
            write!(text, " {value:e}f,").expect("writing to a string cannot fail");
        }
        text.push('\n');
    }
    text
}

/// Writes a string literal of the text in UTF-8. Bytes other than printable ASCII are octal escapes, and so is `?`, since
/// `??` may start a trigraph.
pub(super) fn string(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' | b'?' | ..b' ' | 127.. => format!("\\{byte:03o}"),
        _ => char::from(byte).to_string(),
    };
    format!("\"{}\"", text.bytes().map(byte).collect::<String>())
}

/// Makes a text safe inside a comment, so that it can neither end the comment nor break the line.
pub(super) fn comment(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_alphanumeric() || " .,_-".contains(letter) { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_literals_parse_to_the_same_bits() {
        let values = [0.0, -0.0, 0.1, -1.5e-45, f32::MAX, f32::MIN_POSITIVE, 16_777_217.0, 1.0 / 3.0, 5.0];
        let text = floats(&values);
        let read = text.split(',').map(str::trim).filter(|number| !number.is_empty());
        let read: Vec<f32> = read.map(|number| number.strip_suffix('f').unwrap().parse().unwrap()).collect();
        assert_eq!(read.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), values.map(f32::to_bits));
        assert!(text.starts_with("    0e0f, -0e0f, 1e-1f,"), "{text}");
    }

    #[test]
    fn strings_escape_quotes_trigraphs_and_non_ascii() {
        assert_eq!(string("T-shirt/top"), "\"T-shirt/top\"");
        assert_eq!(string("\"a\\b\"\n1??/é"), r#""\042a\134b\042\0121\077\077/\303\251""#);
    }

    #[test]
    fn a_text_cannot_end_its_comment() {
        assert_eq!(comment("a set, no. 1 */\n#include"), "a set, no. 1 ----include");
    }
}
