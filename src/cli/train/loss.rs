//! What is made small.

use crate::engine::{Loss, LossKind, Reduction};
use clap::Args;

use crate::cli::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Loss")]
pub struct LossArgs {
    /// What is made small
    #[arg(long, value_name = "KIND", value_enum, default_value_t = LossKind::Nll)]
    loss: LossKind,

    /// How a batch's losses become one
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Reduction::Mean)]
    reduction: Reduction,

    /// What the label leaves to all classes alike, in [0, 1); in training only
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    #[arg(value_parser = values::decay, allow_negative_numbers = true)]
    label_smoothing: f32,
}

impl LossArgs {
    pub fn loss(&self) -> Loss {
        Loss { kind: self.loss, reduction: self.reduction, label_smoothing: self.label_smoothing }
    }
}
