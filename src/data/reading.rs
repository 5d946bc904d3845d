//! How many image files this process has read, for display while a large folder is read.

use std::sync::atomic::{AtomicU64, Ordering};

static READ: AtomicU64 = AtomicU64::new(0);
static FOUND: AtomicU64 = AtomicU64::new(0);

/// The image files of all folders that this process has read or is reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageFilesRead {
    /// Files that were read so far.
    pub read: u64,
    /// Files that were found so far.
    pub found: u64,
}

/// Returns how many image files this process has read, and how many it has found. Both only grow.
pub fn image_files_read() -> ImageFilesRead {
    ImageFilesRead { read: READ.load(Ordering::Relaxed), found: FOUND.load(Ordering::Relaxed) }
}

/// Counts files that are about to be read.
pub(crate) fn count_found(files: usize) {
    FOUND.fetch_add(files as u64, Ordering::Relaxed);
}

/// Counts a file that was read.
pub(crate) fn count_read() {
    READ.fetch_add(1, Ordering::Relaxed);
}
