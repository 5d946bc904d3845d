//! What the terminal can do, if there is one.

use std::env;
use std::io::{self, IsTerminal};

use terminal_size::{Width, terminal_size_of};

/// The columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Whether stderr is a terminal on which a line can be overwritten. `TERM=dumb` cannot, and neither can an unknown one, but
/// consoles of Windows do not set the variable.
pub fn can_overwrite() -> bool {
    let can = match env::var_os("TERM") {
        Some(name) => !name.is_empty() && name != "dumb",
        None => cfg!(windows),
    };
    can && io::stderr().is_terminal()
}

/// The columns of the terminal that stderr is.
pub fn stderr_columns() -> usize {
    terminal_size_of(io::stderr()).map_or(COLUMNS, |(Width(columns), _)| columns.into())
}

/// The columns of the terminal that stdout is; `None` if it is none, so that what is saved to a file does not depend on a
/// terminal.
pub fn stdout_columns() -> Option<usize> {
    let columns = || terminal_size_of(io::stdout()).map_or(COLUMNS, |(Width(columns), _)| columns.into());
    io::stdout().is_terminal().then(columns)
}
