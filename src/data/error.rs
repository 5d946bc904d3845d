//! Errors of opening a data set.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::DatasetKind;
use super::formats::cifar::CifarFault;
use super::formats::csv::CsvFault;
use super::formats::idx::IdxFault;
use super::formats::npz::NpzFault;
use super::formats::tar_gz::ArchiveFault;
use super::sets::image_folder::ImageFolderError;
use crate::memory::OverBudget;
use crate::wording::count;

/// The reason why a data set could not be opened. Each message is one line that names the file or folder, the
/// field if there is one, and a remedy. The operating system's reason, if any, is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A folder cannot be listed.
    #[error("cannot read the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// The path is a file that is not a data set by itself.
    #[error(
        "{} is not a folder; a data set is a folder of data files, an .npz archive, a .csv file, or CIFAR-10's .tar.gz",
        path.display()
    )]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },

    /// A folder contains no file of a known data set.
    #[error("{} contains no known data set; looked for {looked_for}; found {found}", path.display())]
    NotRecognised {
        /// The folder.
        path: PathBuf,
        /// The files that would have been recognised.
        looked_for: String,
        /// The first names in the folder.
        found: String,
    },

    /// A folder contains some files of a data set but not all.
    #[error("{} contains an incomplete {kind} data set: missing {missing}; found {found}", path.display())]
    Incomplete {
        /// The folder or archive.
        path: PathBuf,
        /// The name of the data set.
        kind: &'static str,
        /// The name of the missing file.
        missing: String,
        /// The first names in the folder or archive.
        found: String,
    },

    /// A folder contains several data sets.
    #[error("{} contains several data sets: {}; choose one of them", path.display(), shown(found, path))]
    Several {
        /// The folder.
        path: PathBuf,
        /// The folders or the files of the data sets; the folder itself if it contains folders of images.
        found: Vec<PathBuf>,
    },

    /// A folder contains several data sets whose kinds its files state.
    #[error("{} contains several data sets: {}; choose one of them", path.display(), names(kinds))]
    SeveralKinds {
        /// The folder.
        path: PathBuf,
        /// The kinds.
        kinds: Vec<DatasetKind>,
    },

    /// A data set is in the format of Python's pickle, which can run code when it is read.
    #[error(
        "{} is the version of {kind} for Python, which is not read; use the binary version, {archive}",
        path.display()
    )]
    PythonVersion {
        /// The archive, the folder or a file.
        path: PathBuf,
        /// The name of the data set.
        kind: &'static str,
        /// The archive to use instead.
        archive: &'static str,
    },

    /// The path is a packed archive.
    #[error("{} is a packed archive; unpack it and open its folder", path.display())]
    Packed {
        /// The archive.
        path: PathBuf,
    },

    /// A file cannot be opened or read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A data file's name belongs to a folder, a pipe or a device.
    #[error("{file} is not a regular file; replace it with the data file")]
    NotAFile {
        /// The path.
        file: String,
    },

    /// A file starts like gzip and cannot be decompressed.
    #[error("cannot decompress {file}: the gzip data is damaged or truncated; download it again")]
    Gzip {
        /// The file.
        file: String,
        /// The decoder's reason.
        source: io::Error,
    },

    /// A `.tar.gz` cannot be decompressed, or what it contains is not a tar archive.
    #[error("cannot unpack {file}: the .tar.gz archive is damaged or truncated; download it again")]
    ArchiveDamaged {
        /// The archive.
        file: String,
        /// The decoder's reason.
        source: io::Error,
    },

    /// A `.tar.gz` has contents that are not accepted.
    #[error("{file}: {fault}")]
    Archive {
        /// The archive.
        file: String,
        /// What is wrong.
        fault: ArchiveFault,
    },

    /// An IDX file is invalid.
    #[error("{file}: {fault}")]
    Idx {
        /// The file.
        file: String,
        /// What is wrong.
        fault: IdxFault,
    },

    /// A CIFAR-10 batch file is invalid.
    #[error("{file}: {fault}")]
    Cifar {
        /// The file.
        file: String,
        /// What is wrong.
        fault: CifarFault,
    },

    /// An `.npz` archive is invalid.
    #[error("{file}: {fault}")]
    Npz {
        /// The file.
        file: String,
        /// What is wrong.
        fault: NpzFault,
    },

    /// A CSV file is invalid.
    #[error("{file}: {fault}")]
    Csv {
        /// The file.
        file: String,
        /// What is wrong.
        fault: CsvFault,
    },

    /// A folder of images has class folders but no `train` and `test` folders, or there is a file of training images only.
    #[error(
        "the images in {} are not split into training and test images; {}, or choose the share of each class to test with",
        folder.display(),
        if folder.is_dir() { "create the folders train and test" } else { "add a file of test images with labels" }
    )]
    Unsplit {
        /// The folder or the file.
        folder: PathBuf,
    },

    /// A folder of images is invalid.
    #[error(transparent)]
    ImageFolder(#[from] ImageFolderError),

    /// The numbers of images and of labels differ.
    #[error(
        "{images_file} contains {}, but {labels_file} contains {}; use files of the same set",
        count(images, "image"),
        count(labels, "label")
    )]
    CountsDiffer {
        /// The file of images.
        images_file: String,
        /// Its number of images.
        images: usize,
        /// The file of labels.
        labels_file: String,
        /// Its number of labels.
        labels: usize,
    },

    /// Training images differ in height or width from those of another subset.
    #[error(
        "training images are {} pixels high and {} wide, but {subset} images are {} and {}; use images of \
         the same set",
        train.0, train.1, other.0, other.1
    )]
    SizesDiffer {
        /// Height and width of the training images in pixels.
        train: (usize, usize),
        /// "test" or "validation".
        subset: &'static str,
        /// Height and width of the other images in pixels.
        other: (usize, usize),
    },

    /// Training images differ in their number of channels from those of another subset, and no conversion makes them equal.
    #[error(
        "training images have {train} channels, but {subset} images have {other}; convert both to the same number \
         of channels"
    )]
    ChannelsDiffer {
        /// Channels of the training images.
        train: usize,
        /// "test" or "validation".
        subset: &'static str,
        /// Channels of the other images.
        other: usize,
    },

    /// Padding was requested for images larger than 32×32.
    #[error(
        "images are {height} pixels high and {width} wide; only images up to 32×32 can be padded, so resize them"
    )]
    TooLargeToPad {
        /// The images' height in pixels.
        height: usize,
        /// The images' width in pixels.
        width: usize,
    },

    /// A label is not one of the data set that was requested.
    #[error(
        "{file}: label {label} at record {record} (from 0); {kind} has {} {} to {}. This is another data set, or the file \
         is damaged",
        if *accepted.start() == 0 { "classes" } else { "labels" },
        accepted.start(),
        accepted.end()
    )]
    Label {
        /// The file.
        file: String,
        /// The label.
        label: u16,
        /// The index of the image in the file, from 0.
        record: usize,
        /// The name of the data set.
        kind: &'static str,
        /// Its labels.
        accepted: RangeInclusive<u16>,
    },

    /// A class cannot be split into training and test images.
    #[error(
        "{file}: class {class} has one image; at least two are needed to split it into training and test images"
    )]
    OneImage {
        /// The file.
        file: String,
        /// The class.
        class: usize,
    },

    /// The images take more memory than the budget allows.
    #[error("not enough memory for {what}")]
    Memory {
        /// The file, or the images.
        what: String,
        /// The memory that is needed.
        source: OverBudget,
    },
}

fn shown(paths: &[PathBuf], folder: &Path) -> String {
    let show = |path: &PathBuf| match path == folder {
        true => "its folders of images".to_owned(),
        false => path.display().to_string(),
    };
    paths.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn names(kinds: &[DatasetKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
