//! Text from files, drivers, servers and the command line, made safe to show: a name must not move the cursor, forge a
//! line or reverse the text that follows.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes what a terminal acts on instead of showing it: control characters with line breaks and tabs, and invisible or
/// direction-changing characters. Each becomes Rust's escape of it, such as `\u{1b}` or `\n`. Other text, including
/// backslashes, is unchanged, so escaping twice gives the same as once.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe, |letter, shown| {
        match letter {
            '\t' | '\n' | '\r' => shown.extend(letter.escape_default()),
            _ => shown.extend(letter.escape_unicode()),
        };
    })
}

/// Escapes the same characters in JSON, as `\u001b`, which programs read as the original characters. JSON has them in
/// strings only, except for the line breaks and tabs of its layout, which stay.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    let is_in_string = |letter: char| is_unsafe(letter) && !letter.is_ascii_whitespace();
    replace(json, is_in_string, |letter, shown| {
        for unit in letter.encode_utf16(&mut [0; 2]) {
            write!(shown, "\\u{unit:04x}").expect("writing to a string cannot fail");
        }
    })
}

fn replace(text: &str, is_replaced: impl Fn(char) -> bool, by: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if is_replaced(letter) { by(letter, &mut shown) } else { shown.push(letter) }
    }
    Cow::Owned(shown)
}

/// Whether a character does something else than to appear. Joiners (U+200C, U+200D) are harmless and part of Persian
/// words and of emoji.
fn is_unsafe(letter: char) -> bool {
    letter.is_control() // C0, DEL and C1
        || matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
            | '\u{2028}' | '\u{2029}' // line and paragraph separator
            | '\u{200b}' | '\u{2060}' | '\u{feff}' // no width
            | '\u{fff9}'..='\u{fffb}' // interlinear annotation
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_terminals_act_on_are_escaped() {
        assert_eq!(escape("a\u{1b}[31mb\u{7}"), r"a\u{1b}[31mb\u{7}");
        assert_eq!(escape("two\r\nlines\t\0"), r"two\r\nlines\t\u{0}");
        assert_eq!(escape("\u{7f}\u{9b}31m\u{85}"), r"\u{7f}\u{9b}31m\u{85}");
        assert_eq!(escape("x\u{202e}gnp.exe\u{2066}"), r"x\u{202e}gnp.exe\u{2066}");
        assert_eq!(escape("a\u{2028}b\u{200b}c\u{feff}"), r"a\u{2028}b\u{200b}c\u{feff}");
    }

    #[test]
    fn visible_text_of_any_language_is_unchanged() {
        for text in ["", "café", "数字 7", "👩‍🔬 ∑ → ½", "שלום", r"C:\new\table", "می‌خواهم"]
        {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn escaping_twice_changes_nothing_more() {
        let once = escape("\u{1b}]0;x\u{7}\\\n").into_owned();
        assert_eq!(escape(&once), once);
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({ "name": "\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}\n\t\"é👩‍🔬" });
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = escape_json(&json);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
            assert!(!escaped.chars().any(|letter| is_unsafe(letter) && letter != '\n'), "{escaped:?}");
        }
    }
}
