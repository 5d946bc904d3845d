//! What lies in a folder, whatever order its file system tells it in.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::ImageFolderError;
use crate::data::ImageFile;

/// What systems lay into folders of images, beside hidden files.
const SYSTEM_FILES: [&str; 2] = ["Thumbs.db", "desktop.ini"];

#[derive(Debug)]
pub struct Entry {
    pub name: OsString,
    pub path: PathBuf,
    /// Itself or what it links to.
    pub is_folder: bool,
}

impl Entry {
    /// Whether it is an image by its name.
    pub fn is_image(&self) -> bool {
        !self.is_folder && ImageFile::is_named_so(&self.path)
    }
}

/// The entries of a folder, sorted by the bytes of their names, without hidden ones and the system's own.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, ImageFolderError> {
    let unreadable = |source| ImageFolderError::Unreadable { path: folder.to_owned(), source };
    let mut entries =
        visible(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Whether an image lies right in a folder. None does that cannot be seen.
pub fn holds_an_image(folder: &Path) -> bool {
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

/// What was left out because it is no image by its name, or lies deeper than images do.
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

    /// Tells how much was left out of a folder, in one line.
    pub fn warn<'a>(folder: &Path, parts: impl IntoIterator<Item = &'a Self> + Clone) {
        let count: usize = parts.clone().into_iter().map(|part| part.count).sum();
        if let Some(first) = parts.into_iter().find_map(|part| part.first.as_ref()) {
            log::warn!(
                "{count} {} in {} {} ignored, of which {} is the first: only .png, .jpg and .jpeg right in a \
                 class's folder are taken",
                if count == 1 { "entry" } else { "entries" },
                folder.display(),
                if count == 1 { "was" } else { "were" },
                first.display()
            );
        }
    }
}
