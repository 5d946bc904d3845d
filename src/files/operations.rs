//! The file-system operations behind a run's files. Each one is announced to [`faults`] first, so that tests can let any
//! of them fail, or end the process there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use fs4::{FileExt, TryLockError};

use super::faults::{Operation, announce};
use super::sync_folder_of;

/// Creates a folder, and flushes its name to disk. If that fails, the folder is removed.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    announce(&Operation::CreateFolder, path)?;
    fs::create_dir(path)?;
    sync_folder_of(path).inspect_err(|_| {
        // The error is more useful than one about this cleanup.
        let _ = remove_folder(path);
    })
}

/// Creates a folder and its missing parents, unless it exists. Returns whether it was created.
pub(crate) fn create_folders(path: &Path) -> io::Result<bool> {
    // The empty path is the parent of a relative path with one component.
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(false);
    }
    match create_folder(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // If the parent exists, the system has another reason: `/proc` has no room for folders.
            let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) else { return Err(error) };
            create_folders(parent)?;
            create_folder(path).map(|()| true)
        }
        // Another process was faster, or a file has this name.
        Err(_) if path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a file that does not exist yet. It can also be read.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    announce(&Operation::Create, path)?;
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Opens a regular file for writing, creating it if it does not exist. Its content stays.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    announce(&Operation::Create, path)?;
    open_plain(path, OpenOptions::new().write(true).create(true).truncate(false))
}

/// Opens a regular file for reading.
pub(crate) fn open_existing(path: &Path) -> io::Result<File> {
    announce(&Operation::Open, path)?;
    open_plain(path, OpenOptions::new().read(true))
}

/// Opens a regular file to append to it.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    announce(&Operation::Open, path)?;
    open_plain(path, OpenOptions::new().append(true))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Returns [`io::ErrorKind::FileTooLarge`] if the file has more.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    announce(&Operation::Read, path)?;
    let file = open_plain(path, OpenOptions::new().read(true))?;
    let length = file.metadata()?.len();
    if length > limit {
        let message = format!("it has {length} bytes, more than the {limit} that are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes all bytes. `path` is that of the file.
pub(crate) fn write(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    announce(&Operation::Write(bytes), path)?;
    file.write_all(bytes)
}

/// Reads an open file from its start.
pub(crate) fn read_back(mut file: &File, path: &Path) -> io::Result<Vec<u8>> {
    announce(&Operation::Read, path)?;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Flushes a file's content to disk.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    announce(&Operation::Sync, path)?;
    file.sync_all()
}

/// Flushes the names in a folder to disk. Does nothing on systems other than Unix, where a folder cannot be opened and
/// file systems journal names.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    announce(&Operation::Sync, folder)?;
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Locks a file against other processes. The operating system releases the lock when the file is closed, even if the
/// process is killed.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<(), TryLockError> {
    announce(&Operation::Lock, path)?;
    // Called through the trait because newer standard libraries have a method of the same name.
    FileExt::try_lock(file)
}

/// Locks a file against processes that want it for themselves, but not against other shared locks.
pub(crate) fn try_lock_shared(file: &File, path: &Path) -> Result<(), TryLockError> {
    announce(&Operation::Lock, path)?;
    FileExt::try_lock_shared(file)
}

/// Sets the length of a file.
pub(crate) fn truncate(file: &File, path: &Path, length: u64) -> io::Result<()> {
    announce(&Operation::Truncate(length), path)?;
    file.set_len(length)
}

/// Renames a file, replacing one of the new name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    announce(&Operation::Rename(to), from)?;
    fs::rename(from, to)
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    announce(&Operation::Remove, path)?;
    fs::remove_file(path)
}

/// Removes an empty folder.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    announce(&Operation::Remove, path)?;
    fs::remove_dir(path)
}

/// Returns whether a path is a regular file; `false` if there is nothing at this path.
///
/// # Errors
/// Returns an error for anything but a regular file, such as a link, a pipe, a device or a folder.
pub(crate) fn is_plain(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => match irregularity(metadata.file_type()) {
            None => Ok(true),
            Some(kind) => Err(irregular(kind)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a regular file. A link is not followed, so that nobody can redirect a write by placing one, and a pipe or a
/// device neither blocks nor receives anything.
fn open_plain(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    is_plain(path)?;
    // What is at the path may have been replaced since.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    match irregularity(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(kind) => Err(irregular(kind)),
    }
}

fn irregular(kind: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file"))
}

/// What a path is if it is not a regular file.
fn irregularity(kind: fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_dir() {
        Some("a folder")
    } else {
        Some("a pipe, a socket or a device")
    }
}
