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
    /// the fraction of each class held out for testing. Which images is random, by --split-seed [default: none]
    #[arg(long, value_name = "FRACTION", value_parser = values::fraction, allow_negative_numbers = true)]
    validation_split: Option<f64>,

    /// Random seed of the split alone, so that runs with other seeds hold out the same images; 0 to 2^63 - 1
    /// [default: that of --seed]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER))]
    split_seed: Option<u64>,
}

impl StoppingArgs {
    pub fn stopping(&self) -> Stopping {
        Stopping {
            train_accuracy: self.early_stop_train_accuracy,
            patience: self.patience,
            test_accuracy: self.target_accuracy,
        }
    }

    /// The fraction that is held out and the seed of the split, if there is one. `seed` is that of the run.
    pub fn split_options(&self, seed: u64) -> Option<(f64, u64)> {
        self.validation_split.map(|fraction| (fraction, self.split_seed.unwrap_or(seed)))
    }

    /// Splits a data set, and applies the limits to it. The fraction is held out of the training images for validation
    /// or, if the data has no test images, of all images for testing; then the split is returned too. `seed` is that of
    /// the run.
    pub fn split(
        &self,
        opened: OpenedDataset,
        limit: &LimitArgs,
        seed: u64,
    ) -> Result<(Dataset, Option<TestSplit>), Failure> {
        let split = self.split_options(seed);
        if split.is_none() && self.split_seed.is_some() {
            return Err(Failure::usage(
                "--split-seed requires --validation-split, whose images it selects",
                "omit it, or add --validation-split 0.1",
            ));
        }
        match opened {
            OpenedDataset::Split(data) => Ok((hold_out(limit.limit(data), split)?, None)),
            OpenedDataset::Unsplit(images) => {
                let Some((share, seed)) = split else {
                    return Err(Failure::input(DataError::Unsplit { folder: images.folder }));
                };
                let data = images.split(share, seed).map_err(Failure::input)?;
                Ok((limit.limit(data), Some(TestSplit { share, seed })))
            }
        }
    }
}

/// Holds a fraction of the training images out for validation.
fn hold_out(data: Dataset, split: Option<(f64, u64)>) -> Result<Dataset, Failure> {
    match split {
        Some(_) if data.validation.is_some() => Err(Failure::usage(
            format!("{} contains validation images, so none are held out of the training images", data.name),
            "omit --validation-split, or move the validation images elsewhere",
        )),
        Some(_) if data.train.len() < 2 => {
            Err(Failure::Input(anyhow!("--validation-split requires at least two training images")))
        }
        Some((fraction, seed)) => Ok(data.hold_out(fraction, seed)),
        None => Ok(data),
    }
}
