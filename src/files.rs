//! Files that are written as a whole, and read only where they are files: what is written is either the old
//! one or the new one, and never a part of either.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Opens a regular file and tells its length; none where there is something else in its place, such as a pipe or
/// a device, which may never open or never end.
pub fn open_regular(path: &Path) -> io::Result<Option<(File, u64)>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(Some((File::open(path)?, metadata.len())))
}

/// The text of a regular file.
pub fn read_text(path: &Path) -> io::Result<String> {
    let (file, _) = open_regular(path)?.ok_or_else(|| io::Error::other("it is not a regular file"))?;
    io::read_to_string(file)
}

/// A file that could not be written. The one that stood there before still does.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file as a whole: into a new file beside it, which is brought to the disk and then takes
/// the name. A reader, or a machine that loses power, finds the old content or the new one.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Whether a file can be written at such a place: an error now instead of one after long work.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let tried = if path.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"))
    } else {
        create_beside(path).and_then(|(draft, _)| fs::remove_file(draft))
    };
    tried.map_err(|source| WriteError { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (draft, file) = create_beside(path)?;
    let done = fill(file, bytes).and_then(|()| fs::rename(&draft, path));
    if done.is_err() {
        // The error is on its way; that its remains could not be removed would add nothing.
        let _ = fs::remove_file(&draft);
    }
    done?;
    sync_folder_of(path)
}

/// Removes the drafts that broken-off writes of a path have left beside it. That one cannot be removed harms nobody.
pub(crate) fn remove_drafts_of(path: &Path) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let start = format!(".{name}.");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        if file.to_str().is_some_and(|file| file.starts_with(&start) && file.ends_with(DRAFT)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What a draft's name ends with.
const DRAFT: &str = ".tmp";

/// Tried names of drafts, before it is an error that they all exist. A crash leaves at most one.
const DRAFTS: u32 = 64;

/// Makes an empty file in the folder of `target`: a rename works within one file system only.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let process = std::process::id();
    for attempt in 0..DRAFTS {
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".{process}-{attempt}{DRAFT}"));
        let draft = target.with_file_name(draft);
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((draft, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "drafts of broken-off writes stand beside it"))
}

/// Takes the file, since an open one can't be renamed on Windows.
fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Brings the rename of a path, or its making, to the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Brings the names in a folder to the disk. Elsewhere than on Unix a folder can't be opened, and file
/// systems keep a journal of them.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
