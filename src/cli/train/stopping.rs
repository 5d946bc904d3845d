//! When a run ends early, and what is held back to tell.

use anyhow::anyhow;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use lenet_gpu::data::Dataset;
use lenet_gpu::train::Stopping;

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

    /// Hold back this share of the training images for validation, between 0 and 1 [default: none]
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

    /// The set with the validation images held back.
    pub fn hold_out(&self, data: Dataset, seed: u64) -> Result<Dataset, Failure> {
        match self.validation_split {
            Some(_) if data.train.len() < 2 => Err(Failure::Input(anyhow!(
                "--validation-split needs two training images at the least, and there is one"
            ))),
            Some(share) => Ok(data.hold_out(share, seed)),
            None => Ok(data),
        }
    }
}
