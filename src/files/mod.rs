//! Atomic writes, outputs, and reads of regular files only.

pub mod faults;
pub(crate) mod operations;
mod output;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

pub(crate) use operations::sync_folder;
pub use output::{check_output, is_same_output, is_stdout, is_written_through, write_output};

/// Opens a regular file and returns its length. Returns `None` for anything else, such as a pipe or a device, which may
/// block or never end.
pub fn open_regular(path: &Path) -> io::Result<Option<(File, u64)>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(Some((File::open(path)?, metadata.len())))
}

/// The largest text file that is read, in bytes: 64 MiB.
const MAX_TEXT: u64 = 64 << 20;

/// Reads a regular file of at most 64 MiB as UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let (file, length) = open_regular(path)?.ok_or_else(|| io::Error::other("not a regular file"))?;
    let too_large = || io::Error::other(format!("larger than {MAX_TEXT} bytes"));
    if length > MAX_TEXT {
        return Err(too_large());
    }
    // A file can grow, and some systems report a length of 0 for files that have contents.
    let text = io::read_to_string(file.take(MAX_TEXT + 1))?;
    if text.len() as u64 > MAX_TEXT { Err(too_large()) } else { Ok(text) }
}

/// A file could not be written. A previous file at this path is unchanged, unless only flushing the new one's name to
/// disk failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file atomically: into a temporary file beside it, which is flushed to disk, read back, and then renamed.
/// Readers see either the old or the new contents, even after a power failure.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Held for reading while a file is being replaced.
static REPLACING: RwLock<()> = RwLock::new(());

/// Waits until no file is being replaced, and lets no replacement begin until the process ends, so that no temporary file is
/// left behind.
#[cfg(feature = "cli")]
pub(crate) fn stop_replacing() {
    std::mem::forget(REPLACING.write().unwrap_or_else(PoisonError::into_inner));
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _replacing = REPLACING.read().unwrap_or_else(PoisonError::into_inner);
    let (temporary, file) = create_temporary(path)?;
    let done = output::keep_permissions(path, &file)
        .and_then(|()| fill(file, &temporary, bytes))
        .and_then(|()| operations::rename(&temporary, path));
    if done.is_err() {
        // The write error is more useful than one about this cleanup.
        let _ = operations::remove_file(&temporary);
    }
    done?;
    sync_folder_of(path)
}

/// Removes temporary files that interrupted writes of a path have left beside it. Failures are harmless and ignored.
pub(crate) fn remove_temporary_files_of(path: &Path) {
    for entry in fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        if is_temporary_file_of(path, &entry.file_name()) {
            let _ = operations::remove_file(&entry.path());
        }
    }
}

/// Returns whether `file` is the name of a temporary file of a write of `path`.
pub(crate) fn is_temporary_file_of(path: &Path, file: &OsStr) -> bool {
    let Some(name) = path.file_name() else { return false };
    let prefix = temporary_prefix(name);
    let (Some(prefix), Some(file)) = (prefix.to_str(), file.to_str()) else { return false };
    file.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(TEMPORARY))
}

/// The extension of temporary files.
const TEMPORARY: &str = ".tmp";

/// The longest name that a temporary file repeats in full, in bytes. Most file systems allow 255, and the rest of the
/// temporary file's name takes up to 20.
const MAX_NAME: usize = 200;

/// How the names of temporary files begin that are written for a file of this name.
fn temporary_prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    if name.len() <= MAX_NAME {
        prefix.push(name);
    } else {
        let name = name.to_string_lossy();
        let end = (0..=MAX_NAME).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        prefix.push(&name[..end]);
    }
    prefix.push(".");
    prefix
}

/// The number of names that are tried. An interrupted write leaves at most one file.
const ATTEMPTS: u32 = 64;

/// Creates an empty temporary file in the folder of `target`, since a rename works within one file system only.
fn create_temporary(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    let process = std::process::id();
    for attempt in 0..ATTEMPTS {
        let mut temporary = temporary_prefix(name);
        temporary.push(format!("{process}-{attempt}{TEMPORARY}"));
        let temporary = target.with_file_name(temporary);
        match operations::create_new(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "too many temporary files of interrupted writes are beside it; remove them",
    ))
}

/// Writes the file, reads it back, and closes it, since Windows cannot rename an open one.
fn fill(file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    operations::write(&file, path, bytes)?;
    operations::sync(&file, path)?;
    if operations::read_back(&file, path)? == bytes {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the content that was read back differs"))
    }
}

/// Flushes the creation or the renaming of a path to disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
