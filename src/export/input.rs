//! The input of an exported network.

use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Fit, Model, PADDED_SIDE, margins};

/// The input of an exported network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// f32 `[N, C, 32, 32]`, computed from pixels as (pixel/255 − 0.5)/0.5. Images are padded with zeros before that, so
    /// padding has the value −1.
    Normalised,
    /// Bytes `[N, C, height, width]`, 0 to 255, which the network pads to 32×32 and normalises itself.
    Raw {
        /// Rows, 1 to 32.
        height: usize,
        /// Columns, 1 to 32.
        width: usize,
    },
}

/// A size of raw images that does not suit the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A side is 0 or larger than 32.
    #[error("raw images of {height}×{width} are not supported; the sides must be from 1 to 32")]
    TooLarge {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },

    /// Images of this size would be padded, and the model was trained on resized images.
    #[error(
        "raw images of {height}×{width} would be padded, but the model was trained on images resized to 32×32; \
         resize the images to 32×32 instead"
    )]
    NotPadded {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Input {
    /// Raw images of the given height and width. The default is 28×28 for a model that was trained on padded images and
    /// 32×32 for others.
    ///
    /// # Errors
    /// [`InputError::TooLarge`] if a side is not from 1 to 32; [`InputError::NotPadded`] if the images would be padded and
    /// the model was trained on resized ones.
    pub fn raw(model: &Model, size: Option<(usize, usize)>) -> Result<Self, InputError> {
        // Padded images are usually those of MNIST and similar sets.
        let default = match model.info.fit {
            Some(Fit::Pad) => PADDED_SIDE,
            Some(Fit::Resize) | None => IMAGE_SIDE,
        };
        let (height, width) = size.unwrap_or((default, default));
        let full = height == IMAGE_SIDE && width == IMAGE_SIDE;
        if ![height, width].iter().all(|side| (1..=IMAGE_SIDE).contains(side)) {
            Err(InputError::TooLarge { height, width })
        } else if model.info.fit == Some(Fit::Resize) && !full {
            Err(InputError::NotPadded { height, width })
        } else {
            Ok(Self::Raw { height, width })
        }
    }

    /// Returns the height and width of the input images.
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::Normalised => (IMAGE_SIDE, IMAGE_SIDE),
            Self::Raw { height, width } => (height, width),
        }
    }

    /// Returns the number of padding rows above and padding columns left of the image, as in training.
    pub(super) fn margins(self) -> (usize, usize) {
        let (height, width) = self.size();
        margins(height, width)
    }

    /// Describes the values in ASCII.
    pub(super) fn values(self) -> &'static str {
        match self {
            Self::Normalised => "(pixel / 255 - 0.5) / 0.5 for pixels from 0 to 255, so from -1 to 1",
            Self::Raw { .. } => "pixels from 0 to 255",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeNet5, ModelInfo};

    fn model(fit: Option<Fit>) -> Model {
        Model {
            network: LeNet5::new(1, 10),
            parameters: Vec::new(),
            info: ModelInfo { fit, ..ModelInfo::default() },
        }
    }

    #[test]
    fn the_default_size_is_28_for_padded_images_and_32_otherwise() {
        for (fit, side) in [(Some(Fit::Pad), 28), (Some(Fit::Resize), 32), (None, 32)] {
            assert_eq!(Input::raw(&model(fit), None).unwrap().size(), (side, side), "{fit:?}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_padded_are_rejected() {
        let padded = model(Some(Fit::Pad));
        let odd = Input::raw(&padded, Some((20, 31))).unwrap();
        assert_eq!((odd.size(), odd.margins()), ((20, 31), (6, 0)));
        for size in [(0, 28), (28, 33)] {
            assert!(matches!(Input::raw(&padded, Some(size)), Err(InputError::TooLarge { .. })), "{size:?}");
        }
        let resized = Input::raw(&model(Some(Fit::Resize)), Some((28, 28)));
        assert!(matches!(resized, Err(InputError::NotPadded { .. })));
    }
}
