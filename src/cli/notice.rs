//! Lines on stderr. A stderr that is gone is no reason to fail, so what cannot be written is dropped.

use std::fmt::Display;
use std::io::{self, Write};

/// What the user may want to know.
pub fn note(text: impl Display) {
    line(format_args!("{text}"));
}

/// What the user should know.
pub fn warning(text: impl Display) {
    line(format_args!("warning: {text}"));
}

/// Why the program ends.
pub fn error(text: impl Display) {
    line(format_args!("error: {text}"));
}

fn line(text: std::fmt::Arguments) {
    let _ = writeln!(io::stderr(), "{text}");
}
