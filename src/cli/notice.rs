//! Lines on stderr. A line that cannot be written is dropped: a closed stderr does not end a command.

use std::fmt::{Arguments, Display};
use std::io::{self, Write};

use super::Failure;

/// Something the user may want to know.
pub fn note(text: impl Display) {
    line(format_args!("{text}"));
}

/// Something the user should know.
pub fn warning(text: impl Display) {
    line(format_args!("warning: {text}"));
}

/// Why the program ends, and a hint if there is one.
pub fn failure(failure: &Failure) {
    line(format_args!("error: {failure}"));
    if let Some(hint) = failure.hint() {
        line(format_args!("hint: {hint}"));
    }
}

fn line(text: Arguments) {
    let _ = writeln!(io::stderr(), "{text}");
}
