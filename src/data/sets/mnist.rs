//! MNIST and data sets in the same layout: one IDX file of images and one of labels for each subset.

use std::path::PathBuf;

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::formats::{gzip, idx};
use crate::data::loaded::{Loaded, bytes_of};
use crate::data::{DataError, DatasetKind, ImageSet, labels};
use crate::memory;

/// The two files of a subset.
#[derive(Debug, Clone)]
pub struct IdxFiles {
    images: PathBuf,
    labels: PathBuf,
}

impl IdxFiles {
    /// Finds the files of a subset in a folder. `kind` is the data set's name for messages.
    pub fn find(listing: &FolderListing, subset: Subset, kind: &'static str) -> Result<Self, DataError> {
        let find = |contents| {
            listing
                .find_first(file_names(subset, contents))
                .ok_or_else(|| listing.incomplete(kind, official_name(subset, contents)))
        };
        Ok(Self { images: find(IMAGES)?, labels: find(LABELS)? })
    }

    /// Reads N grey images with their labels, which must be classes of `named`.
    pub fn read(&self, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
        let (images, labels) = rayon::join(
            || gzip::read(&self.images, &|bytes, max_len| idx::hold_images(bytes, max_len)),
            || gzip::read(&self.labels, &|bytes, max_len| idx::hold_labels(bytes, max_len)),
        );
        let ((images, mut memory), (labels, _label_memory)) = (images?, labels?);
        if images.count != labels.len() {
            return Err(DataError::CountsDiffer {
                images_file: self.images.display().to_string(),
                images: images.count,
                labels_file: self.labels.display().to_string(),
                labels: labels.len(),
            });
        }
        let what = || self.labels.display().to_string();
        let wide = memory::hold((labels.len() * size_of::<u16>()) as u64);
        memory.merge(wide.map_err(|source| DataError::Memory { what: what(), source })?);
        let images = ImageSet {
            channels: 1,
            height: images.height,
            width: images.width,
            pixels: images.pixels,
            labels: labels.into_iter().map(u16::from).collect(),
        };
        debug_assert_eq!(memory.bytes(), bytes_of(&images));
        labels::check(&images.labels, named, what)?;
        Ok(Loaded { images, memory: Some(memory) })
    }
}

const IMAGES: &str = "images-idx3-ubyte";
const LABELS: &str = "labels-idx1-ubyte";

/// The prefixes of a subset's file names, the official one first.
fn prefixes(subset: Subset) -> &'static [&'static str] {
    match subset {
        Subset::Train => &["train"],
        Subset::Test => &["t10k", "test"],
    }
}

/// The accepted names of a file in order of preference: uncompressed files first, as they are faster to read. Some
/// copies of MNIST have a dot instead of the second hyphen.
fn file_names(subset: Subset, contents: &'static str) -> impl Iterator<Item = String> {
    let with_dot = contents.replacen('-', ".", 1);
    prefixes(subset).iter().flat_map(move |prefix| {
        let stems = [format!("{prefix}-{contents}"), format!("{prefix}-{with_dot}")];
        ["", ".gz"]
            .into_iter()
            .flat_map(move |extension| stems.clone().map(|stem| format!("{stem}{extension}")))
    })
}

fn official_name(subset: Subset, contents: &str) -> String {
    format!("{}-{contents}", prefixes(subset)[0])
}

/// Whether a folder contains any of the four files.
pub fn has_any_file(listing: &FolderListing) -> bool {
    [Subset::Train, Subset::Test].iter().any(|&subset| {
        [IMAGES, LABELS].iter().any(|contents| listing.find_first(file_names(subset, contents)).is_some())
    })
}

/// The four files, for messages.
pub fn expected_files() -> String {
    let names = [Subset::Train, Subset::Test]
        .map(|subset| [IMAGES, LABELS].map(|contents| official_name(subset, contents)).join(", "));
    format!("the IDX files {} (each with or without .gz)", names.join(", "))
}
