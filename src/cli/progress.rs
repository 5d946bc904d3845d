//! The progress of work that may take long, on the last line of the terminal. Without a terminal, or with `--quiet`,
//! nothing is shown. Other lines are printed above it, and it leaves nothing behind.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal;
use crate::data::{ImageFilesRead, image_files_read};

/// Work that takes less time shows no progress.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the display is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// With fewer columns there is no room for a bar.
const COLUMNS_OF_BAR: usize = 60;

static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// The line on the terminal, if there is one.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows no progress from now on, and names no files that are written: the command has `--quiet`.
pub fn disable() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Whether the command has `--quiet`.
pub fn is_disabled() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Puts a bar on the last line of the terminal.
pub fn show(bar: &ProgressBar) {
    *shown() = Some(bar.clone());
}

/// Removes the bar.
pub fn hide() {
    if let Some(bar) = shown().take() {
        bar.finish_and_clear();
    }
}

/// Calls `print`, which writes whole lines to the terminal, while the bar is hidden.
pub fn above<T>(print: impl FnOnce() -> T) -> T {
    match &*shown() {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Whatever has panicked, the bar itself is intact.
fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The style of a bar.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> ")
}

/// Shows the progress of some work, from its third second until this value is dropped.
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicU64>,
    /// Ends the thread when it is dropped.
    end: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
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
        if is_disabled() || !terminal::can_overwrite() {
            return Self { done, end: None, thread: None };
        }
        let (end, ended) = mpsc::channel();
        // Without the thread there is no progress to see, which is no reason to fail.
        let thread = thread::Builder::new().spawn(move || draw(&ended, &what, &state)).ok();
        Self { done, end: Some(end), thread }
    }

    /// Counts work that is done.
    pub fn advance(&self, by: usize) {
        self.done.fetch_add(by as u64, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported already.
            let _ = thread.join();
        }
    }
}

/// Draws until the work has ended.
fn draw(ended: &Receiver<Infallible>, what: &str, state: &dyn Fn() -> (u64, u64)) {
    let mut pause = PATIENCE;
    let mut drawn: Option<(ProgressBar, &str)> = None;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = INTERVAL;
        let (done, total) = state();
        let template = match (total, terminal::stderr_columns()) {
            (0, _) => "{wide_msg} {elapsed}",
            (_, ..COLUMNS_OF_BAR) => "{wide_msg} {percent:>3} %",
            _ => "{msg} [{wide_bar}] {pos} of {len}, {eta} left",
        };
        let (bar, current) = drawn.get_or_insert_with(|| {
            let bar = ProgressBar::new(total).with_message(what.to_owned()).with_elapsed(PATIENCE);
            // Before it is shown, so that it is never drawn in indicatif's own style.
            bar.set_style(style(template));
            show(&bar);
            (bar, template)
        });
        if *current != template {
            bar.set_style(style(template));
            *current = template;
        }
        bar.set_length(total);
        bar.set_position(done);
        bar.tick();
    }
    if drawn.is_some() {
        hide();
    }
}
