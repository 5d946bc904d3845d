//! The options for the loss function.

use clap::Args;

use crate::cli::values;
use crate::engine::{Loss, LossKind, Reduction};

#[derive(Debug, Args)]
#[command(next_help_heading = "Loss")]
pub struct LossArgs {
    /// Loss function
    #[arg(long, value_name = "KIND", value_enum, default_value_t = LossKind::Nll)]
    loss: LossKind,

    /// How the losses of a batch are combined
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Reduction::Mean)]
    reduction: Reduction,

    /// Label smoothing, in [0, 1); used in training only
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    #[arg(value_parser = values::below_one, allow_negative_numbers = true)]
    label_smoothing: f32,
}

impl LossArgs {
    pub fn loss(&self) -> Loss {
        Loss { kind: self.loss, reduction: self.reduction, label_smoothing: self.label_smoothing }
    }
}
