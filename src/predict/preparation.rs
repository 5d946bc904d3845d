//! Converts images of any size to network inputs, in the way the model's training images were converted.

use std::io::Read;
use std::path::Path;

use image::GrayImage;
use image::imageops::{self, FilterType};

use super::digit::{self, Digit, Digits, NoDigit};
use super::{AutoChoice, PredictError};
use crate::data::{Channels, Conversion, Decoded, Fit, ImageFile, ImageFileError, ImageSet, ImageSize};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Model, PADDED_SIDE};

/// How image files are preprocessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preprocessing {
    /// [`Digit`](Self::Digit) if the model was trained on a known set of handwriting, otherwise [`Fit`](Self::Fit). For a
    /// file that does not record its data set this is a guess: see [`AutoChoice`].
    #[default]
    Auto,
    /// Fits the image to 32×32 as the training images were: padded or resized, as recorded in the model file, or
    /// chosen by the image's size if nothing is recorded. An image that should be padded but is larger than 32×32 is
    /// first resized to 28×28.
    Fit,
    /// Finds the digits in a photograph or scan and prepares each like MNIST's images (LeCun et al., 1998, section
    /// III.A): removes the background, makes ink white on black, crops the digit, scales it into 20×20 and centres it
    /// by its centre of mass in 28×28.
    Digit,
}

/// Why an image file cannot be prepared. The message is a predicate to append to the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read or decoded.
    #[error(transparent)]
    File(#[from] ImageFileError),
    /// The image shows no digit.
    #[error(transparent)]
    NoDigit(#[from] NoDigit),
}

/// The bytes of a pixel in the intermediate result of [`imageops::resize`], which has the source's width and the result's
/// height.
pub(super) const RESIZE_PIXEL: u64 = 16;

/// A [`Preprocessing`] resolved for one model: turns image files into network inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preparation {
    method: Method,
    channels: Channels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Digit,
    /// `None` chooses by the image's size.
    Fit(Option<Fit>),
}

/// An image ready for the network: one input, or one for each digit that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedImage {
    inputs: Vec<NetworkInput>,
    has_unread: bool,
}

/// An input of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInput {
    pixels: Vec<u8>,
    digit: Option<DigitPlace>,
}

/// Where in an image a digit was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigitPlace {
    /// The first column of the digit, in pixels of the image.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// The column after the last.
    pub right: u32,
    /// The row after the last.
    pub bottom: u32,
    /// The line of the text that the digit belongs to, from 0.
    pub line: usize,
}

impl PreparedImage {
    /// The inputs, at least one: the digits line by line, from left to right.
    pub fn inputs(&self) -> &[NetworkInput] {
        &self.inputs
    }

    /// Whether something beside the digits may be another one, which could not be recognised.
    pub fn has_unread(&self) -> bool {
        self.has_unread
    }

    /// Returns the inputs.
    pub fn into_inputs(self) -> Vec<NetworkInput> {
        self.inputs
    }
}

impl NetworkInput {
    /// The pixels, C×32×32, 0 (black) to 255.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the pixels, C×32×32, 0 (black) to 255.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Where the digit was found, if the image was prepared by [`Preprocessing::Digit`].
    pub fn place(&self) -> Option<DigitPlace> {
        self.digit
    }
}

impl Preparation {
    /// Resolves a preprocessing method for `model`.
    ///
    /// # Errors
    /// [`PredictError::Channels`] if the model's input has neither one channel nor three.
    pub fn new(model: &Model, preprocessing: Preprocessing) -> Result<Self, PredictError> {
        let channels = match model.network.channels {
            1 => Channels::Grey,
            3 => Channels::Colour,
            channels => return Err(PredictError::Channels { channels }),
        };
        let is_digit = match preprocessing {
            Preprocessing::Digit => true,
            Preprocessing::Fit => false,
            Preprocessing::Auto => AutoChoice::of(model).is_digit(),
        };
        let method = if is_digit { Method::Digit } else { Method::Fit(model.info.fit) };
        Ok(Self { method, channels })
    }

    /// Returns the method in use, which is never [`Preprocessing::Auto`].
    pub fn preprocessing(&self) -> Preprocessing {
        match self.method {
            Method::Digit => Preprocessing::Digit,
            Method::Fit(_) => Preprocessing::Fit,
        }
    }

