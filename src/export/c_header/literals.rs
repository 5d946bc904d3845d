//! Numbers and texts as C writes them.

use std::fmt::Write as _;

/// Numbers of one line.
const IN_A_LINE: usize = 8;

/// The values with commas after each, in lines. Each is the shortest decimal that is read back as the same f32.
pub fn floats(values: &[f32]) -> String {
    let mut text = String::with_capacity(16 * values.len());
    for line in values.chunks(IN_A_LINE) {
        text.push_str("   ");
        for value in line {
            write!(text, " {value:e}f,").expect("a String takes all");
        }
        text.push('\n');
    }
    text
}

/// A string literal of the text's UTF-8. What is not plain ASCII is written in octal, and so is `?`, since `??` may
/// begin a trigraph.
pub fn string(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' | b'?' | ..b' ' | 127.. => format!("\\{byte:03o}"),
        _ => char::from(byte).to_string(),
    };
    format!("\"{}\"", text.bytes().map(byte).collect::<String>())
}

/// A text within a comment, which it can neither end nor break.
pub fn comment(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_alphanumeric() || " .,_-".contains(letter) { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_back_as_they_were() {
        let values = [0.0, -0.0, 0.1, -1.5e-45, f32::MAX, f32::MIN_POSITIVE, 16_777_217.0, 1.0 / 3.0, 5.0];
        let text = floats(&values);
        let read = text.split(',').map(str::trim).filter(|number| !number.is_empty());
        let read: Vec<f32> = read.map(|number| number.strip_suffix('f').unwrap().parse().unwrap()).collect();
        assert_eq!(read.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), values.map(f32::to_bits));
        assert!(text.starts_with("    0e0f, -0e0f, 1e-1f,"), "{text}");
    }

    #[test]
    fn strings_hold_whatever_a_class_is_called() {
        assert_eq!(string("T-shirt/top"), "\"T-shirt/top\"");
        assert_eq!(string("\"a\\b\"\n1??/é"), r#""\042a\134b\042\0121\077\077/\303\251""#);
    }

    #[test]
    fn a_comment_ends_where_its_writer_wants() {
        assert_eq!(comment("a set, no. 1 */\n#include"), "a set, no. 1 ----include");
    }
}
