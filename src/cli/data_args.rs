//! The options that say what to train on or to evaluate with.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::data::{
    Channels, Conversion, Dataset, DatasetKind, Fit, OpenOptions, OpenedDataset, TestSet, embedded_mnist_test,
};
use crate::model::{LeNet5, ModelInfo};
use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::data::fetched;

#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Folder of a data set or of your own images, or CIFAR-10's .tar.gz; what lies there is recognised by its
    /// files [default: MNIST, built in]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// A data set that `lenet-gpu data fetch` has placed; with --data-dir, what must lie there and nothing
    /// else [default: what is recognised]
    #[arg(long, value_name = "KIND", value_enum)]
    dataset: Option<DatasetKind>,

    /// How images come to be of 32×32 [default: pad for those of 28×28, resize for all others]
    #[arg(long, value_name = "HOW", value_enum)]
    fit: Option<Fit>,

    /// What images are seen in [default: as they are stored]
    #[arg(long, value_name = "N", value_enum)]
    channels: Option<Channels>,

    /// Leave image files out that cannot be read, and tell of them, rather than end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    skip_bad_images: bool,
}

impl DataArgs {
    /// Whether a data set was named at all.
    pub fn names_a_set(&self) -> bool {
        self.data_dir.is_some() || self.dataset.is_some()
    }

    /// Reads the data set.
    pub fn open(&self) -> Result<OpenedDataset, Failure> {
        match self.place()? {
            Some(path) => self.options(self.conversion()).open(&path),
            None => Dataset::embedded_mnist(self.conversion()).map(OpenedDataset::Split),
        }
        .map_err(Failure::input)
    }

    /// Reads the test part alone, which may be all there is, as a model saw its images.
    pub fn open_test(&self, seen: &ModelInfo) -> Result<TestSet, Failure> {
        let conversion = Conversion { fit: self.fit.or(seen.fit), ..self.conversion() };
        match self.place()? {
            Some(path) => self.options(conversion).open_test(&path),
            None => embedded_mnist_test(conversion).map(|images| TestSet { images, class_names: None }),
        }
        .map_err(Failure::input)
    }

    fn options(&self, conversion: Conversion) -> OpenOptions {
        OpenOptions { kind: self.dataset, conversion, skip_bad_images: self.skip_bad_images }
    }

    /// Where the data lies, unless it is what is built in.
    fn place(&self) -> Result<Option<PathBuf>, Failure> {
        match (&self.data_dir, self.dataset) {
            (Some(path), _) => Ok(Some(path.clone())),
            (None, None | Some(DatasetKind::Mnist)) => Ok(None),
            (None, Some(kind)) => fetched(kind, "--data-dir").map(Some),
        }
    }

    /// What is done to its images.
    pub fn conversion(&self) -> Conversion {
        Conversion { fit: self.fit, channels: self.channels }
    }

    /// A short name for the data, fit for a folder's.
    pub fn slug(&self) -> String {
        let name = self.data_dir.as_deref().map_or_else(
            || Some(self.dataset.unwrap_or(DatasetKind::Mnist).to_string()),
            |folder| Some(folder.canonicalize().ok()?.file_name()?.to_string_lossy().to_lowercase()),
        );
        let slug: String = name
            .unwrap_or_default()
            .chars()
            .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
            .collect();
        match slug.trim_matches('-') {
            "" => "data".to_owned(),
            slug => slug.to_owned(),
        }
    }
}

/// Whether a network that was trained before can see this data.
pub fn check_fit(network: LeNet5, channels: usize, classes: usize) -> Result<(), Failure> {
    if network.channels != channels {
        let takes = network.channels;
        let advice = match takes {
            1 | 3 => format!("--channels {takes} converts them"),
            _ => "take a model that was trained on such data".to_owned(),
        };
        return Err(Failure::Input(anyhow!(
            "the model takes images of {takes} channels, and the data set's have {channels}; {advice}"
        )));
    }
    if network.classes < classes {
        return Err(Failure::Input(anyhow!(
            "the model knows {} classes, and the data set has {classes}; \
             take a model that was trained on such data",
            network.classes
        )));
    }
    Ok(())
}

/// Refuses data whose classes have other names than a model knows, where both have names.
pub fn check_class_names(model: Option<&[String]>, data: Option<&[String]>) -> Result<(), Failure> {
    let (Some(model), Some(data)) = (model, data) else { return Ok(()) };
    let Some(class) = (0..model.len().max(data.len())).find(|&class| model.get(class) != data.get(class))
    else {
        return Ok(());
    };
    let told = |names: &[String]| names.get(class).map_or("not there".to_owned(), |name| format!("{name:?}"));
    Err(Failure::Input(anyhow!(
        "class {class} is {} to the model and {} in the data set; take images of the classes that the model \
         was trained on, in folders of the same names",
        told(model),
        told(data)
    )))
}

/// How much of a data set is taken.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct LimitArgs {
    /// Train on the first N images only [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    limit_train: Option<NonZeroUsize>,

    /// Test with the first N images only [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    limit_test: Option<NonZeroUsize>,
}

impl LimitArgs {
    /// What is left of a set.
    pub fn limit(&self, data: Dataset) -> Dataset {
        data.limited(self.limit_train, self.limit_test)
    }
}

/// For a report: ", the first 100 images to train on".
impl fmt::Display for LimitArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (limit, what) in [(self.limit_train, "to train on"), (self.limit_test, "to test with")] {
            if let Some(limit) = limit {
                write!(f, ", the first {limit} images {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_fits_data_of_its_channels_and_no_more_classes_than_it_knows() {
        let network = LeNet5::new(1, 10);
        assert!(check_fit(network, 1, 10).is_ok());
        assert!(check_fit(network, 1, 7).is_ok());
        assert!(check_fit(network, 3, 10).unwrap_err().to_string().contains("--channels 1"));
        assert!(check_fit(network, 1, 47).unwrap_err().to_string().contains("has 47"));
    }

    #[test]
    fn a_data_folders_name_becomes_part_of_a_run_directorys() {
        for (data_dir, slug) in [(None, "mnist"), (Some("/"), "data"), (Some("src/cli/../data"), "data")] {
            let data_dir = data_dir.map(PathBuf::from);
            let args =
                DataArgs { data_dir, dataset: None, fit: None, channels: None, skip_bad_images: false };
            assert_eq!(args.slug(), slug);
        }
    }

    #[test]
    fn classes_must_have_the_same_names_where_both_have_some() {
        let check = |model: Option<&[&str]>, data: Option<&[&str]>| {
            let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            check_class_names(model.map(owned).as_deref(), data.map(owned).as_deref())
        };
        assert!(check(None, None).is_ok());
        assert!(check(Some(&["cat", "dog"]), None).is_ok());
        assert!(check(Some(&["cat", "dog"]), Some(&["cat", "dog"])).is_ok());
        let message = check(Some(&["cat", "dog"]), Some(&["cat", "emu", "dog"])).unwrap_err().to_string();
        assert!(message.contains("class 1 is \"dog\" to the model and \"emu\""), "{message}");
        let message = check(Some(&["cat", "dog"]), Some(&["cat"])).unwrap_err().to_string();
        assert!(message.contains("\"dog\" to the model and not there in"), "{message}");
    }
}