    /// The name of the method on the command line: `mnist` or `none`.
    pub fn name(&self) -> &'static str {
        match self.method {
            Method::Digit => "mnist",
            Method::Fit(_) => "none",
        }
    }

    /// Reads and prepares an image file.
    ///
    /// # Errors
    /// If the file cannot be read, or this takes more memory than the budget allows ([`crate::memory`]); [`NoDigit`] as
    /// [`Self::apply`].
    pub fn read(&self, path: &Path) -> Result<PreparedImage, ImageError> {
        self.prepare(ImageFile::read_with(path, &|size| self.memory(size))?)
    }

    /// Reads and prepares an image from a stream.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_from(&self, content: impl Read) -> Result<PreparedImage, ImageError> {
        self.prepare(ImageFile::read_from_with(content, &|size| self.memory(size))?)
    }

    fn prepare(&self, Decoded { image, memory }: Decoded) -> Result<PreparedImage, ImageError> {
        let prepared = self.apply(image);
        drop(memory);
        Ok(prepared?)
    }

    /// The bytes that [`Self::apply`] needs besides the image.
    fn memory(&self, size: ImageSize) -> u64 {
        let (width, plane) = (u64::from(size.width), size.pixels());
        match self.method {
            Method::Digit => digit::memory(size),
            Method::Fit(_) => plane + width * (RESIZE_PIXEL * PADDED_SIDE as u64 + size_of::<f32>() as u64),
        }
    }

    /// Prepares one image.
    ///
    /// # Errors
    /// [`NoDigit`] if digits are expected and none is found.
    pub fn apply(&self, image: ImageFile) -> Result<PreparedImage, NoDigit> {
        let (inputs, has_unread) = match self.method {
            Method::Digit => {
                let Digits { digits, has_unread } = digit::find(&image)?;
                (digits.into_iter().map(|digit| self.digit(digit)).collect(), has_unread)
            }
            Method::Fit(fit) => {
                let fit = fit.unwrap_or(Fit::of(image.height, image.width));
                let too_large = image.height.max(image.width) > IMAGE_SIDE;
                let image = if fit == Fit::Pad && too_large { shrink(&image) } else { image };
                (vec![NetworkInput { pixels: self.convert(image, fit), digit: None }], false)
            }
        };
        Ok(PreparedImage { inputs, has_unread })
    }

    fn digit(&self, Digit { pixels, place }: Digit) -> NetworkInput {
        let image =
            ImageFile { channels: 1, height: digit::SIDE, width: digit::SIDE, pixels: pixels.to_vec() };
        NetworkInput { pixels: self.convert(image, Fit::Pad), digit: Some(place) }
    }

    /// Converts an image to C×32×32.
    fn convert(&self, image: ImageFile, fit: Fit) -> Vec<u8> {
        let ImageFile { channels, height, width, pixels } = image;
        let image = ImageSet { channels, height, width, pixels, labels: vec![0] };
        let conversion = Conversion { fit: Some(fit), channels: Some(self.channels) };
        conversion.convert(image).expect("images to be padded are at most 32×32").padded_image(0)
    }
}

/// Resizes an image to 28×28, plane by plane.
fn shrink(image: &ImageFile) -> ImageFile {
    let side = PADDED_SIDE;
    let planes = image.pixels.chunks_exact(image.height * image.width).map(|plane| {
        GrayImage::from_raw(image.width as u32, image.height as u32, plane.to_vec()).expect("a whole plane")
    });
    let pixels = planes
        .flat_map(|plane| imageops::resize(&plane, side as u32, side as u32, FilterType::Triangle).into_raw())
        .collect();
    ImageFile { channels: image.channels, height: side, width: side, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeNet5, ModelInfo};

    fn model(network: LeNet5, dataset: Option<&str>) -> Model {
        let info = ModelInfo { dataset: dataset.map(str::to_owned), ..ModelInfo::default() };
        Model { network, parameters: Vec::new(), info }
    }

    #[test]
    fn auto_prepares_digits_for_mnist_models_only() {
        for (network, dataset, expected) in [
            (LeNet5::new(1, 10), Some("mnist"), Preprocessing::Digit),
            (LeNet5::new(1, 10), Some("fashion-mnist"), Preprocessing::Fit),
            (LeNet5::new(1, 10), None, Preprocessing::Digit),
            (LeNet5::new(3, 10), None, Preprocessing::Fit),
            (LeNet5::new(1, 26), None, Preprocessing::Fit),
        ] {
            let preparation = Preparation::new(&model(network, dataset), Preprocessing::Auto).unwrap();
            assert_eq!(preparation.preprocessing(), expected, "{network:?} {dataset:?}");
        }
    }

    #[test]
    fn a_model_with_two_input_channels_is_rejected() {
        let error = Preparation::new(&model(LeNet5::new(2, 10), None), Preprocessing::Auto).unwrap_err();
        assert!(matches!(error, PredictError::Channels { channels: 2 }), "{error}");
    }
}
