//! How long, in which steps and at which rate.

use std::num::NonZeroUsize;

use crate::data::Augmentation;
use crate::train::{DEFAULT_STEP_FACTOR, Schedule, Shape, Stopping, TrainingConfig};
use anyhow::anyhow;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::optimizer::{OptimizerArgs, OptimizerKind};
use crate::cli::{Failure, values};

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct ScheduleArgs {
    /// Passes over the training images; 1.75 ends after three quarters of the second one's steps
    #[arg(long, value_name = "X", default_value_t = TrainingConfig::default().epochs)]
    #[arg(value_parser = values::epochs, allow_negative_numbers = true)]
    epochs: f64,

    /// Images of a step, or `all` of them; an epoch's last step may have fewer [default: 64; all with gd]
    #[arg(long, value_name = "N|all", value_parser = batch_size, allow_negative_numbers = true)]
    batch_size: Option<BatchSize>,

    /// The learning rate, the highest of the schedule [default: 0.001 with adam, 0.01 with sgd and gd]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    lr: Option<f32>,

    /// How the learning rate goes over the run
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t = Shape::Constant)]
    schedule: Shape,

    /// Share of the run's steps in which the rate rises, in [0, 1) [default: 0; 0.3 with one-cycle]
    #[arg(long, value_name = "SHARE", value_parser = values::warmup, allow_negative_numbers = true)]
    warmup: Option<f64>,

    /// With `--schedule step`: epochs from one fall of the rate to the next
    #[arg(long, value_name = "X", value_parser = values::epochs, allow_negative_numbers = true)]
    lr_step_epochs: Option<f64>,

    /// With `--schedule step`: what each fall multiplies the rate by, between 0 and 1 [default: 0.1]
    #[arg(long, value_name = "X", value_parser = values::share, allow_negative_numbers = true)]
    lr_step_factor: Option<f64>,

    /// Decides the initial weights, the order of the images and all else that is drawn; 0 to 2^63 - 1
    #[arg(long, value_name = "N", default_value_t = TrainingConfig::default().seed, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(0..=values::MAX_INTEGER))]
    pub seed: u64,

    /// See the images in the order in which they are stored [default: a new order each epoch]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    no_shuffle: bool,

    /// End after this many steps; 0 only initialises and saves [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(0..=values::MAX_INTEGER))]
    max_steps: Option<u64>,
}

/// Images of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchSize {
    Images(NonZeroUsize),
    All,
}

fn batch_size(typed: &str) -> Result<BatchSize, String> {
    if typed == "all" {
        return Ok(BatchSize::All);
    }
    typed
        .parse()
        .map(BatchSize::Images)
        .map_err(|_| "it is neither a whole number above 0 nor `all`".to_owned())
}

impl ScheduleArgs {
    /// The plan of a run over `samples` images.
    pub fn plan(
        &self,
        samples: usize,
        optimizer: &OptimizerArgs,
        stopping: Stopping,
        augmentation: Augmentation,
    ) -> Result<TrainingConfig, Failure> {
        let plan = TrainingConfig {
            epochs: self.epochs,
            max_steps: self.max_steps,
            batch_size: self.batch_size(samples, optimizer.kind())?,
            learning_rate: self.lr.unwrap_or_else(|| optimizer.kind().usual_rate()),
            seed: self.seed,
            shuffle: !self.no_shuffle,
            schedule: self.schedule()?,
            stopping,
            augmentation,
            ..TrainingConfig::default()
        };
        plan.check(samples).map_err(Failure::input)?;
        Ok(plan)
    }

    /// Images of a step, no more than there are.
    fn batch_size(&self, samples: usize, optimizer: OptimizerKind) -> Result<usize, Failure> {
        let usual = if optimizer == OptimizerKind::Gd {
            samples
        } else {
            TrainingConfig::default().batch_size.min(samples)
        };
        let size = match self.batch_size {
            None => usual,
            Some(BatchSize::All) => samples,
            Some(BatchSize::Images(images)) => images.get().min(samples),
        };
        if optimizer == OptimizerKind::Gd && size < samples {
            return Err(Failure::Input(anyhow!(
                "--optimizer gd takes all {samples} images as one step, and --batch-size says {size}; \
                 --optimizer sgd goes by batches"
            )));
        }
        Ok(size)
    }

    fn schedule(&self) -> Result<Schedule, Failure> {
        let shape = self.schedule;
        let (step_epochs, step_factor) = match (shape, self.lr_step_epochs) {
            (Shape::Step, Some(epochs)) => (Some(epochs), self.lr_step_factor.or(Some(DEFAULT_STEP_FACTOR))),
            (Shape::Step, None) => {
                return Err(Failure::Input(anyhow!(
                    "--schedule step needs --lr-step-epochs, the epochs from one fall of the rate to the next"
                )));
            }
            (_, None) if self.lr_step_factor.is_none() => (None, None),
            _ => {
                return Err(Failure::Input(anyhow!(
                    "--lr-step-epochs and --lr-step-factor are of --schedule step, and another was asked for"
                )));
            }
        };
        let warmup = self.warmup.unwrap_or_else(|| shape.default_warmup());
        Ok(Schedule { shape, warmup, step_epochs, step_factor })
    }
}
