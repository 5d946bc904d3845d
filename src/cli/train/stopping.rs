//! When a run ends early, and what is held back to tell.

use crate::data::{DataError, Dataset, OpenedDataset};
use crate::train::Stopping;
use anyhow::anyhow;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::cli::data_args::LimitArgs;
use crate::cli::{Failure, values};

#[derive(Debug, Args)]
#[command(next_help_heading = "Stopping")]
pub struct StoppingArgs {
    /// End after the epoch whose training accuracy reaches so many percent (the paper: 95) [default: off]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent, allow_negative_numbers = true)]
    early_stop_train_accuracy: Option<f64>,

    /// End after the epoch with which the test accuracy reaches so many percent, and tell the time it took
    /// [default: off]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent, allow_negative_numbers = true)]
    pub target_accuracy: Option<f64>,

    /// End after so many epochs without a lower loss on the validation images, or on the test images where
    /// none are held back [default: off]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=values::MAX_INTEGER))]
    patience: Option<u64>,

    /// Hold back this share of the training images for validation, between 0 and 1; of your own images in one
    /// folder, hold back this share of each class's as the images to test with [default: none]
    #[arg(long, value_name = "SHARE", value_parser = values::share, allow_negative_numbers = true)]
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

    /// The parts of a set, of which no more is taken than `limit` says. A share is held back of the images to
    /// train on for validation, or, where there are none to test with, of all images for that.
    pub fn parts(&self, opened: OpenedDataset, limit: &LimitArgs, seed: u64) -> Result<Dataset, Failure> {
        match opened {
            OpenedDataset::Split(data) => self.hold_out(limit.limit(data), seed),
            OpenedDataset::Unsplit(images) => {
                let divided = match self.validation_split {
                    Some(share) => images.split(share, seed).map_err(Failure::input)?,
                    None => return Err(Failure::input(DataError::Undivided { folder: images.folder })),
                };
                Ok(limit.limit(divided))
            }
        }
    }

    fn hold_out(&self, data: Dataset, seed: u64) -> Result<Dataset, Failure> {
        match self.validation_split {
            Some(_) if data.train.len() < 2 => Err(Failure::Input(anyhow!(
                "--validation-split needs two training images at the least, and there is one"
            ))),
            Some(share) => Ok(data.hold_out(share, seed)),
            None => Ok(data),
        }
    }
}
