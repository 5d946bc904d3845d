//! Images with corrected answers, saved as an image folder to train on: `CLASS/HASH.png`.
//!
//! The network's input is saved, not the drawing: training reads images as they are and does not look for digits in them.
//! It was decoded and is encoded again, so whatever else the sender's file contained is gone, and its size is known. A
//! file is named by the hash of its pixels, so that it never replaces another image, and the same image sent again adds
//! nothing.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::prepare::prepare;
use super::worker::LoadedModel;
use crate::files::{operations, write_atomically};
use crate::hash;
use crate::model::lenet::IMAGE_SIDE;

/// The most images in the folder.
const MAX_IMAGES: usize = 50_000;

/// The most characters of a folder's name.
const MAX_NAME: usize = 64;

/// Names that mean something else to readers of image folders, or to an operating system.
const RESERVED: [&str; 17] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "runs",
    "__macosx",
    "@eadir",
    "lost+found",
    "con",
    "prn",
    "aux",
    "nul",
    "com",
    "lpt",
];

/// A folder of corrected images.
#[derive(Debug)]
pub struct Corrections {
    folder: PathBuf,
    /// Locked while an image is saved.
    saving: Mutex<()>,
}

/// An image that was saved.
#[derive(Debug, PartialEq, Eq)]
pub struct Saved {
    pub path: PathBuf,
    /// The number of images in the folder.
    pub images: usize,
}

impl Corrections {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, saving: Mutex::default() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Saves an image file as one of class `label`. If it was saved as another class before, that was a mistake: the image
    /// moves.
    pub fn save(&self, model: &LoadedModel, label: usize, file: &[u8]) -> Result<Saved, ApiError> {
        let image = prepare(model.preparation, file)?;
        let [input] = image.inputs() else {
            let count = image.inputs().len();
            return Err(ApiError::unprocessable(format_args!(
                "the image shows {count} digits; correct them one at a time"
            )));
        };
        let png = to_png(input.pixels());
        let name = format!("{}.png", hash::short(Sha256::new_with_prefix(input.pixels())));

        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = folder_names(&model.classes);
        let class = self.folder.join(&folders[label]);
        let path = class.join(&name);
        if !path.exists() {
            if self.images().map_err(|error| self.failed(error))? >= MAX_IMAGES {
                let folder = self.folder.display();
                return Err(ApiError::unprocessable(format_args!(
                    "{folder} has {MAX_IMAGES} images, as many as it may have"
                )));
            }
            operations::create_folders(&class).map_err(|error| self.failed(error))?;
            write_atomically(&path, &png).map_err(|error| {
                let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
                ApiError::internal(format_args!("{error}{cause}"))
            })?;
        }
        for other in folders.iter().filter(|&other| *other != folders[label]) {
            match operations::remove_file(&self.folder.join(other).join(&name)) {
                Err(error)
                    if error.kind() != io::ErrorKind::NotFound
                        && error.kind() != io::ErrorKind::NotADirectory =>
                {
                    return Err(self.failed(error));
                }
                _ => {}
            }
        }
        let images = self.images().map_err(|error| self.failed(error))?;
        Ok(Saved { path, images })
    }

    fn failed(&self, error: io::Error) -> ApiError {
        ApiError::internal(format_args!("cannot save to {}: {error}", self.folder.display()))
    }

    /// The number of images in the folder.
    fn images(&self) -> io::Result<usize> {
        let mut images = 0;
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        for class in entries {
            let class = class?;
            if class.file_type()?.is_dir() {
                let is_image = |entry: &fs::DirEntry| {
                    entry.path().extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
                };
                images += fs::read_dir(class.path())?.flatten().filter(is_image).count();
            }
        }
        Ok(images)
    }
}

/// The network's input, C×32×32 bytes, as a PNG.
fn to_png(pixels: &[u8]) -> Vec<u8> {
    let side = IMAGE_SIDE as u32;
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let image = match pixels.len() / plane {
        1 => GrayImage::from_raw(side, side, pixels.to_vec()).map(DynamicImage::from),
        _ => {
            let colours =
                (0..plane).flat_map(|index| [0, 1, 2].map(|channel| pixels[channel * plane + index]));
            RgbImage::from_raw(side, side, colours.collect()).map(DynamicImage::from)
        }
    };
    let mut png = Cursor::new(Vec::new());
    let image = image.expect("an input has one or three channels of 32×32 bytes");
    image.write_to(&mut png, ImageFormat::Png).expect("writing to memory cannot fail");
    png.into_inner()
}

/// A folder name for each class: its own name if every system can have such a folder, otherwise one with its number. No two
/// are the same, whatever the case of letters.
fn folder_names(classes: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let name = |(label, class): (usize, &String)| {
        if is_plain(class) && taken.insert(class.to_ascii_lowercase()) {
            class.clone()
        } else {
            // Plain names contain no '='.
            format!("class={label}")
        }
    };
    classes.iter().enumerate().map(name).collect()
}

/// Whether a class's name can be that of a folder anywhere.
fn is_plain(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&stem.trim_end_matches(|letter: char| letter.is_ascii_digit()));
    !is_reserved
        && (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_. ".contains(letter))
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with(['.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_folder_of_its_own_that_no_system_rejects() {
        let classes = [
            "7",
            "T-shirt",
            "t-SHIRT",
            "../x",
            "a/b",
            "a\\b",
            "CON",
            "com1",
            "nul.txt",
            "",
            ".",
            "..",
            ".hidden",
            "end.",
            "end ",
            "-rf",
            "train",
            "Test",
            "ankle boot",
            "naïve",
            "\u{1b}[2J",
            "a\0b",
            "class=3",
            "runs",
        ];
        let long = "x".repeat(65);
        let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).chain([long]).collect();
        let folders = folder_names(&classes);
        let own: Vec<&String> = folders
            .iter()
            .zip(&classes)
            .filter(|(folder, class)| folder == class)
            .map(|(own, _)| own)
            .collect();
        assert_eq!(own, ["7", "T-shirt", "ankle boot"]);
        let distinct: HashSet<String> = folders.iter().map(|folder| folder.to_ascii_lowercase()).collect();
        assert_eq!(distinct.len(), classes.len(), "{folders:?}");
        let is_safe = |folder: &String| {
            folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=. ".contains(&byte))
        };
        assert!(folders.iter().all(is_safe), "{folders:?}");
    }

    #[test]
    fn a_saved_input_is_read_back_unchanged() {
        for channels in [1, 3] {
            let pixels: Vec<u8> = (0..channels * 32 * 32).map(|index| (index * 7 % 256) as u8).collect();
            let image = crate::data::ImageFile::decode(&to_png(&pixels)).unwrap();
            assert_eq!((image.channels, image.height, image.width), (channels, 32, 32));
            assert_eq!(image.pixels, pixels);
        }
    }
}
