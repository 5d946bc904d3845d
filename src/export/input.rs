//! What images an exported network is given.

use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Fit, Model, PADDED_SIDE, margins};

/// What its user hands to an exported network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// f32 `[N, C, 32, 32]`, made from pixels by (pixel/255 − 0.5)/0.5; images that are padded are so before that, by
    /// zeros, which makes their margins −1.
    Normalised,
    /// Bytes `[N, C, height, width]`, 0 to 255. The network itself pads them to 32×32 and normalises them.
    Raw { height: usize, width: usize },
}

/// A size of raw images that the network has not been trained to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("raw images are of 1×1 to 32×32, not of {height}×{width}: larger ones do not fit the network")]
    TooLarge { height: usize, width: usize },

    #[error(
        "the model saw images that were resized to 32×32, and those of {height}×{width} would be padded; \
         resize them before and leave the size away"
    )]
    NotPadded { height: usize, width: usize },
}

impl Input {
    /// Raw images of a size; where none is given, of the one that `model` was most likely trained on.
    ///
    /// # Errors
    /// Where such images do not fit into 32×32, or the model never saw images that were padded.
    pub fn raw(model: &Model, size: Option<(usize, usize)>) -> Result<Self, InputError> {
        // Images that are padded are mostly MNIST's, or its likes'.
        let usual = match model.about.fit {
            Some(Fit::Pad) => PADDED_SIDE,
            Some(Fit::Resize) | None => IMAGE_SIDE,
        };
        let (height, width) = size.unwrap_or((usual, usual));
        let full = height == IMAGE_SIDE && width == IMAGE_SIDE;
        if ![height, width].iter().all(|side| (1..=IMAGE_SIDE).contains(side)) {
            Err(InputError::TooLarge { height, width })
        } else if model.about.fit == Some(Fit::Resize) && !full {
            Err(InputError::NotPadded { height, width })
        } else {
            Ok(Self::Raw { height, width })
        }
    }

    /// Height and width of the images given.
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::Normalised => (IMAGE_SIDE, IMAGE_SIDE),
            Self::Raw { height, width } => (height, width),
        }
    }

    /// Rows above and columns left of an image in the network's 32×32, as in training.
    pub(super) fn margins(self) -> (usize, usize) {
        let (height, width) = self.size();
        margins(height, width)
    }

    /// For people, in ASCII: what values it takes.
    pub(super) fn values(self) -> &'static str {
        match self {
            Self::Normalised => "(pixel / 255 - 0.5) / 0.5 for pixels of 0 to 255, so from -1 to 1",
            Self::Raw { .. } => "pixels of 0 to 255, as they are",
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
            about: ModelInfo { fit, ..ModelInfo::default() },
        }
    }

    #[test]
    fn raw_images_are_of_28_where_the_model_saw_them_padded_and_else_of_32() {
        for (fit, side) in [(Some(Fit::Pad), 28), (Some(Fit::Resize), 32), (None, 32)] {
            assert_eq!(Input::raw(&model(fit), None).unwrap().size(), (side, side), "{fit:?}");
        }
    }

    #[test]
    fn raw_images_of_another_size_are_those_that_can_be_padded() {
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
