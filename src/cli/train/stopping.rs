//! The options for early stopping and the validation split.

use anyhow::anyhow;
use clap::Args;

use crate::cli::data_args::LimitArgs;
use crate::cli::{Failure, values};
use crate::data::{DataError, Dataset, OpenedDataset, TestSplit};
use crate::train::Stopping;

#[derive(Debug, Args)]
#[command(next_help_heading = "Stopping")]
pub struct StoppingArgs {
    /// Stop after the epoch in which the training accuracy reaches this many percent (the paper: 95) [default: off]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent, allow_negative_numbers = true)]
    early_stop_train_accuracy: Option<f64>,

    /// Stop after the epoch in which the test accuracy reaches this many percent, and report the time to it
    /// [default: off]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent, allow_negative_numbers = true)]
    pub target_accuracy: Option<f64>,

    /// Stop after this many epochs without a lower validation loss, or test loss if there is no validation split
    /// [default: off]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(1..=values::MAX_INTEGER))]
    patience: Option<u64>,

    /// Fraction of the training images held out for validation, between 0 and 1; with your own images in one folder,
    /// the fraction of each class held out for testing [default: none]
    #[arg(long, value_name = "FRACTION", value_parser = values::fraction, allow_negative_numbers = true)]
    validation_split: Option<f64>,
}

impl StoppingArgs {
    pub fn stopping(&self) -> Stopping {
        Stopping {
            train_accuracy: self.early_stop_train_accuracy,
            patience: self.patience,
            test_accuracy: self.target_accuracy,
        }
    }

    /// Splits a data set, and applies the limits to it. The fraction is held out of the training images for validation
    /// or, if the data has no test images, of all images for testing; then the split is returned too.
    pub fn split(
        &self,
        opened: OpenedDataset,
        limit: &LimitArgs,
        seed: u64,
    ) -> Result<(Dataset, Option<TestSplit>), Failure> {
        match opened {
            OpenedDataset::Split(data) => Ok((self.hold_out(limit.limit(data), seed)?, None)),
            OpenedDataset::Unsplit(images) => {
                let Some(share) = self.validation_split else {
                    return Err(Failure::input(DataError::Unsplit { folder: images.folder }));
                };
                let data = images.split(share, seed).map_err(Failure::input)?;
                Ok((limit.limit(data), Some(TestSplit { share, seed })))
            }
        }
    }

    fn hold_out(&self, data: Dataset, seed: u64) -> Result<Dataset, Failure> {
        match self.validation_split {
            Some(_) if data.validation.is_some() => Err(Failure::usage(
                format!(
                    "{} contains validation images, so none are held out of the training images",
                    data.name
                ),
                "omit --validation-split, or move the validation images elsewhere",
            )),
            Some(_) if data.train.len() < 2 => {
                Err(Failure::Input(anyhow!("--validation-split requires at least two training images")))
            }
            Some(fraction) => Ok(data.hold_out(fraction, seed)),
            None => Ok(data),
        }
    }
}
