//! How images of any size are brought to the network's 32×32.

use serde::{Deserialize, Serialize};

use super::lenet::IMAGE_SIDE;

/// The side of square images that are padded by default, as in MNIST and Fashion-MNIST.
pub const PADDED_SIDE: usize = 28;

/// How images are brought to 32×32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Centred on black; for images no larger than 32×32.
    Pad,
    /// Resized bilinearly, as in the paper; the aspect ratio is not kept.
    Resize,
}

impl Fit {
    /// Returns the default for images of a size: 28×28 is padded. Everything else is resized, because a much smaller
    /// image would occupy too little of the padded one.
    pub fn of(height: usize, width: usize) -> Self {
        if height == PADDED_SIDE && width == PADDED_SIDE { Self::Pad } else { Self::Resize }
    }
}

/// Returns the number of rows above and of columns left of an image that is centred in 32×32. An odd margin has the
/// extra row below or the extra column to the right.
///
/// # Panics
/// If the image is larger than 32×32.
pub fn margins(height: usize, width: usize) -> (usize, usize) {
    let margin = |side: usize| {
        assert!(side <= IMAGE_SIDE, "an image with side {side} does not fit into {IMAGE_SIDE}");
        (IMAGE_SIDE - side) / 2
    };
    (margin(height), margin(width))
}
