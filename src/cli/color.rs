//! `--color`. By default, terminals get colours unless `NO_COLOR` is set, `CLICOLOR` is 0 or the terminal is dumb; files
//! and pipes get them only if `CLICOLOR_FORCE` is set. clap applies the same rules to help.

use std::ffi::OsString;
use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};

/// When to use colours
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal; NO_COLOR and CLICOLOR_FORCE are honoured
    #[default]
    Auto,
    /// On a terminal, in files and in pipes
    Always,
    /// Nowhere
    Never,
}

/// The styles of help, as in cargo.
pub const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightGreen.on_default().bold())
    .usage(AnsiColor::BrightGreen.on_default().bold())
    .literal(AnsiColor::BrightCyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A word in front of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Error,
    Warning,
    Hint,
}

impl Label {
    /// "error: ", in colour on a terminal.
    pub fn text(self) -> String {
        let (word, color) = match self {
            Self::Error => ("error", AnsiColor::BrightRed),
            Self::Warning => ("warning", AnsiColor::BrightYellow),
            Self::Hint => ("hint", AnsiColor::BrightCyan),
        };
        if !on_stderr() {
            return format!("{word}: ");
        }
        let (style, bold) = (color.on_default().bold(), Style::new().bold());
        format!("{style}{word}{style:#}{bold}:{bold:#} ")
    }
}

/// Applies the option before anything is printed, including clap's help and errors about other arguments. clap rejects
/// invalid values later.
pub fn apply(arguments: &[OsString]) {
    // On Windows, this makes the console interpret escape sequences.
    let _ = AutoStream::always_ansi(io::stderr());
    match choice(arguments) {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
}

fn choice(arguments: &[OsString]) -> Color {
    let options = arguments.iter().enumerate().take_while(|(_, argument)| *argument != "--");
    let values = options.filter_map(|(index, argument)| match argument.to_str()? {
        "--color" => arguments.get(index + 1).and_then(|value| value.to_str()),
        joined => joined.strip_prefix("--color="),
    });
    values.last().and_then(|value| Color::from_str(value, false).ok()).unwrap_or_default()
}

/// Whether output on stderr has colours.
pub fn on_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_anywhere() {
        for (arguments, expected) in [
            (&["train"][..], Color::Auto),
            (&["--color", "always", "train"], Color::Always),
            (&["train", "--color=never", "--frobnicate"], Color::Never),
            (&["train", "--color", "blue"], Color::Auto),
            (&["train", "--color"], Color::Auto),
            (&["predict", "--", "--color=never"], Color::Auto),
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(choice(&arguments), expected, "{arguments:?}");
        }
    }
}
