//! The place where a download is made ready: a hidden folder beside the one that it becomes, since a
//! rename works within one file system only. What came of a download that did not end stays in it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::{FetchError, PublishedFile};
use crate::files;

const LOCK: &str = "lock";
const UNPACKED: &str = "unpacked";
const PART: &str = ".part";

#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    folder: PathBuf,
    /// Held as long as this lives; the system frees it even where the program is killed.
    _lock: File,
}

impl Draft {
    /// Takes the draft of this target, which no other program then can.
    pub fn of(target: &Path) -> Result<Self, FetchError> {
        let name = target.file_name().ok_or_else(|| FetchError::NoName { folder: target.to_owned() })?;
        let folder = target.with_file_name(format!(".{}.fetch", name.display()));
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(at(&path))?;
        // A file system without locks gives another error; there the hash alone keeps a download right. The
        // trait is named since newer standard libraries have a method of this name.
        if let Err(TryLockError::WouldBlock) = FileExt::try_lock(&lock) {
            return Err(FetchError::Busy { folder: target.to_owned() });
        }
        Ok(Self { target: target.to_owned(), folder, _lock: lock })
    }

    /// Where a file is downloaded to.
    pub fn part(&self, file: &PublishedFile) -> PathBuf {
        self.folder.join(format!("{}{PART}", file.name))
    }

    /// An empty folder to unpack to.
    pub fn unpacked(&self) -> Result<PathBuf, FetchError> {
        let folder = self.folder.join(UNPACKED);
        remove(&folder).and_then(|()| fs::create_dir(&folder)).map_err(at(&folder))?;
        Ok(folder)
    }

    /// Gives what was unpacked the target's name. The target is there as a whole from then on, or not at
    /// all; the draft is gone.
    pub fn place(self) -> Result<(), FetchError> {
        let unpacked = self.folder.join(UNPACKED);
        files::sync_folder(&unpacked).map_err(at(&unpacked))?;
        // Only Unix renames a folder onto an empty one.
        if !cfg!(unix) && self.target.is_dir() {
            fs::remove_dir(&self.target).map_err(at(&self.target))?;
        }
        fs::rename(&unpacked, &self.target)
            .and_then(|()| files::sync_folder_of(&self.target))
            .map_err(at(&self.target))?;
        // The set is there; what remains beside it is no reason to fail.
        let _ = fs::remove_dir_all(&self.folder);
        Ok(())
    }

    /// Whether any byte came that a later download can go on from.
    fn has_parts(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(PART) && entry.metadata()?.len() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Leaves nothing but what a later download can use. An error is on its way then, or the user's word; that
/// remains could not be removed would add nothing.
impl Drop for Draft {
    fn drop(&mut self) {
        let _ = remove(&self.folder.join(UNPACKED));
        if let Ok(false) = self.has_parts() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
    move |source| FetchError::Disk { path: path.to_owned(), source }
}
