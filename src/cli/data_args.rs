//! The options that choose the data.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{self, Path, PathBuf};

use crate::data::{
    Channels, Conversion, DataLocation, DataSource, Dataset, DatasetKind, Fit, ImageSet, OpenOptions,
    OpenedDataset, RecordedImages, Subset, TestSplit, embedded_fingerprint,
};
use crate::model::LeNet5;
use crate::wording::count;
use anyhow::anyhow;
use clap::Args;

use super::data::fetched;
use super::memory_args::MemoryArgs;
use super::{Failure, values};

#[derive(Debug, PartialEq, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Folder of a data set or of your own images, or an .npz, a .csv or CIFAR-10's .tar.gz; its format is detected
    /// [default: MNIST, built in]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,

    /// Data set: mnist is built in, `lenet-gpu data fetch` downloads others; with --data-dir, the set that
    /// the folder contains [default: recognised by its images]
    #[arg(long, value_name = "KIND", value_enum)]
    dataset: Option<DatasetKind>,

    /// How images are fitted to 32×32 [default: pad for 28×28 images, resize for others]
    #[arg(long, value_name = "HOW", value_enum)]
    fit: Option<Fit>,

    /// Number of input channels [default: as stored]
    #[arg(long, value_name = "N", value_enum)]
    channels: Option<Channels>,

    /// Exchange rows and columns of the images, for copies of EMNIST under other names [default: true for EMNIST]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true")]
    transpose: Option<bool>,

    /// Skip image files that cannot be read, with a warning, instead of failing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    skip_bad_images: bool,

    #[command(flatten)]
    memory: MemoryArgs,
}

impl DataArgs {
    /// Whether a data set was requested, rather than the default.
    pub fn names_a_set(&self) -> bool {
        self.data_dir.is_some() || self.dataset.is_some()
    }

    /// The folder of the data, if one was given.
    pub fn folder(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Sets the memory budget of this process. Opening data does so too.
    pub fn apply_memory_limit(&self) {
        self.memory.apply();
    }

    /// Finds the data set without reading it, to report a wrong folder before a device is opened.
    pub fn check(&self, subsets: &[Subset]) -> Result<(), Failure> {
        match self.path()? {
            Some(path) => self.options(self.conversion()).check(&path, subsets).map_err(Failure::input),
            None => Ok(()),
        }
    }

    /// Reads the data set.
    pub fn open(&self) -> Result<OpenedDataset, Failure> {
        self.memory.apply();
        match self.path()? {
            Some(path) => self.options(self.conversion()).open(&path),
            None => Dataset::embedded_mnist(self.conversion()).map(OpenedDataset::Split),
        }
        .map_err(Failure::input)
    }

    /// How data is opened with a conversion.
    pub fn options(&self, conversion: Conversion) -> OpenOptions {
        OpenOptions {
            kind: self.dataset,
            conversion,
            skip_bad_images: self.skip_bad_images,
            transpose: self.transpose,
        }
    }

    /// Where the data is; `None` is the built-in MNIST.
    fn path(&self) -> Result<Option<PathBuf>, Failure> {
        match &self.data_dir {
            // As typed, for messages.
            Some(path) => Ok(Some(path.clone())),
            None => find(&self.location()),
        }
    }

    /// Where the data is, wherever the program is started.
    pub fn location(&self) -> DataLocation {
        match (&self.data_dir, self.dataset) {
            (Some(folder), _) => {
                DataLocation::Path(path::absolute(folder).unwrap_or_else(|_| folder.clone()))
            }
            (None, None | Some(DatasetKind::Mnist)) => DataLocation::BuiltIn,
            (None, Some(kind)) => DataLocation::Fetched(kind),
        }
    }

    /// What a model's file records of the data besides its images.
    pub fn origin(&self, test_split: Option<TestSplit>) -> Origin {
        Origin {
            location: self.location(),
            requested: self.dataset,
            skip_bad_images: self.skip_bad_images,
            transpose: self.transpose,
            test_split,
        }
    }

    /// How its images are converted.
    pub fn conversion(&self) -> Conversion {
        Conversion { fit: self.fit, channels: self.channels }
    }

    /// A short name for the data, usable in a folder's name: that of a known data set, or else of the folder.
    pub fn slug(&self, known: Option<DatasetKind>) -> String {
        let name = match (known, &self.data_dir) {
            (Some(kind), _) => Some(kind.to_string()),
            (None, Some(folder)) => folder
                .canonicalize()
                .ok()
                .and_then(|folder| Some(folder.file_name()?.to_string_lossy().to_lowercase())),
            (None, None) => Some(self.dataset.unwrap_or(DatasetKind::Mnist).to_string()),
        };
        let slug: String = name
            .unwrap_or_default()
            .chars()
            .map(|character| if character.is_alphanumeric() { character } else { '-' })
            .collect();
        match slug.trim_matches('-') {
            "" => "data".to_owned(),
            slug => slug.to_owned(),
        }
    }
}

/// The folder or archive at a location; `None` is the built-in MNIST.
pub fn find(location: &DataLocation) -> Result<Option<PathBuf>, Failure> {
    match location {
        DataLocation::BuiltIn => Ok(None),
        DataLocation::Fetched(kind) => fetched(*kind, "--data-dir").map(Some),
        DataLocation::Path(path) => Ok(Some(path.clone())),
    }
}

/// What a model's file records of its data besides the images.
#[derive(Debug, Clone)]
pub struct Origin {
    location: DataLocation,
    requested: Option<DatasetKind>,
    skip_bad_images: bool,
    transpose: Option<bool>,
    test_split: Option<TestSplit>,
}

impl Origin {
    /// The record of a data set from here.
    pub fn source(self, data: &Dataset) -> DataSource {
        let record = |images: &ImageSet| RecordedImages {
            images: images.len(),
            fingerprint: self.fingerprint(images),
        };
        let (test, validation) = (record(&data.test), data.validation.as_deref().map(record));
        let Self { location, requested, skip_bad_images, transpose, test_split } = self;
        DataSource {
            kind: data.kind,
            location,
            requested,
            skip_bad_images,
            transpose,
            test_split,
            test,
            validation,
        }
    }

