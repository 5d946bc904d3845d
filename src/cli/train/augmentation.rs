//! The options for data augmentation.

use clap::Args;

use crate::cli::values;
use crate::data::Augmentation;

#[derive(Debug, Args)]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentationArgs {
    /// Largest random shift in pixels along each axis, 0 to 31, filled with black (a random crop with this padding)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        visible_alias = "crop",
        allow_negative_numbers = true
    )]
    #[arg(value_parser = values::integer::<u32>(0..=31))]
    shift: u32,

    /// Flip images horizontally at random, half of the time
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    flip: bool,

    /// Largest random rotation in degrees, in either direction, 0 to 180
    #[arg(long, value_name = "DEGREES", default_value_t = 0.0)]
    #[arg(value_parser = values::degrees, allow_negative_numbers = true)]
    rotate: f32,

    /// Random scaling by a factor of 1 - X to 1 + X, X in [0, 1)
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    #[arg(value_parser = values::below_one, allow_negative_numbers = true)]
    scale: f32,
}

impl AugmentationArgs {
    pub fn augmentation(&self) -> Augmentation {
        Augmentation { shift: self.shift, flip: self.flip, rotate: self.rotate, scale: self.scale }
    }
}
