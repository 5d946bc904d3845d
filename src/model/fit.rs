//! How images of any size become what the network takes; `src/data/fit.rs` does it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The side of square images that are padded where nothing else is asked for: MNIST's, and its likes'.
const PADDED_SIDE: usize = 28;

/// How images come to be of 32×32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// In the middle of 32×32, with black around them; for those that are not larger
    Pad,
    /// Resized to 32×32 bilinearly, as the paper does; proportions are not kept
    Resize,
}

impl Fit {
    /// What is done to images of a size where nothing is asked for: 28×28 are padded and all others resized,
    /// since smaller ones would be lost in 32×32.
    pub fn of(height: usize, width: usize) -> Self {
        if height == PADDED_SIDE && width == PADDED_SIDE { Self::Pad } else { Self::Resize }
    }
}
