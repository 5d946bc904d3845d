//! Errors of opening a folder of images.

use std::io;
use std::path::PathBuf;

use super::class_folders::MAX_CLASSES;
use crate::data::ImageFileError;
use crate::data::formats::image_file::FORMATS;

/// The reason why a folder of images could not be opened. Each message is one line that names the folder or the file,
/// and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum ImageFolderError {
    /// A folder cannot be listed.
    #[error("cannot read the folder {}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// There is a folder `train` but no folder `test`.
    #[error(
        "{} contains training images but {} is missing; create it with the same classes, or open {0} itself and split \
         its images",
        train.display(), test.display()
    )]
    NoTestSplit {
        /// The folder `train`.
        train: PathBuf,
        /// The missing folder.
        test: PathBuf,
    },

    /// There is a folder `test` but no folder `train`.
    #[error(
        "{} contains test images but {} is missing; create it with the same classes",
        test.display(), train.display()
    )]
    NoTrainSplit {
        /// The missing folder.
        train: PathBuf,
        /// The folder `test`.
        test: PathBuf,
    },

    /// The number of class folders is out of range.
    #[error(
        "{} needs 2 to {MAX_CLASSES} class folders, each with the images of one class; it contains {classes}{}",
        path.display(), and_loose(*loose)
    )]
    Classes {
        /// The folder.
        path: PathBuf,
        /// The number of class folders in it.
        classes: usize,
        /// The number of images in it outside of class folders.
        loose: usize,
    },

    /// A class has test images but no training images.
    #[error(
        "the class folder {} contains no images ({FORMATS}), but {} does; add images or remove both",
        path.display(), other.display()
    )]
    NoImages {
        /// The folder without images.
        path: PathBuf,
        /// The folder of the same class in another subset.
        other: PathBuf,
    },

    /// Two folders have the same role.
    #[error("{} and {} have the same meaning; rename or remove one", one.display(), other.display())]
    SameRole {
        /// The first folder.
        one: PathBuf,
        /// The second.
        other: PathBuf,
    },

    /// A class folder's name is not valid UTF-8.
    #[error("the name of the class folder {} is not UTF-8; rename it", path.display())]
    Name {
        /// The class folder.
        path: PathBuf,
    },

    /// Test or validation images have a class that training images do not have.
    #[error(
        "the class {class:?} is in {} but not in {}{}; a network can only learn classes with training images",
        found.display(), lacking.display(), and_more(*more)
    )]
    ClassesDiffer {
        /// The first such class.
        class: String,
        /// The folder that has it.
        found: PathBuf,
        /// The folder of training images.
        lacking: PathBuf,
        /// The number of further such classes.
        more: usize,
    },

    /// An image file cannot be decoded.
    #[error("{} {fault}{}; replace or remove it", path.display(), and_more(*more))]
    BadImage {
        /// The first such file.
        path: PathBuf,
        /// What is wrong with it.
        fault: ImageFileError,
        /// The number of further files that cannot be decoded.
        more: usize,
    },

    /// All images of a class were skipped.
    #[error("none of the images in {} can be read", path.display())]
    NoneLeft {
        /// The class folder.
        path: PathBuf,
    },

    /// Padding was requested for an image larger than 32×32.
    #[error(
        "{} is {height} pixels high and {width} wide; only images up to 32×32 can be padded, so resize them",
        path.display()
    )]
    TooLargeToPad {
        /// The image file.
        path: PathBuf,
        /// Its height in pixels.
        height: usize,
        /// Its width in pixels.
        width: usize,
    },

    /// A class cannot be split into training and test images.
    #[error(
        "the class folder {} contains one readable image; at least two are needed to split it into training and test \
         images",
        path.display()
    )]
    OneImage {
        /// The class folder.
        path: PathBuf,
    },
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

fn and_loose(loose: usize) -> String {
    match loose {
        0 => String::new(),
        1 => " and one image outside of them".to_owned(),
        _ => format!(" and {loose} images outside of them"),
    }
}
