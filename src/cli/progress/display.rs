//! The thread that draws the footer. The working threads only store numbers for it, so a slow terminal does not slow
//! them down.

use std::convert::Infallible;
use std::panic;
use std::sync::Once;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::footer::{self, Row};
use super::suspension;
use crate::cli::terminal::{self, Size};

/// How often the footer is drawn.
const INTERVAL: Duration = Duration::from_millis(125);

/// Draws the footer until it is dropped.
#[derive(Debug)]
pub struct Display {
    /// Ends the thread when it is dropped.
    end: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    /// Shows what `rows` returns for the terminal's size, after `patience`.
    pub fn start(patience: Duration, rows: impl FnMut(Size) -> Vec<Row> + Send + 'static) -> Self {
        close_on_panic();
        let (end, ended) = mpsc::channel();
        // Without the thread there is no progress to see, which is no reason to fail.
        let thread = thread::Builder::new().spawn(move || draw(&ended, patience, rows)).ok();
        Self { end: Some(end), thread }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported already.
            let _ = thread.join();
        }
    }
}

fn draw(ended: &Receiver<Infallible>, patience: Duration, mut rows: impl FnMut(Size) -> Vec<Row>) {
    let mut pause = patience;
    let mut is_drawing = false;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        if !is_drawing {
            suspension::begin();
            (is_drawing, pause) = (true, INTERVAL);
        }
        suspension::obey(footer::erase);
        let size = terminal::size();
        let mut shown = rows(size);
        // The cursor is on the line below the footer.
        shown.truncate(size.rows.saturating_sub(1));
        footer::show(shown);
    }
    if is_drawing {
        footer::clear();
        suspension::end();
    }
}

/// Closes the footer before the message of a panic is printed.
fn close_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            footer::close();
            print(panic);
        }));
    });
}
