//! What is left out of a folder of images, and the warnings that say so.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::data::formats::image_file::EXTENSIONS;

/// The number of folders that a warning names for each reason.
const MAX_NAMED: usize = 4;

/// Why a folder is not a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its name starts with a dot.
    Hidden,
    /// An operating system, a storage device or an archiver added it.
    System,
    /// It is or contains a training run.
    Run,
    /// It is a link to a folder that contains it.
    Circle,
    Empty,
    /// It is beside the folders of the subsets.
    Outside,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "hidden",
            Self::System => "added by the system",
            Self::Run => "training runs",
            Self::Circle => "a link to a folder around it",
            Self::Empty => "no images",
            Self::Outside => "neither training nor test images",
        })
    }
}

/// The entries that are left out, and the images that are not directly in a class folder.
#[derive(Debug, Default)]
pub struct Skipped {
    files: Paths,
    deeper: Paths,
    folders: Vec<(Reason, PathBuf)>,
}

/// A number of paths, of which the first is known.
#[derive(Debug, Default)]
struct Paths {
    count: usize,
    first: Option<PathBuf>,
}

impl Paths {
    fn add(&mut self, count: usize, first: impl FnOnce() -> PathBuf) {
        self.count += count;
        self.first.get_or_insert_with(first);
    }

    fn append(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}

impl Skipped {
    /// A file that is not an image of a class, or a folder within a class that is not searched.
    pub fn entry(&mut self, path: &Path) {
        self.files.add(1, || path.to_owned());
    }

    /// A folder that is not a class.
    pub fn folder(&mut self, path: PathBuf, reason: Reason) {
        self.folders.push((reason, path));
    }

    /// Images in a folder below a class folder, which are not left out.
    pub fn deeper(&mut self, count: usize, folder: &Path) {
        self.deeper.add(count, || folder.to_owned());
    }

    /// Adds what another one contains.
    pub fn append(&mut self, other: Self) {
        self.files.append(other.files);
        self.deeper.append(other.deeper);
        self.folders.extend(other.folders);
    }

    /// Whether there is a folder of this name without images.
    pub fn empty_folder(&self, name: &str) -> Option<&Path> {
        let mut empty = self.folders.iter().filter(|(reason, _)| *reason == Reason::Empty);
        empty.find(|(_, path)| path.file_name().is_some_and(|it| it == name)).map(|(_, path)| &**path)
    }

    /// Logs a warning for all files, one for all folders and one for all images in deeper folders of a data set.
    pub fn warn(root: &Path, all: &[&Self]) {
        let sum = |paths: fn(&Self) -> &Paths| {
            let first = all.iter().find_map(|skipped| paths(skipped).first.as_deref())?;
            Some((all.iter().map(|skipped| paths(skipped).count).sum::<usize>(), relative(first, root)))
        };
        let folder = root.display();
        if let Some((count, first)) = sum(|skipped| &skipped.deeper) {
            let images = if count == 1 { "image is" } else { "images are" };
            log::warn!("{folder}: {count} {images} in folders within the class folders, such as {first}");
        }
        if let Some((count, first)) = sum(|skipped| &skipped.files) {
            log::warn!(
                "ignored {count} {} in {folder}, starting with {first}: only the extensions {} in class folders are read",
                if count == 1 { "entry" } else { "entries" },
                EXTENSIONS.join(", "),
            );
        }
        let mut folders: Vec<_> = all.iter().flat_map(|skipped| &skipped.folders).collect();
        folders.sort_by_key(|(reason, _)| *reason);
        let groups: Vec<_> = folders
            .chunk_by(|(reason, _), (other, _)| reason == other)
            .map(|group| named(group, root))
            .collect();
        if !groups.is_empty() {
            let count = folders.len();
            log::warn!(
                "skipped {count} {} in {folder}: {}",
                if count == 1 { "folder" } else { "folders" },
                groups.join("; ")
            );
        }
    }
}

/// The names of folders with the same reason, and the reason.
fn named(group: &[&(Reason, PathBuf)], root: &Path) -> String {
    let names: Vec<_> = group.iter().take(MAX_NAMED).map(|(_, path)| relative(path, root)).collect();
    let more = match group.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more} ({})", names.join(", "), group[0].0)
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
