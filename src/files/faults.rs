//! Fault injection for tests: an observer is called before each file-system operation on paths beneath a folder. It can
//! let the operation fail, damage a file, or end the process.
//!
//! Without an observer, an operation costs one relaxed load more.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An operation that is about to be done on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Create the folder.
    CreateFolder,
    /// Create the file, or open it if it exists.
    Create,
    /// Open the file to append to it.
    Open,
    /// Read the file.
    Read,
    /// Lock the file.
    Lock,
    /// Write these bytes at the end of the file.
    Write(&'a [u8]),
    /// Flush the file, or the names in the folder, to disk.
    Sync,
    /// Cut the file to this length.
    Truncate(u64),
    /// Rename the file to this path.
    Rename(&'a Path),
    /// Remove the file or the folder.
    Remove,
}

type Observer = dyn FnMut(&Operation, &Path) -> io::Result<()> + Send;

struct Registered {
    id: u64,
    folder: PathBuf,
    observer: Box<Observer>,
}

static OBSERVERS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// An observer, which is called until this value is dropped.
#[must_use]
pub struct Observation {
    id: u64,
}

/// Calls `observer` before each operation on a path beneath `folder`, from whatever thread. If it returns an error, the
/// operation fails with it instead of being done.
pub fn observe(
    folder: &Path,
    observer: impl FnMut(&Operation, &Path) -> io::Result<()> + Send + 'static,
) -> Observation {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    observers().push(Registered { id, folder: folder.to_owned(), observer: Box::new(observer) });
    COUNT.fetch_add(1, Ordering::Relaxed);
    Observation { id }
}

impl Drop for Observation {
    fn drop(&mut self) {
        observers().retain(|registered| registered.id != self.id);
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").finish_non_exhaustive()
    }
}

/// Calls the observers of `path`.
pub(super) fn announce(operation: &Operation, path: &Path) -> io::Result<()> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    let mut observers = observers();
    let mut of_path = observers.iter_mut().filter(|registered| path.starts_with(&registered.folder));
    of_path.try_for_each(|registered| (registered.observer)(operation, path))
}

/// A panic in an observer, which fails its own test, must not fail others.
fn observers() -> MutexGuard<'static, Vec<Registered>> {
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}
