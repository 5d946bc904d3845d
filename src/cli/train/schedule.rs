//! The options for the length of a run, its batches and its learning rates.

use std::num::NonZeroUsize;

use anyhow::anyhow;
use clap::Args;

use super::optimizer::{OptimizerArgs, OptimizerKind};
use crate::cli::{Failure, values};
use crate::data::Augmentation;
use crate::train::{DEFAULT_STEP_FACTOR, Schedule, Shape, Stopping, TrainingConfig};

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct ScheduleArgs {
    /// Number of epochs; a fraction stops within an epoch: 1.75 ends three quarters into the second
    #[arg(long, value_name = "X", default_value_t = TrainingConfig::default().epochs)]
    #[arg(value_parser = values::epochs, allow_negative_numbers = true)]
    epochs: f64,

    /// Batch size, or `all`; the last batch of an epoch may be smaller [default: 64; all with gd]
    #[arg(long, alias = "batch", value_name = "N|all", value_parser = batch_size, allow_negative_numbers = true)]
    batch_size: Option<BatchSize>,

    /// Learning rate, the highest of the schedule [default: 0.001 with adam, 0.01 with sgd and gd]
    #[arg(long, alias = "learning-rate", value_name = "X", value_parser = values::positive)]
    #[arg(allow_negative_numbers = true)]
    lr: Option<f32>,

    /// Learning-rate schedule
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t = Shape::Constant)]
    schedule: Shape,

    /// Warm-up, as a fraction of all steps, in [0, 1) [default: 0; 0.3 with one-cycle]
    #[arg(long, value_name = "FRACTION", value_parser = values::warmup, allow_negative_numbers = true)]
    warmup: Option<f64>,

    /// With `--schedule step`: number of epochs between decays of the learning rate
    #[arg(long, value_name = "X", value_parser = values::epochs, allow_negative_numbers = true)]
    lr_step_epochs: Option<f64>,

    /// With `--schedule step`: factor of each decay, between 0 and 1 [default: 0.1]
    #[arg(long, value_name = "X", value_parser = values::fraction, allow_negative_numbers = true)]
    lr_step_factor: Option<f64>,

    /// Random seed of the initial weights, the image order, augmentation and, unless --split-seed is given, the split; 0 to
    /// 2^63 - 1
    #[arg(long, value_name = "N", default_value_t = TrainingConfig::default().seed, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER))]
    pub seed: u64,

    /// Train on the images in their stored order instead of a new random order each epoch
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    no_shuffle: bool,

    /// Maximum number of steps; 0 saves the initial weights without training [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER))]
    max_steps: Option<u64>,
}

/// The number of images in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchSize {
    Images(NonZeroUsize),
    All,
}

fn batch_size(typed: &str) -> Result<BatchSize, String> {
    match typed {
        "all" => Ok(BatchSize::All),
        typed => typed
            .parse()
            .map(BatchSize::Images)
            .map_err(|_| "must be a whole number above 0, or `all`".to_owned()),
    }
}

impl ScheduleArgs {
    /// The configuration of a run over `samples` images.
    pub fn config(
        &self,
        samples: usize,
        optimizer: &OptimizerArgs,
        stopping: Stopping,
        augmentation: Augmentation,
    ) -> Result<TrainingConfig, Failure> {
        let config = TrainingConfig {
            epochs: self.epochs,
            max_steps: self.max_steps,
            batch_size: self.batch_size(samples, optimizer.kind())?,
            learning_rate: self.lr.unwrap_or_else(|| optimizer.kind().default_learning_rate()),
            seed: self.seed,
            shuffle: !self.no_shuffle,
            schedule: self.schedule()?,
            stopping,
            augmentation,
            ..TrainingConfig::default()
        };
        config.check(samples).map_err(Failure::input)?;
        Ok(config)
    }

    /// The batch size, at most the number of images.
    fn batch_size(&self, samples: usize, optimizer: OptimizerKind) -> Result<usize, Failure> {
        let default = if optimizer == OptimizerKind::Gd {
            samples
        } else {
            TrainingConfig::default().batch_size.min(samples)
        };
        let size = match self.batch_size {
            None => default,
            Some(BatchSize::All) => samples,
            Some(BatchSize::Images(images)) => images.get().min(samples),
        };
        if optimizer == OptimizerKind::Gd && size < samples {
            return Err(Failure::usage(
                format!("--batch-size {size}: --optimizer gd uses all {samples} images in each step"),
                "use --optimizer sgd, or omit --batch-size",
            ));
        }
        Ok(size)
    }

    pub fn schedule(&self) -> Result<Schedule, Failure> {
        let shape = self.schedule;
        let (step_epochs, step_factor) = match (shape, self.lr_step_epochs) {
            (Shape::Step, Some(epochs)) => (Some(epochs), self.lr_step_factor.or(Some(DEFAULT_STEP_FACTOR))),
            (Shape::Step, None) => {
                return Err(Failure::Input(anyhow!("--schedule step requires --lr-step-epochs")));
            }
            (_, None) if self.lr_step_factor.is_none() => (None, None),
            (_, epochs) => {
                let option = if epochs.is_some() { "--lr-step-epochs" } else { "--lr-step-factor" };
                return Err(Failure::Input(anyhow!("{option} requires --schedule step")));
            }
        };
        let warmup = self.warmup.unwrap_or_else(|| shape.default_warmup());
        Ok(Schedule { shape, warmup, step_epochs, step_factor })
    }
}
