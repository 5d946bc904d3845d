//! What can be wrong with a folder of images.

use std::io;
use std::path::PathBuf;

use super::class_folders::MOST_CLASSES;
use crate::data::ImageFileError;

/// Why a folder of images could not be opened. Each is one line that names the folder or the file, and
/// what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImageFolderError {
    #[error("cannot read the folder {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },

    #[error(
        "{} holds images to train on and {} is not there to test with; make it, with the same classes, or name \
         {0} itself and divide it by --validation-split",
        train.display(), test.display()
    )]
    NoTestPart { train: PathBuf, test: PathBuf },

    #[error("{} holds images to test with, and {} is not there to train on", test.display(), train.display())]
    NoTrainPart { train: PathBuf, test: PathBuf },

    #[error(
        "{} must hold 2 to {MOST_CLASSES} folders, one for each class with its images, and holds {classes}",
        path.display()
    )]
    Classes { path: PathBuf, classes: usize },

    #[error("the class folder {} holds no .png, .jpg or .jpeg; fill it or take it away", path.display())]
    NoImages { path: PathBuf },

    #[error("the class folder {} has a name that is not UTF-8; rename it", path.display())]
    Name { path: PathBuf },

    #[error(
        "the class {class:?} is in {} and not in {}{}; training and test need the same classes",
        found.display(), lacking.display(), and_more(*more)
    )]
    ClassesDiffer {
        class: String,
        found: PathBuf,
        lacking: PathBuf,
        /// How many classes more are only there.
        more: usize,
    },

    #[error("{} {fault}{}; --skip-bad-images goes on without", path.display(), and_more(*more))]
    BadImage {
        path: PathBuf,
        fault: ImageFileError,
        /// How many images more cannot be read.
        more: usize,
    },

    #[error("none of the images in {} can be read", path.display())]
    NoneLeft { path: PathBuf },

    #[error(
        "{} is {height} high and {width} wide, and --fit pad takes none larger than 32×32; use --fit resize",
        path.display()
    )]
    TooLargeToPad { path: PathBuf, height: usize, width: usize },

    #[error(
        "the class folder {} has one image that can be read, and to be divided it needs two or more",
        path.display()
    )]
    OneImage { path: PathBuf },
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more like it)") }
}
