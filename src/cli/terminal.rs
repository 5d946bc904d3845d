//! What the terminal can do, if there is one.

use std::env;
use std::io::{self, IsTerminal};

use terminal_size::{Height, Width, terminal_size_of};

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// The size of a terminal that does not report its size.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// Whether stderr is a terminal on which a line can be overwritten: not if `TERM` is `dumb`, empty or, except on Windows,
/// unset.
pub fn can_overwrite() -> bool {
    let can = match env::var_os("TERM") {
        Some(name) => !name.is_empty() && name != "dumb",
        None => cfg!(windows),
    };
    can && io::stderr().is_terminal()
}

/// Whether the terminal's font is likely to have Braille patterns. The fonts of the Linux console and of the old Windows
/// console have none.
pub fn has_braille() -> bool {
    match env::var_os("TERM") {
        Some(name) => name != "linux",
        None => env::var_os("WT_SESSION").is_some(),
    }
}

/// Whether characters beyond ASCII can be shown: whether the locale, if one is set, uses UTF-8.
pub fn has_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| {
        let value = env::var_os(name)?.to_string_lossy().to_lowercase();
        (!value.is_empty()).then_some(value)
    });
    // Containers often have no locale, or the C locale, although the terminal supports UTF-8.
    let is_utf8 = |locale: &str| {
        let encoding = locale.split_once('.').map_or("", |(_, encoding)| encoding);
        encoding.starts_with("utf-8") || encoding.starts_with("utf8") || encoding.is_empty()
    };
    cfg!(windows) || set.as_deref().is_none_or(is_utf8)
}

/// The size of the terminal on stderr.
pub fn size() -> Size {
    terminal_size_of(io::stderr())
        .map_or(USUAL, |(Width(columns), Height(rows))| Size { columns: columns.into(), rows: rows.into() })
}

/// The columns of the terminal on stdout; `None` if stdout is not a terminal, so that files do not depend on a terminal's
/// width.
pub fn stdout_columns() -> Option<usize> {
    let columns =
        || terminal_size_of(io::stdout()).map_or(USUAL.columns, |(Width(columns), _)| columns.into());
    io::stdout().is_terminal().then(columns)
}

/// The columns of the terminal on stderr, if it is known to rewrap lines when it becomes narrower. In other terminals, a
/// line stays on one row.
pub fn rewrapping_columns() -> Option<usize> {
    const VARIABLES: [&str; 8] = [
        "VTE_VERSION",
        "KITTY_WINDOW_ID",
        "ALACRITTY_WINDOW_ID",
        "KONSOLE_VERSION",
        "WEZTERM_PANE",
        "ITERM_SESSION_ID",
        "TMUX",
        "WT_SESSION",
    ];
    const PROGRAMS: [&str; 4] = ["Apple_Terminal", "ghostty", "vscode", "zed"];
    const TERMS: [&str; 3] = ["foot", "xterm-kitty", "alacritty"];
    let is = |variable: &str, names: &[&str]| {
        env::var_os(variable).is_some_and(|value| names.iter().any(|name| value == *name))
    };
    // GNU screen inherits the variables of the terminal that it was started in.
    let rewraps = env::var_os("STY").is_none()
        && (VARIABLES.iter().any(|name| env::var_os(name).is_some())
            || is("TERM_PROGRAM", &PROGRAMS)
            || is("TERM", &TERMS));
    rewraps.then(|| size().columns)
}

/// Whether the program may draw on the terminal on stderr: not as a background job, where the user types other commands.
#[cfg(unix)]
pub fn is_in_foreground() -> bool {
    // SAFETY: both calls only return a number.
    let (foreground, own) = unsafe { (libc::tcgetpgrp(libc::STDERR_FILENO), libc::getpgrp()) };
    // It fails if this is not the program's controlling terminal, which then has no jobs on it.
    foreground == -1 || foreground == own
}

#[cfg(not(unix))]
pub fn is_in_foreground() -> bool {
    true
}
