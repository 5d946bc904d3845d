//! The progress of long work, on the last lines of the terminal. Without a terminal, or with `--quiet`, nothing is shown.
//! Other lines are printed above it, and it leaves nothing behind.

mod bar;
mod display;
mod footer;
mod suspension;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::terminal;
use crate::data::{ImageFilesRead, image_files_read};

pub use bar::{bar, duration, line};
pub use display::Display;
pub use footer::{Row, above, close};

/// Shorter work shows no progress.
const PATIENCE: Duration = Duration::from_secs(2);

static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Shows no progress from now on, and names no files that are written: the command has `--quiet`.
pub fn disable() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Whether the command has `--quiet`.
pub fn is_disabled() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Shows the progress of some work, from its third second until this value is dropped.
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicU64>,
    _display: Option<Display>,
}

impl Progress {
    /// Shows how much of `total` is done, or only the time if the total is unknown (0). `what` is what the program does:
    /// "classifying".
    pub fn start(what: impl Into<String>, total: usize) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        Self::with(done, what.into(), move || (counted.load(Ordering::Relaxed), total as u64))
    }

    /// Shows how many image files have been read.
    pub fn reading() -> Self {
        let before = image_files_read();
        let state = move || {
            let ImageFilesRead { read, found } = image_files_read();
            (read - before.read, found - before.found)
        };
        Self::with(Arc::default(), "reading images".to_owned(), state)
    }

    fn with(done: Arc<AtomicU64>, what: String, state: impl Fn() -> (u64, u64) + Send + 'static) -> Self {
        let begun = Instant::now();
        let rows = move |size: terminal::Size| {
            let (seconds, (done, total)) = (begun.elapsed().as_secs_f64(), state());
            vec![match total {
                0 => line(&what, &duration(seconds), size.columns),
                _ => bar(&what, done as f64 / total as f64, &details(done, total, seconds), size.columns),
            }]
        };
        let is_shown = !is_disabled() && terminal::can_overwrite();
        Self { done, _display: is_shown.then(|| Display::start(PATIENCE, rows)) }
    }

    /// Counts work that is done.
    pub fn advance(&self, by: usize) {
        self.done.fetch_add(by as u64, Ordering::Relaxed);
    }
}

/// "5 of 10, 3 s left", if the rest takes as long as what is done.
fn details(done: u64, total: u64, seconds: f64) -> String {
    match done {
        0 => format!("{done} of {total}"),
        _ => {
            let left = seconds * total.saturating_sub(done) as f64 / done as f64;
            format!("{done} of {total}, {} left", duration(left))
        }
    }
}
