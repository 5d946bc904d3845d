//! The entries of a folder, in an order that does not depend on the file system.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::ImageFolderError;
use super::skipped::Reason;
use crate::data::ImageFile;

/// Files that operating systems add to folders of images, besides hidden files.
const SYSTEM_FILES: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Folders that operating systems, storage devices and archivers add. Some contain small copies of the images.
const SYSTEM_FOLDERS: [&str; 6] =
    ["__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"];

/// The files of a training run: the first, and one of the others.
const RUN_FILES: [&str; 3] = ["config.toml", "metrics.jsonl", "model.safetensors"];

/// How many folders [`contains_image_below`] looks into before it gives up.
const MAX_SEARCHED: usize = 1_000;

#[derive(Debug)]
pub struct Entry {
    pub name: OsString,
    pub path: PathBuf,
    /// Whether it is a folder or a link to one.
    pub is_folder: bool,
    pub is_link: bool,
}

impl Entry {
    /// Whether it has the name of an image file.
    pub fn is_image(&self) -> bool {
        !self.is_folder && ImageFile::has_image_extension(&self.path)
    }

    /// Why a folder is not searched for images, if its name says so.
    pub fn refused(&self) -> Option<Reason> {
        let is_system = SYSTEM_FOLDERS.iter().any(|system| self.name.eq_ignore_ascii_case(system));
        match self.is_folder {
            true if is_hidden(&self.name) => Some(Reason::Hidden),
            true if is_system => Some(Reason::System),
            _ => None,
        }
    }
}

/// The entries of a folder, sorted by the bytes of their names, without hidden files and system files.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, ImageFolderError> {
    let unreadable = |source| ImageFolderError::Unreadable { path: folder.to_owned(), source };
    let mut entries = list(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Whether a folder directly contains an image. False if it cannot be read.
pub fn contains_image(folder: &Path) -> bool {
    list(folder).is_ok_and(|entries| entries.flatten().any(|entry| entry.is_image()))
}

/// Whether a folder or a folder in it contains an image. False if that takes too long to find out, so that the wrong
/// folder, such as a home directory, is noticed soon.
pub fn contains_image_below(folder: &Path) -> bool {
    let mut folders = vec![folder.to_owned()];
    let mut searched = 0;
    while let Some(folder) = folders.pop() {
        searched += 1;
        if searched > MAX_SEARCHED {
            return false;
        }
        // A class may have many images, so its folder is not read to the end.
        let Some(entries) = list(&folder).ok().filter(|_| !is_run_folder(&folder)) else { continue };
        for entry in entries.flatten() {
            if entry.is_image() {
                return true;
            }
            if entry.is_folder && !entry.is_link && entry.refused().is_none() {
                folders.push(entry.path);
            }
        }
    }
    false
}

/// Whether these are the entries of a training run's folder, whose images are drawings.
pub fn is_run(entries: &[Entry]) -> bool {
    let contains = |name: &str| entries.binary_search_by(|entry| (*entry.name).cmp(OsStr::new(name))).is_ok();
    contains(RUN_FILES[0]) && RUN_FILES[1..].iter().any(|name| contains(name))
}

/// Whether a folder is that of a training run.
fn is_run_folder(folder: &Path) -> bool {
    let contains = |name: &str| folder.join(name).exists();
    contains(RUN_FILES[0]) && RUN_FILES[1..].iter().any(|name| contains(name))
}

/// Whether a folder is that of a training run or contains one.
pub fn contains_run(folder: &Path) -> bool {
    let is_run = |entry: &Entry| entry.is_folder && is_run_folder(&entry.path);
    is_run_folder(folder) || entries(folder).is_ok_and(|entries| entries.iter().any(is_run))
}

fn list(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let to_entry = |entry: DirEntry| {
        let (name, path, kind) = (entry.file_name(), entry.path(), entry.file_type()?);
        let is_link = kind.is_symlink();
        let is_folder = kind.is_dir() || is_link && path.is_dir();
        Ok(Entry { name, path, is_folder, is_link })
    };
    let is_shown = |entry: &Entry| {
        let is_system = SYSTEM_FILES.iter().any(|system| entry.name.eq_ignore_ascii_case(system));
        entry.is_folder || !is_hidden(&entry.name) && !is_system
    };
    let entries = fs::read_dir(folder)?.map(move |entry| entry.and_then(to_entry));
    Ok(entries.filter(move |entry| entry.as_ref().map_or(true, is_shown)))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}
