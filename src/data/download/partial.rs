//! The working folder of a download: a hidden folder beside the target, since a rename works within one file system
//! only. It keeps the downloaded bytes of an interrupted download.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::{FetchError, PublishedFile};
use crate::files;

const LOCK: &str = "lock";
const UNPACKED: &str = "unpacked";
const PART_EXTENSION: &str = ".part";

/// A locked working folder.
#[derive(Debug)]
pub struct PartialDownload {
    target: PathBuf,
    folder: PathBuf,
    /// Released on drop; the operating system releases it even if the process is killed.
    _lock: File,
}

impl PartialDownload {
    /// Creates or resumes the working folder of `target` and locks it against other processes.
    pub fn lock(target: &Path) -> Result<Self, FetchError> {
        // A link to a folder stays: only the folder itself can be renamed onto.
        let resolved = if target.is_symlink() {
            target.canonicalize().map_err(disk_error(target))?
        } else {
            target.to_owned()
        };
        let target = resolved.as_path();
        let name = target.file_name().ok_or_else(|| FetchError::NoName { folder: target.to_owned() })?;
        let folder = target.with_file_name(format!(".{}.fetch", name.display()));
        fs::create_dir_all(&folder).map_err(disk_error(&folder))?;
        refuse_foreign_files(&folder)?;
        let path = folder.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(disk_error(&path))?;
        // A file system without locks returns another error; there, only the hash protects the download. The trait is
        // named explicitly since newer standard libraries have a method of this name.
        if let Err(TryLockError::WouldBlock) = FileExt::try_lock(&lock) {
            return Err(FetchError::Busy { folder: target.to_owned() });
        }
        Ok(Self { target: target.to_owned(), folder, _lock: lock })
    }

    /// The path that a file is downloaded to.
    pub fn part(&self, file: &PublishedFile) -> PathBuf {
        self.folder.join(format!("{}{PART_EXTENSION}", file.name))
    }

    /// Creates an empty folder to unpack to.
    pub fn create_unpacked(&self) -> Result<PathBuf, FetchError> {
        let folder = self.folder.join(UNPACKED);
        remove_if_exists(&folder).and_then(|()| fs::create_dir(&folder)).map_err(disk_error(&folder))?;
        Ok(folder)
    }

    /// Renames the unpacked folder to the target and removes the working folder. The target is complete or absent at
    /// any time.
    pub fn move_to_target(self) -> Result<(), FetchError> {
        let unpacked = self.folder.join(UNPACKED);
        files::sync_folder(&unpacked).map_err(disk_error(&unpacked))?;
        // Only Unix can rename a folder onto an empty one.
        if !cfg!(unix) && self.target.is_dir() {
            fs::remove_dir(&self.target).map_err(disk_error(&self.target))?;
        }
        fs::rename(&unpacked, &self.target)
            .and_then(|()| files::sync_folder_of(&self.target))
            .map_err(disk_error(&self.target))?;
        // The data set is in place, so leftovers beside it are not an error.
        let _ = fs::remove_dir_all(&self.folder);
        Ok(())
    }

    /// Whether there are downloaded bytes that a later download can resume from.
    fn has_parts(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(PART_EXTENSION) && entry.metadata()?.len() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Removes everything but what a later download can resume from. Failures are ignored: the reason for the drop is
/// already being reported.
impl Drop for PartialDownload {
    fn drop(&mut self) {
        let _ = remove_if_exists(&self.folder.join(UNPACKED));
        if let Ok(false) = self.has_parts() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Refuses a working folder with files that this program does not make: a link would direct what is written to another
/// file, and a pipe would block.
fn refuse_foreign_files(folder: &Path) -> Result<(), FetchError> {
    let foreign = |path: &Path| FetchError::Disk {
        path: path.to_owned(),
        source: io::Error::other("it is a link, a pipe or a device; remove it"),
    };
    if folder.is_symlink() {
        return Err(foreign(folder));
    }
    for entry in fs::read_dir(folder).map_err(disk_error(folder))? {
        let entry = entry.map_err(disk_error(folder))?;
        let kind = entry.file_type().map_err(disk_error(folder))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(foreign(&entry.path()));
        }
    }
    Ok(())
}

fn remove_if_exists(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn disk_error(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
    move |source| FetchError::Disk { path: path.to_owned(), source }
}
