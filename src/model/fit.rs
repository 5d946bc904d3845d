//! How images of any size become what the network takes; `src/data/fit.rs` does it.

use serde::{Deserialize, Serialize};

use super::lenet::IMAGE_SIDE;

/// The side of square images that are padded where nothing else is asked for: MNIST's, and its likes'.
pub const PADDED_SIDE: usize = 28;

/// How images come to be of 32×32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Rows above and columns left of an image that is centred in the network's 32×32. Where they cannot be halved, one
/// more is below or to the right.
///
/// # Panics
/// Where an image is larger than that.
pub fn margins(height: usize, width: usize) -> (usize, usize) {
    let margin = |side: usize| {
        assert!(side <= IMAGE_SIDE, "an image of side {side} does not fit into {IMAGE_SIDE}");
        (IMAGE_SIDE - side) / 2
    };
    (margin(height), margin(width))
}
