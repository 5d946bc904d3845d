//! Pieces of HTML in which text is escaped.

use std::fmt;

use crate::escape::escape;

/// A piece of HTML that is also well-formed XML. Text gets into it escaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Html(String);

impl Html {
    /// Text. Control, invisible and direction-changing characters become visible escapes.
    pub fn text(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for letter in escape(text).chars() {
            match letter {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // XML cannot represent them.
                '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
                _ => escaped.push(letter),
            }
        }
        Self(escaped)
    }

    /// Markup that this program wrote, such as a drawing as SVG. Never text of users or files.
    pub fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// Text in the font of code.
    pub fn code(text: &str) -> Self {
        Self(format!("<code>{}</code>", Self::text(text)))
    }

    /// Text in which what is between backticks has the font of code.
    pub fn prose(text: &str) -> Self {
        let parts = text.split('`').enumerate();
        parts.map(|(index, part)| if index % 2 == 1 { Self::code(part) } else { Self::text(part) }).collect()
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &Self) {
        self.0.push_str(&piece.0);
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The markup.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Appends markup of this module's own, which has no unescaped text.
    pub(super) fn markup(&mut self, markup: &str) {
        self.0.push_str(markup);
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }
}
