//! From images as they are stored to images that the network takes.

use super::channels::{Channels, convert};
use super::fit::fit;
use super::{DataError, Fit, ImageSet};

/// What is done to images before any engine sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversion {
    /// How they come to be of 32×32; by their size ([`Fit::of`]) where it is not said.
    pub fit: Option<Fit>,
    /// What they are seen in; what they are stored in where it is not said.
    pub channels: Option<Channels>,
}

impl Conversion {
    /// How images of this size come to be of 32×32.
    pub fn fit_of(self, split: &ImageSet) -> Fit {
        self.fit.unwrap_or(Fit::of(split.height, split.width))
    }

    /// Converts images of 1 or 3 channels, which then are of at most 32×32.
    ///
    /// # Errors
    /// [`DataError::TooLargeToPad`], [`DataError::TooManyToResize`].
    pub fn apply(self, mut split: ImageSet) -> Result<ImageSet, DataError> {
        // Colours go before images are resized, and come after, so that less is resized.
        if self.channels == Some(Channels::Grey) {
            split = convert(split, Channels::Grey);
        }
        split = fit(split, self.fit)?;
        if self.channels == Some(Channels::Colour) {
            split = convert(split, Channels::Colour);
        }
        Ok(split)
    }
}
