//! What can be wrong with a data set.

use std::io;
use std::path::PathBuf;

use super::archive::ArchiveFault;
use super::cifar::CifarFault;
use super::idx::IdxFault;
use super::image_folder::ImageFolderError;

/// Why a data set could not be opened. Each is one line that names the file or folder, the field, and
/// what to do; where the system gave a reason, it is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read the folder {}; --data-dir takes a folder that holds a data set", path.display())]
    Folder { path: PathBuf, source: io::Error },

    #[error(
        "{} is not a folder; --data-dir takes the folder that the data files lie in, or CIFAR-10's .tar.gz",
        path.display()
    )]
    NotAFolder { path: PathBuf },

    #[error(
        "{} holds no data set that is understood; looked for {looked_for}; there lies {found}",
        path.display()
    )]
    NotRecognised { path: PathBuf, looked_for: String, found: String },

    #[error(
        "{} holds a part of a data set ({kind}) and lacks {missing}; there lies {found}",
        path.display()
    )]
    Incomplete { path: PathBuf, kind: &'static str, missing: String, found: String },

    #[error("cannot read {file}")]
    Unreadable { file: String, source: io::Error },

    #[error("{file} is not a regular file; put the data file in its place")]
    NotAFile { file: String },

    #[error("{file} cannot be unpacked as gzip: it is damaged or cut off; fetch it again")]
    Gzip { file: String, source: io::Error },

    #[error("{file} cannot be unpacked as a .tar.gz: it is damaged or cut off; fetch it again")]
    ArchiveDamaged { file: String, source: io::Error },

    #[error("{file}: {fault}")]
    Archive { file: String, fault: ArchiveFault },

    #[error("{file}: {fault}")]
    Idx { file: String, fault: IdxFault },

    #[error("{file}: {fault}")]
    Cifar { file: String, fault: CifarFault },

    #[error(
        "the images in {} are not divided into train and test; --validation-split 0.2, say, keeps a fifth of \
         each class's to test with",
        folder.display()
    )]
    Undivided { folder: PathBuf },

    #[error(transparent)]
    ImageFolder(#[from] ImageFolderError),

    #[error(
        "{images_file} holds {images} images and {labels_file} holds {labels} labels; \
         take both from the same set"
    )]
    CountsDiffer { images_file: String, images: usize, labels_file: String, labels: usize },

    #[error(
        "the images to train on are {} high and {} wide and those to test with {} and {}; \
         take both from the same set",
        train.0, train.1, test.0, test.1
    )]
    SizesDiffer { train: (usize, usize), test: (usize, usize) },

    #[error(
        "the images are {height} high and {width} wide, and --fit pad takes none larger than 32×32; \
         use --fit resize"
    )]
    TooLargeToPad { height: usize, width: usize },

    #[error("{images} images would take more than {most} bytes when resized to 32×32; give fewer of them")]
    TooManyToResize { images: usize, most: usize },
}
