//! The visible entries of a folder, in an order that does not depend on the file system.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::ImageFolderError;
use crate::data::ImageFile;

/// Files that operating systems add to folders of images, besides hidden files.
const SYSTEM_FILES: [&str; 2] = ["Thumbs.db", "desktop.ini"];

#[derive(Debug)]
pub struct Entry {
    pub name: OsString,
    pub path: PathBuf,
    /// Whether it is a folder or a link to one.
    pub is_folder: bool,
}

impl Entry {
    /// Whether it has the name of an image file.
    pub fn is_image(&self) -> bool {
        !self.is_folder && ImageFile::has_image_extension(&self.path)
    }
}

/// The entries of a folder, sorted by the bytes of their names, without hidden and system files.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, ImageFolderError> {
    let unreadable = |source| ImageFolderError::Unreadable { path: folder.to_owned(), source };
    let mut entries =
        visible(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Whether a folder directly contains an image. False if it cannot be read.
pub fn contains_image(folder: &Path) -> bool {
    visible(folder).is_ok_and(|entries| entries.flatten().any(|entry| entry.is_image()))
}

fn visible(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let to_entry = |entry: DirEntry| {
        let (name, path, kind) = (entry.file_name(), entry.path(), entry.file_type()?);
        let is_folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
        Ok(Entry { name, path, is_folder })
    };
    let is_visible = |entry: &DirEntry| {
        let name = entry.file_name();
        !name.as_encoded_bytes().starts_with(b".") && !SYSTEM_FILES.iter().any(|&system| name == system)
    };
    let entries = fs::read_dir(folder)?.filter(move |entry| entry.as_ref().map_or(true, is_visible));
    Ok(entries.map(move |entry| entry.and_then(to_entry)))
}

/// The entries that are not images in a class folder.
#[derive(Debug, Default)]
pub struct Ignored {
    count: usize,
    first: Option<PathBuf>,
}

impl Ignored {
    pub fn add(&mut self, path: &Path) {
        self.count += 1;
        self.first.get_or_insert_with(|| path.to_owned());
    }

    /// Logs one warning for all ignored entries of a data set.
    pub fn warn<'a>(folder: &Path, ignored: impl IntoIterator<Item = &'a Self> + Clone) {
        let count: usize = ignored.clone().into_iter().map(|ignored| ignored.count).sum();
        if let Some(first) = ignored.into_iter().find_map(|ignored| ignored.first.as_ref()) {
            log::warn!(
                "ignored {count} {} in {}, starting with {}: only .png, .jpg and .jpeg files directly in a class \
                 folder are read",
                if count == 1 { "entry" } else { "entries" },
                folder.display(),
                first.display()
            );
        }
    }
}
