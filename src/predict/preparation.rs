//! From an image of any size to one that a model sees as it saw those that it was trained on.

use image::GrayImage;
use image::imageops::{self, FilterType};

use super::digit::{self, NoInk, as_in_mnist};
use crate::data::{Channels, Conversion, DatasetKind, Fit, ImageFile, ImageSet};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Model, PADDED_SIDE};

/// How images become what a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preparation {
    how: How,
    channels: Channels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Digit,
    /// By their size where it is not said.
    AsItIs(Option<Fit>),
}

impl Preparation {
    /// As digits of MNIST are seen: see [`digit`].
    pub fn digit(channels: Channels) -> Self {
        Self { how: How::Digit, channels }
    }

    /// As images are that the model was trained on: padded or resized to 32×32, by what its file says of that, else
    /// by the image's size. One that is too large to be padded is first shrunk to 28×28, which is the size of those
    /// that are.
    pub fn as_it_is(channels: Channels, fit: Option<Fit>) -> Self {
        Self { how: How::AsItIs(fit), channels }
    }

    /// [`Self::digit`] for a model that was trained on MNIST, and for one whose file does not say on what but that sees
    /// grey images of ten classes; [`Self::as_it_is`] for all others.
    pub fn of(model: &Model, channels: Channels) -> Self {
        let of_digits = match &model.about.dataset {
            Some(name) => name == DatasetKind::Mnist.name(),
            None => channels == Channels::Grey && model.network.classes == 10,
        };
        if of_digits { Self::digit(channels) } else { Self::as_it_is(channels, model.about.fit) }
    }

    /// Whether images are seen as digits of MNIST.
    pub fn is_of_digits(&self) -> bool {
        self.how == How::Digit
    }

    /// What the network sees of an image: C×32×32.
    ///
    /// # Errors
    /// Where a digit is looked for and nothing stands out from the background.
    pub fn apply(&self, image: ImageFile) -> Result<Vec<u8>, NoInk> {
        let (image, fit) = match self.how {
            How::Digit => {
                let pixels = as_in_mnist(&image)?.to_vec();
                (ImageFile { channels: 1, height: digit::SIDE, width: digit::SIDE, pixels }, Fit::Pad)
            }
            How::AsItIs(fit) => {
                let fit = fit.unwrap_or(Fit::of(image.height, image.width));
                let too_large = image.height.max(image.width) > IMAGE_SIDE;
                (if fit == Fit::Pad && too_large { shrunk(&image) } else { image }, fit)
            }
        };
        let ImageFile { channels, height, width, pixels } = image;
        let image = ImageSet { channels, height, width, pixels, labels: vec![0] };
        let conversion = Conversion { fit: Some(fit), channels: Some(self.channels) };
        Ok(conversion.apply(image).expect("it is one image, and none too large is padded").padded_image(0))
    }
}

/// An image of 28×28, plane by plane.
fn shrunk(image: &ImageFile) -> ImageFile {
    let side = PADDED_SIDE;
    let planes = image.pixels.chunks_exact(image.height * image.width).map(|plane| {
        GrayImage::from_raw(image.width as u32, image.height as u32, plane.to_vec()).expect("a whole plane")
    });
    let pixels = planes
        .flat_map(|plane| imageops::resize(&plane, side as u32, side as u32, FilterType::Triangle).into_raw())
        .collect();
    ImageFile { channels: image.channels, height: side, width: side, pixels }
}
