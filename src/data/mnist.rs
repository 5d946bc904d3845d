//! MNIST and its likes: two IDX files, of images and of labels, for each part.

use super::idx;
use super::listing::Listing;
use super::source::Source;
use super::{DataError, ImageSet};

/// The two files of one part.
#[derive(Debug, Clone)]
pub struct PartFiles {
    pub images: Source,
    pub labels: Source,
}

impl PartFiles {
    /// Reads the part: N grey images with their labels.
    pub fn read(&self) -> Result<ImageSet, DataError> {
        let (images, labels) = rayon::join(
            || self.images.read(&|bytes, longest| idx::read_images(bytes, longest)),
            || self.labels.read(&|bytes, longest| idx::read_labels(bytes, longest)),
        );
        let (images, labels) = (images?, labels?);
        if images.count != labels.len() {
            return Err(DataError::CountsDiffer {
                images_file: self.images.to_string(),
                images: images.count,
                labels_file: self.labels.to_string(),
                labels: labels.len(),
            });
        }
        Ok(ImageSet {
            channels: 1,
            height: images.height,
            width: images.width,
            pixels: images.pixels,
            labels: labels.into_iter().map(u16::from).collect(),
        })
    }
}

/// How the files of a part are called.
pub struct PartNames {
    /// What the names begin with; the first one is the official one.
    prefixes: &'static [&'static str],
}

pub const TRAIN: PartNames = PartNames { prefixes: &["train"] };
pub const TEST: PartNames = PartNames { prefixes: &["t10k", "test"] };

const IMAGES: &str = "images-idx3-ubyte";
const LABELS: &str = "labels-idx1-ubyte";

impl PartNames {
    /// The part's files in a folder. `kind` is what the user calls the set.
    pub fn find(&self, listing: &Listing, kind: &'static str) -> Result<PartFiles, DataError> {
        let find = |content| {
            listing
                .first_of(self.names(content))
                .map(Source::Path)
                .ok_or_else(|| listing.lacks(kind, self.official(content)))
        };
        Ok(PartFiles { images: find(IMAGES)?, labels: find(LABELS)? })
    }

    /// All names of a file, the preferred ones first: unpacked ones, which are read faster. Some copies
    /// of MNIST have a dot in place of the second hyphen.
    fn names(&self, content: &'static str) -> impl Iterator<Item = String> {
        let with_dot = content.replacen('-', ".", 1);
        self.prefixes.iter().flat_map(move |prefix| {
            let stems = [format!("{prefix}-{content}"), format!("{prefix}-{with_dot}")];
            ["", ".gz"].into_iter().flat_map(move |end| stems.clone().map(|stem| format!("{stem}{end}")))
        })
    }

    fn official(&self, content: &str) -> String {
        format!("{}-{content}", self.prefixes[0])
    }
}

/// Whether any of the four files lies here.
pub fn lies_in(listing: &Listing) -> bool {
    [TRAIN, TEST]
        .iter()
        .any(|part| [IMAGES, LABELS].iter().any(|content| listing.first_of(part.names(content)).is_some()))
}

/// The four files, for messages.
pub fn looks_for() -> String {
    let names = [TRAIN, TEST].map(|part| [IMAGES, LABELS].map(|content| part.official(content)).join(", "));
    format!("the IDX files {} (each with .gz or without)", names.join(", "))
}