    /// The fingerprint of images from here.
    pub fn fingerprint(&self, images: &ImageSet) -> String {
        let is_built_in = self.location == DataLocation::BuiltIn;
        let known = embedded_fingerprint(images).filter(|_| is_built_in);
        known.map_or_else(|| images.fingerprint(), str::to_owned)
    }
}

/// Checks that a trained network accepts images with this many channels.
pub fn check_channels(network: LeNet5, channels: usize) -> Result<(), Failure> {
    let expected = network.channels;
    if expected == channels {
        return Ok(());
    }
    let message = format!(
        "the model expects images with {}, but the data set has {channels}",
        count(expected, "channel")
    );
    Err(match expected {
        1 | 3 => Failure::usage(message, format!("--channels {expected} converts the images")),
        _ => Failure::Input(anyhow!(message)),
    })
}

/// What to do about images of classes that a model does not have.
const USE_ITS_CLASSES: &str = "use images of the classes that the model was trained on";

/// Checks that the labels of images are classes of a trained network.
pub fn check_labels(network: LeNet5, images: &ImageSet) -> Result<(), Failure> {
    match images.labels.iter().position(|&label| usize::from(label) >= network.classes) {
        Some(image) => Err(Failure::usage(
            format!(
                "the model has {}, but image {image} (from 0) of the data set has label {}",
                count(network.classes, "class"),
                images.labels[image]
            ),
            USE_ITS_CLASSES,
        )),
        None => Ok(()),
    }
}

/// A class in a message: `class "owl"`, or `class 3` if it has no name.
pub fn class_in_message(class: usize, names: Option<&[String]>) -> String {
    match names.and_then(|names| names.get(class)) {
        Some(name) => format!("class {name:?}"),
        None => format!("class {class}"),
    }
}

/// Limits on the size of a data set.
#[derive(Debug, PartialEq, Args)]
#[command(next_help_heading = "Data")]
pub struct LimitArgs {
    /// Maximum number of training images, taken from the start [default: all]
    #[arg(long, value_name = "N", value_parser = values::count, allow_negative_numbers = true)]
    limit_train: Option<NonZeroUsize>,

    /// Maximum number of test images, taken from the start [default: all]
    #[arg(long, value_name = "N", value_parser = values::count, allow_negative_numbers = true)]
    limit_test: Option<NonZeroUsize>,
}

impl LimitArgs {
    /// Applies the limits to a data set.
    pub fn limit(&self, data: Dataset) -> Dataset {
        let known = data.classes_without_training_images();
        let limited = data.limited(self.limit_train, self.limit_test);
        // Fewer images than classes cannot have them all, which needs no warning.
        if limited.train.len() >= limited.classes {
            limited.warn_of_lost_classes(&known, "--limit-train");
        }
        limited
    }
}

/// For a report: ", the first 100 images to train on".
impl fmt::Display for LimitArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (limit, what) in [(self.limit_train, "to train on"), (self.limit_test, "to test with")] {
            match limit.map(NonZeroUsize::get) {
                None => {}
                Some(1) => write!(f, ", the first image {what}")?,
                Some(limit) => write!(f, ", the first {limit} images {what}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_accepts_images_with_its_channels() {
        let network = LeNet5::new(1, 10);
        assert!(check_channels(network, 1).is_ok());
        assert!(check_channels(network, 3).unwrap_err().hint().unwrap().contains("--channels 1"));
    }

    #[test]
    fn a_run_directory_is_named_for_its_data_set_or_its_data_folder() {
        for (data_dir, known, slug) in [
            (None, Some(DatasetKind::Mnist), "mnist"),
            (Some("/"), None, "data"),
            (Some("src/cli/../data"), None, "data"),
            (Some("src/cli"), Some(DatasetKind::FashionMnist), "fashion-mnist"),
        ] {
            let data_dir = data_dir.map(PathBuf::from);
            let args = DataArgs {
                data_dir,
                dataset: None,
                fit: None,
                channels: None,
                transpose: None,
                skip_bad_images: false,
                memory: MemoryArgs::default(),
            };
            assert_eq!(args.slug(known), slug);
        }
    }
}
