//! Lines on stderr. Each notice is one line: what a terminal would act on, such as a line break in a file's name, is
//! escaped. A line that cannot be written is dropped: a closed stderr does not end a command.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::color::Label;
use super::{Failure, progress};
use crate::escape::escape;
use crate::files::is_written_through;

/// Whether another process of the job prints what concerns all of them.
static IS_SILENT: AtomicBool = AtomicBool::new(false);

/// Prints nothing from now on but failures of this process alone.
pub fn silence() {
    IS_SILENT.store(true, Ordering::Relaxed);
}

/// The notes and warnings so far, if each is to be shown once.
static SHOWN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// From now on, a note or a warning that was shown before is dropped: what holds for one member of a sweep often holds for
/// all.
pub fn show_each_once() {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// Whether a note or a warning is to be shown.
fn is_new(text: &str) -> bool {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    shown.as_mut().is_none_or(|shown| shown.insert(text.to_owned()))
}

/// Something the user may want to know.
pub fn note(text: impl Display) {
    let text = text.to_string();
    if is_new(&text) {
        escaped(&escape(&text));
    }
}

/// Something the user should know.
pub fn warning(text: impl Display) {
    let text = text.to_string();
    if is_new(&text) {
        labelled(Label::Warning, &text);
    }
}

/// Why the program ends, and a hint if there is one.
pub fn failure(failure: &Failure) {
    labelled(Label::Error, &failure.to_string());
    if let Some(hint) = failure.hint() {
        labelled(Label::Hint, &hint);
    }
}

/// Why this rank ends all processes of the job.
pub fn failure_of_rank(rank: usize, of_rank: &Failure) {
    IS_SILENT.store(false, Ordering::Relaxed);
    if rank == 0 {
        return failure(of_rank);
    }
    labelled(Label::Error, &format!("rank {rank}: {of_rank}"));
    if let Some(hint) = of_rank.hint() {
        labelled(Label::Hint, &hint);
    }
}

/// Names a file that was written, unless it is a device such as stdout, or with `--quiet`.
pub fn written(path: &Path) {
    if !is_written_through(path) && !progress::is_disabled() {
        note(format_args!("wrote {}", path.display()));
    }
}

/// A message of the log of another library. Its further lines are indented, so that none looks like a notice.
pub fn log(record: &log::Record) {
    let head = format!("[{} {}]", record.level(), record.target());
    let message = record.args().to_string();
    let lines: Vec<_> = message.lines().map(|line| escape(line.trim())).collect();
    escaped(&format!("{} {}", escape(&head), lines.join("\n    ")));
}

/// Lines that are escaped already.
pub fn escaped(lines: &str) {
    if IS_SILENT.load(Ordering::Relaxed) {
        return;
    }
    let _ = progress::above(|| io::stderr().write_all(format!("{lines}\n").as_bytes()));
}

fn labelled(label: Label, text: &str) {
    escaped(&(label.text() + &escape(text)));
}
