//! Conversion of stored images to images that the network accepts.

mod channels;
mod fit;

pub use channels::Channels;
pub(super) use channels::convert_channels;
pub(super) use fit::{fit, pad};

use super::loaded::Loaded;
use super::{DataError, Fit, ImageSet};
use crate::model::lenet::IMAGE_SIDE;

/// The conversion of images before they are loaded into an engine. The default depends on the images: those of 28×28
/// are padded and all others resized, and the channels stay as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversion {
    /// How images are brought to 32×32; [`Fit::of`] their size if `None`.
    pub fit: Option<Fit>,
    /// The channels that images are converted to; as stored if `None`.
    pub channels: Option<Channels>,
}

impl Conversion {
    /// How images of this size are brought to 32×32.
    pub fn fit_of(self, images: &ImageSet) -> Fit {
        self.fit.unwrap_or(Fit::of(images.height, images.width))
    }

    /// Converts images of 1 or 3 channels. The result is at most 32×32: images to be padded keep their size, as
    /// engines pad while loading.
    ///
    /// # Errors
    /// [`DataError::TooLargeToPad`], and [`DataError::Memory`] if the result takes more memory than the budget allows.
    ///
    /// # Panics
    /// If images have neither 1 nor 3 channels and their channels are to be converted.
    pub fn apply(self, images: ImageSet) -> Result<ImageSet, DataError> {
        Ok(Loaded::uncounted(images).convert(self)?.images)
    }

    /// The number of bytes that a copy takes if the conversion makes one; `None` if it works in place.
    pub(super) fn copied_len(self, images: &ImageSet) -> Option<u64> {
        let is_resized =
            self.fit_of(images) == Fit::Resize && (images.height, images.width) != (IMAGE_SIDE, IMAGE_SIDE);
        let is_repeated = self.channels == Some(Channels::Colour) && images.channels == 1;
        if !is_resized && !is_repeated {
            return None;
        }
        let channels = self.channels.map_or(images.channels, Channels::count);
        let plane = if is_resized { IMAGE_SIDE * IMAGE_SIDE } else { images.height * images.width };
        // Repeated channels are a further copy.
        let planes = if is_repeated && is_resized { 1 + channels } else { channels };
        Some((images.len() as u64).saturating_mul((planes * plane + size_of::<u16>()) as u64))
    }

    /// [`Self::apply`] without a reservation of memory.
    pub(crate) fn convert(self, mut images: ImageSet) -> Result<ImageSet, DataError> {
        // Channels are removed before and added after resizing, so that fewer planes are resized.
        if self.channels == Some(Channels::Grey) {
            images = convert_channels(images, Channels::Grey);
        }
        images = fit(images, self.fit)?;
        if self.channels == Some(Channels::Colour) {
            images = convert_channels(images, Channels::Colour);
        }
        Ok(images)
    }
}
