//! The last lines of the terminal, which are temporary: a bar, or the live view of a run. Other lines are printed above
//! them, and at the end they disappear.
//!
//! They are drawn with three sequences that terminals have had since the VT100: move up, erase to the end of the line,
//! erase to the end of the screen. The terminal's mode stays as it is, nothing is read from it, and the cursor is not
//! hidden: it rests in the first column below the footer. So a crash leaves nothing to repair, and a stdin that is a pipe
//! or a terminal that does not answer makes no difference.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;
use std::{io, io::Write};

use super::suspension;
use crate::cli::terminal;

/// A line of the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text, which may contain colours but nothing else that a terminal acts on.
    pub text: String,
    /// The number of columns it takes, fewer than the terminal has.
    pub columns: usize,
}

#[derive(Debug)]
struct Footer {
    /// The lines to show.
    rows: Vec<Row>,
    /// The columns of each line that is on the terminal.
    drawn: Vec<usize>,
    is_closed: bool,
}

static FOOTER: Mutex<Footer> = Mutex::new(Footer { rows: Vec::new(), drawn: Vec::new(), is_closed: false });

/// Shows these lines, which must be fewer than the terminal has.
pub fn show(rows: Vec<Row>) {
    let mut footer = lock();
    if footer.rows != rows || footer.drawn.is_empty() {
        footer.rows = rows;
        footer.draw();
    }
}

/// Removes the footer.
pub fn clear() {
    let mut footer = lock();
    footer.rows.clear();
    footer.erase();
}

/// Removes the footer for now; the next call of [`show`] draws it again.
pub fn erase() {
    lock().erase();
}

/// Removes the footer permanently, because another thread is about to end the program. It remains if a draw does not
/// finish, as on a terminal that accepts no output.
pub fn close() {
    const ATTEMPTS: usize = 50;
    for _ in 0..ATTEMPTS {
        let footer = match FOOTER.try_lock() {
            Ok(footer) => Some(footer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut footer) = footer {
            footer.is_closed = true;
            footer.erase();
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Calls `print`, which writes whole lines to the terminal, while the footer is erased.
pub fn above<T>(print: impl FnOnce() -> T) -> T {
    let mut footer = lock();
    footer.erase();
    let printed = print();
    footer.draw();
    printed
}

/// A panic under the lock leaves the footer usable.
fn lock() -> MutexGuard<'static, Footer> {
    FOOTER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Footer {
    fn draw(&mut self) {
        self.forget();
        // A job in the background would write over what is typed.
        if self.rows.is_empty() || self.is_closed || !terminal::is_in_foreground() {
            return;
        }
        let mut frame = to_first_row(&self.drawn, terminal::rewrapping_columns());
        for row in &self.rows {
            frame.extend([&row.text, "\u{1b}[K\n"]);
        }
        frame += "\u{1b}[J";
        write(&frame);
        self.drawn = self.rows.iter().map(|row| row.columns).collect();
    }

    fn erase(&mut self) {
        self.forget();
        if !self.drawn.is_empty() {
            write(&(to_first_row(&self.drawn, terminal::rewrapping_columns()) + "\u{1b}[J"));
            self.drawn.clear();
        }
    }

    /// While the program was stopped, others have written to the terminal: the footer drawn before stays there.
    fn forget(&mut self) {
        if suspension::has_continued() {
            self.drawn.clear();
        }
    }
}

/// Writes a frame in a single call, so that no partial frame is visible. Errors are ignored.
fn write(frame: &str) {
    let _ = io::stderr().write_all(frame.as_bytes());
}

/// Moves the cursor from below lines of these columns to the start of the first. After a resize, lines wider than the
/// terminal take several rows if it rewraps them.
fn to_first_row(drawn: &[usize], rewrapping: Option<usize>) -> String {
    let height = |&width: &usize| rewrapping.map_or(1, |columns| width.div_ceil(columns).max(1));
    match drawn.iter().map(height).sum::<usize>() {
        0 => "\r".to_owned(),
        rows => format!("\r\u{1b}[{rows}A"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrapped_lines_take_several_rows() {
        let drawn = [79, 40, 0, 41];
        assert_eq!(to_first_row(&drawn, None), "\r\u{1b}[4A");
        assert_eq!(to_first_row(&drawn, Some(80)), "\r\u{1b}[4A");
        assert_eq!(to_first_row(&drawn, Some(40)), "\r\u{1b}[6A");
        assert_eq!(to_first_row(&[], Some(40)), "\r");
    }
}
