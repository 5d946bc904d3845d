//! Atomic writes, and reads of regular files only.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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

/// A file could not be written. A previous file at this path is unchanged.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file atomically: into a temporary file beside it, which is flushed to disk and then renamed. Readers see
/// either the old or the new contents, even after a power failure.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Checks whether a file can be written, to fail before long work instead of after it.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let tried = if path.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"))
    } else {
        create_temporary(path).and_then(|(temporary, _)| fs::remove_file(temporary))
    };
    tried.map_err(|source| WriteError { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, file) = create_temporary(path)?;
    let done = fill(file, bytes).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // The write error is more useful than one about this cleanup.
        let _ = fs::remove_file(&temporary);
    }
    done?;
    sync_folder_of(path)
}

/// Removes temporary files that interrupted writes of a path have left beside it. Failures are harmless and ignored.
pub(crate) fn remove_temporary_files_of(path: &Path) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let start = format!(".{name}.");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        if file.to_str().is_some_and(|file| file.starts_with(&start) && file.ends_with(TEMPORARY)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The extension of temporary files.
const TEMPORARY: &str = ".tmp";

/// The number of names that are tried. An interrupted write leaves at most one file.
const ATTEMPTS: u32 = 64;

/// Creates an empty temporary file in the folder of `target`, since a rename works within one file system only.
fn create_temporary(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    let process = std::process::id();
    for attempt in 0..ATTEMPTS {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{process}-{attempt}{TEMPORARY}"));
        let temporary = target.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
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

/// Writes and closes the file, since Windows cannot rename an open one.
fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Flushes the creation or the renaming of a path to disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Flushes the names in a folder to disk. Does nothing on systems other than Unix, where a folder cannot be opened and
/// file systems journal names.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
