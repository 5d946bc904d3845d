//! Where a model's data came from, as its file records it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Dataset, DatasetKind, ImageSet};

/// The data set that a model was trained on: what it is, where it was read from, and fingerprints by which its images
/// are recognised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The known data set, as in [`Dataset::kind`]: identified by its images, requested by the user, or stated by the names
    /// of its files, never inferred from a folder's name. `None` for any other data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DatasetKind>,
    /// Where it was read from.
    pub location: DataLocation,
    /// The kind that the user requested; `None` if the format was detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<DatasetKind>,
    /// Whether image files that cannot be read were skipped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_bad_images: bool,
    /// Whether rows and columns of images were exchanged; `None` if the kind decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transpose: Option<bool>,
    /// How the test images were selected, if the data has no test images of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_split: Option<TestSplit>,
    /// The test images.
    pub test: RecordedImages,
    /// The validation images, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<RecordedImages>,
}

/// Where a data set was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataLocation {
    /// The MNIST embedded in the program.
    BuiltIn,
    /// The cache, which holds the downloaded set of this kind.
    Fetched(DatasetKind),
    /// The absolute path of a folder or an archive. It is stored in the model file and so is seen by whoever receives
    /// the file. In the file, sequences that are not UTF-8 become U+FFFD.
    Path(#[serde(serialize_with = "lossy_path")] PathBuf),
}

/// How test images were selected from a folder of images without a split: see
/// [`UnsplitFolder::split`](super::UnsplitFolder::split).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSplit {
    /// The share of each class, between 0 and 1.
    #[serde(deserialize_with = "share")]
    pub share: f64,
    /// The seed of the selection.
    pub seed: u64,
}

/// Images that a file refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedImages {
    /// Their number.
    pub images: usize,
    /// Their [`ImageSet::fingerprint`].
    pub fingerprint: String,
}

impl DataSource {
    /// Records a data set that was opened without special options. This computes fingerprints of the test and the
    /// validation images.
    pub fn new(location: DataLocation, data: &Dataset) -> Self {
        Self {
            kind: data.kind,
            location,
            requested: None,
            skip_bad_images: false,
            transpose: None,
            test_split: None,
            test: RecordedImages::of(&data.test),
            validation: data.validation.as_deref().map(RecordedImages::of),
        }
    }
}

impl RecordedImages {
    /// Records a set.
    pub fn of(images: &ImageSet) -> Self {
        Self { images: images.len(), fingerprint: images.fingerprint() }
    }

    /// Whether a set starts with these images. It may have more, as the recorded ones may have been limited.
    pub fn are_first_of(&self, images: &ImageSet) -> bool {
        self.images <= images.len() && images.fingerprint_of_first(self.images) == self.fingerprint
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn lossy_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if share > 0.0 && share < 1.0 {
        return Ok(share);
    }
    Err(serde::de::Error::custom(format_args!("the share {share} is not between 0 and 1")))
}
