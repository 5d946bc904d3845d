//! Data sets: file formats, detection, conversion to the network's input, splits and augmentation.
//!
//! Everything here produces a [`Dataset`]: training and test images as bytes, with their labels. Sources are the
//! MNIST embedded in the binary ([`Dataset::embedded_mnist`]), a folder ([`Dataset::open`], [`OpenOptions`]), and a
//! program's own arrays ([`ImageSet::new`], [`Dataset::from_image_sets`]). [`download`] fetches published data sets.
//!
//! The modules depend on each other in one direction: `formats` (how one file is encoded) → `sets` (which files make
//! up a data set) → `detect` (which data set a folder contains) → `open`.

mod augment;
mod class_counts;
mod convert;
mod dataset;
mod detect;
pub mod download;
mod error;
mod folder_listing;
pub mod formats;
mod hold_out;
mod identify;
mod image_set;
mod kind;
mod labels;
mod loaded;
mod open;
mod order;
mod reading;
mod sets;
mod source;
mod test_time;
mod unsplit_file;

pub use crate::model::Fit;
pub use augment::{Augmentation, AugmentationError, Transform, View};
pub use class_counts::ClassCounts;
pub use convert::{Channels, Conversion};
pub use dataset::{Dataset, TestSet};
pub use error::DataError;
pub(crate) use formats::image_file::{Decoded, ImageSize};
#[cfg(feature = "cli")]
pub(crate) use formats::image_file::{EXTENSIONS as IMAGE_EXTENSIONS, FORMATS as IMAGE_FORMATS};
pub use formats::image_file::{ImageFile, ImageFileError};
pub use image_set::{ImageSet, ImageSetError};
pub use kind::DatasetKind;
#[cfg(feature = "cli")]
pub(crate) use open::embedded_fingerprint;
pub(crate) use open::embedded_mnist_examples;
pub use open::{OpenOptions, OpenedDataset, embedded_mnist_test, open_test};
pub use order::order;
pub use reading::{ImageFilesRead, image_files_read};
#[cfg(feature = "cli")]
pub(crate) use sets::Subset;
pub use sets::image_folder::{ImageFolderError, UnsplitFolder};
pub use source::{DataLocation, DataSource, RecordedImages, TestSplit};
pub use test_time::{TestTimeAugmentation, TestTimeAugmentationError};
