//! How images are changed as they are trained on.

use crate::data::Augmentation;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::cli::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentationArgs {
    /// Move each image by up to N pixels along each side, black coming in, as a random crop with this padding
    /// does
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        visible_alias = "crop",
        allow_negative_numbers = true
    )]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(0..=31))]
    shift: u32,

    /// Mirror every other image, drawn at random, left to right
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    flip: bool,

    /// Turn each image by up to so many degrees either way, 0 to 180
    #[arg(long, value_name = "DEGREES", default_value_t = 0.0)]
    #[arg(value_parser = values::degrees, allow_negative_numbers = true)]
    rotate: f32,

    /// Scale each image by a factor in 1 - X to 1 + X, X in [0, 1)
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    #[arg(value_parser = values::decay, allow_negative_numbers = true)]
    scale: f32,
}

impl AugmentationArgs {
    pub fn augmentation(&self) -> Augmentation {
        Augmentation { shift: self.shift, flip: self.flip, rotate: self.rotate, scale: self.scale }
    }
}
