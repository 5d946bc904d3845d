//! MNIST and data sets in the same layout: one IDX file of images and one of labels for each subset.

use std::path::PathBuf;

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::formats::{gzip, idx};
use crate::data::loaded::{Loaded, bytes_of};
use crate::data::{DataError, DatasetKind, ImageSet, labels};
use crate::memory::Reservation;

/// How the four files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As in MNIST, Fashion-MNIST and many others.
    Mnist,
    /// With a prefix: one of EMNIST's splits or QMNIST.
    Prefixed(DatasetKind),
}

/// The two files of a subset.
#[derive(Debug, Clone)]
pub struct IdxFiles {
    images: PathBuf,
    labels: PathBuf,
}

impl IdxFiles {
    /// Finds the files of a subset in a folder. `kind` is the data set's name for messages.
    pub fn find(
        listing: &FolderListing,
        naming: Naming,
        subset: Subset,
        kind: &'static str,
    ) -> Result<Self, DataError> {
        let find = |contents| {
            listing
                .find_first(file_names(naming, subset, contents))
                .ok_or_else(|| listing.incomplete(kind, official_name(naming, subset, contents)))
        };
        Ok(Self { images: find(IMAGES)?, labels: find(LABELS)? })
    }

    /// Reads N grey images with their labels, which must be those of `named`.
    pub fn read(&self, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
        let invalid = |file, fault| DataError::Idx { file, fault };
        let (images, labels) = rayon::join(
            || gzip::read(&self.images, |bytes, max_len| idx::hold_images(bytes, max_len), invalid),
            || self.read_labels(),
        );
        let ((images, mut memory), (labels, of_labels)) = (images?, labels?);
        if images.count != labels.len() {
            return Err(DataError::CountsDiffer {
                images_file: self.images.display().to_string(),
                images: images.count,
                labels_file: self.labels.display().to_string(),
                labels: labels.len(),
            });
        }
        memory.merge(of_labels);
        let images = ImageSet {
            channels: 1,
            height: images.height,
            width: images.width,
            pixels: images.pixels,
            labels,
        };
        debug_assert_eq!(memory.bytes(), bytes_of(&images));
        labels::check(&images.labels, named, || self.labels.display().to_string())?;
        Ok(Loaded { images, memory: Some(memory) })
    }

    fn read_labels(&self) -> Result<(Vec<u16>, Reservation<'static>), DataError> {
        let invalid = |file, fault| DataError::Idx { file, fault };
        let name = self.labels.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(QMNIST_LABELS) {
            return gzip::read(&self.labels, |bytes, len| idx::hold_class_column(bytes, len), invalid);
        }
        gzip::read(&self.labels, |bytes, max_len| idx::hold_labels(bytes, max_len), invalid)
    }
}

const IMAGES: &str = "images-idx3-ubyte";
const LABELS: &str = "labels-idx1-ubyte";

/// QMNIST's extended labels, which it publishes for both subsets; a table whose first column is the class.
const QMNIST_LABELS: &str = "labels-idx2-int";

/// The prefixes of a subset's file names, the official one first.
fn prefixes(naming: Naming, subset: Subset) -> Vec<String> {
    match (naming, subset) {
        (Naming::Mnist, Subset::Train) => vec!["train".to_owned()],
        (Naming::Mnist, Subset::Test) => vec!["t10k".to_owned(), "test".to_owned()],
        (Naming::Prefixed(kind), Subset::Train) => vec![format!("{kind}-train")],
        (Naming::Prefixed(kind), Subset::Test) => vec![format!("{kind}-test")],
    }
}

/// The accepted names of a file in order of preference: uncompressed files first, as they are faster to read. Some
/// copies of MNIST have a dot instead of the second hyphen.
fn file_names(naming: Naming, subset: Subset, contents: &'static str) -> impl Iterator<Item = String> {
    let with_dot = contents.replacen('-', ".", 1);
    let is_qmnist = naming == Naming::Prefixed(DatasetKind::Qmnist) && contents == LABELS;
    let extended = is_qmnist.then(|| QMNIST_LABELS.to_owned());
    let contents: Vec<String> = [contents.to_owned(), with_dot].into_iter().chain(extended).collect();
    prefixes(naming, subset).into_iter().flat_map(move |prefix| {
        let stems: Vec<_> = contents.iter().map(|contents| format!("{prefix}-{contents}")).collect();
        ["", ".gz"].into_iter().flat_map(move |extension| {
            let names: Vec<_> = stems.iter().map(|stem| format!("{stem}{extension}")).collect();
            names
        })
    })
}

fn official_name(naming: Naming, subset: Subset, contents: &str) -> String {
    match (naming, contents) {
        (Naming::Prefixed(DatasetKind::Qmnist), LABELS) => {
            format!("{}-{QMNIST_LABELS}.gz", prefixes(naming, subset)[0])
        }
        _ => format!("{}-{contents}", prefixes(naming, subset)[0]),
    }
}

/// Whether a folder contains any of the four files.
pub fn has_any_file(listing: &FolderListing, naming: Naming) -> bool {
    [Subset::Train, Subset::Test].iter().any(|&subset| {
        [IMAGES, LABELS]
            .iter()
            .any(|contents| listing.find_first(file_names(naming, subset, contents)).is_some())
    })
}

/// The four files, for messages.
pub fn expected_files(naming: Naming) -> String {
    let names = [Subset::Train, Subset::Test]
        .map(|subset| [IMAGES, LABELS].map(|contents| official_name(naming, subset, contents)).join(", "));
    format!("the IDX files {} (each with or without .gz)", names.join(", "))
}
