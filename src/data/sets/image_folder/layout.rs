//! Where in a folder the class folders are: in folders of training, validation and test images, or directly; there may
//! be a folder around them, as archives often contain.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::entries::{contains_image, contains_image_below, entries};
use super::{ImageFolder, ImageFolderError, SplitFolder};

/// The number of folders around the images, at most.
const MAX_OUTER: usize = 4;

/// What the images of a subset are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Train,
    Validation,
    Test,
}

impl Role {
    /// The role that a folder's name gives it, in any case.
    fn of(name: &OsStr) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        match () {
            () if is(&["train", "training"]) => Some(Self::Train),
            () if is(&["val", "valid", "validation"]) => Some(Self::Validation),
            () if is(&["test", "testing"]) => Some(Self::Test),
            () => None,
        }
    }
}

/// Finds the class folders in a folder or in the only folder with images in it.
pub fn locate(folder: &Path) -> Result<Option<ImageFolder>, ImageFolderError> {
    let mut inner = folder.to_owned();
    for _ in 0..=MAX_OUTER {
        if let Some(split) = split(&inner)? {
            return Ok(Some(ImageFolder::Split(split)));
        }
        let folders =
            entries(&inner)?.into_iter().filter(|entry| entry.is_folder && entry.refused().is_none());
        let mut with_images = folders.filter(|entry| contains_image_below(&entry.path));
        match (with_images.next(), with_images.next()) {
            (None, _) => return Ok(None),
            (Some(only), None) if !contains_image(&only.path) => inner = only.path,
            _ => return Ok(Some(ImageFolder::Unsplit(inner))),
        }
    }
    // A single class, with images far below it.
    Ok(Some(ImageFolder::Unsplit(folder.to_owned())))
}

/// The folders of training, validation and test images.
fn split(folder: &Path) -> Result<Option<SplitFolder>, ImageFolderError> {
    let mut subsets = [const { None::<PathBuf> }; 3];
    let mut second = None;
    for entry in entries(folder)?.into_iter().filter(|entry| entry.is_folder) {
        let Some(role) = Role::of(&entry.name) else { continue };
        match &mut subsets[role as usize] {
            free @ None => *free = Some(entry.path),
            Some(first) => {
                second.get_or_insert_with(|| (first.clone(), entry.path));
            }
        }
    }
    // A folder of this name that contains images directly is a class, of vehicles for example.
    let is_subset = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| !contains_image(path));
    let [train, validation, test] = &subsets;
    let is_split =
        train.is_some() && (test.is_some() || validation.is_some()) || is_subset(train) || is_subset(test);
    if !is_split {
        return Ok(None);
    }
    if let Some((one, other)) = second {
        return Err(ImageFolderError::SameRole { one, other });
    }
    let [train, validation, test] = subsets;
    Ok(Some(SplitFolder { folder: folder.to_owned(), train, validation, test }))
}
