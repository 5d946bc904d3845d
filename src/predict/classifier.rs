//! A trained model and the engine that runs it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ImageError, NoDigit, Preparation, PreparedImage, Preprocessing, RankedClass, top_classes};
use crate::cpu::CpuEngine;
use crate::data::{ImageFile, ImageFileError, ImageSet};
use crate::engine::{Engine, EngineError, Setup, Split};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::weights::{self, LoadError};
use crate::model::{Model, ModelInfo};

/// Classifies images with a trained model.
pub struct Classifier {
    channels: usize,
    classes: usize,
    info: ModelInfo,
    preparation: Preparation,
    engine: Box<dyn Engine>,
}

/// The probabilities that a model assigns to the classes for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    log_probabilities: Vec<f32>,
}

/// Why images could not be classified.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The model file could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// The model's input has neither one channel nor three, so no image file fits it.
    #[error("the model takes images with {channels} channels; image files have 1 or 3")]
    Channels {
        /// The model's input channels.
        channels: usize,
    },

    /// The image file could not be read.
    #[error("{} {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageFileError,
    },

    /// The image shows no digit.
    #[error("the image {0}")]
    NoDigit(#[from] NoDigit),

    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),

    /// The network's output for an image is infinite or not a number.
    #[error(
        "the predicted probabilities of image {image} are not finite; the model's weights are too large or corrupt"
    )]
    NonFinite {
        /// The image's index in the batch.
        image: usize,
    },
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("about", &self.info)
            .field("preparation", &self.preparation)
            .field("engine", &self.engine.name())
            .finish_non_exhaustive()
    }
}

impl Classifier {
    /// Loads a safetensors model file, written by this crate or by PyTorch, to run on the CPU.
    ///
    /// # Errors
    /// [`PredictError::Load`] if the file holds no LeNet-5 weights, [`PredictError::Channels`] if no image file fits
    /// the model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PredictError> {
        let model = weights::load(path.as_ref())?;
        let engine = CpuEngine::new(&Setup::new(model.network, 1));
        Self::with_engine(model, Box::new(engine))
    }

    /// Runs a model on `engine`, which must have been set up for the model's network.
    ///
    /// # Errors
    /// [`PredictError::Channels`] if no image file fits the model, [`PredictError::Engine`] if the engine fails.
    ///
    /// # Panics
    /// If the parameters' length is not the engine's network's.
    pub fn with_engine(model: Model, mut engine: Box<dyn Engine>) -> Result<Self, PredictError> {
        let preparation = Preparation::new(&model, Preprocessing::Auto)?;
        engine.set_parameters(&model.parameters)?;
        let Model { network, info, .. } = model;
        Ok(Self { channels: network.channels, classes: network.classes, info, preparation, engine })
    }

    /// Replaces the preparation of images, which is [`Preprocessing::Auto`]'s by default.
    pub fn with_preparation(self, preparation: Preparation) -> Self {
        Self { preparation, ..self }
    }

    /// Classifies an image file.
    ///
    /// # Errors
    /// [`PredictError::Image`] if the file cannot be read or decoded, and those of [`Self::classify`].
    pub fn classify_file(&mut self, path: impl AsRef<Path>) -> Result<Prediction, PredictError> {
        let path = path.as_ref();
        let prepared = self.preparation.read(path).map_err(|error| match error {
            ImageError::File(source) => PredictError::Image { path: path.to_owned(), source },
            ImageError::NoDigit(error) => error.into(),
        })?;
        self.classify_one(&prepared)
    }

    /// Classifies an image of any size.
    ///
    /// # Errors
    /// [`PredictError::NoDigit`] if a digit is expected and none is found; [`PredictError::Engine`] and
    /// [`PredictError::NonFinite`] if the computation fails.
    pub fn classify(&mut self, image: ImageFile) -> Result<Prediction, PredictError> {
        let prepared = self.preparation.apply(image)?;
        self.classify_one(&prepared)
    }

    fn classify_one(&mut self, image: &PreparedImage) -> Result<Prediction, PredictError> {
        Ok(self.classify_batch([image])?.remove(0))
    }

    /// Classifies several prepared images at once and returns a prediction for each, in their order.
    ///
    /// # Errors
    /// [`PredictError::Engine`] and [`PredictError::NonFinite`] if the computation fails.
    ///
    /// # Panics
    /// If an image was prepared for another number of channels.
    pub fn classify_batch<'a>(
        &mut self,
        images: impl IntoIterator<Item = &'a PreparedImage>,
    ) -> Result<Vec<Prediction>, PredictError> {
        let image_len = self.channels * IMAGE_SIDE * IMAGE_SIDE;
        let mut pixels = Vec::new();
        for image in images {
            assert_eq!(image.pixels().len(), image_len, "the image was prepared for another model");
            pixels.extend_from_slice(image.pixels());
        }
        // The engine requires labels; the log-probabilities do not depend on them.
        let labels = vec![0; pixels.len() / image_len];
        let images =
            ImageSet { channels: self.channels, height: IMAGE_SIDE, width: IMAGE_SIDE, pixels, labels };
        self.engine.load(Split::Test, Arc::new(images))?;
        let log_probabilities = self.engine.log_probabilities(Split::Test)?;
        let rows = log_probabilities.chunks_exact(self.classes).enumerate();
        rows.map(|(image, row)| match row.iter().all(|log| log.is_finite()) {
            true => Ok(Prediction { log_probabilities: row.to_vec() }),
            false => Err(PredictError::NonFinite { image }),
        })
        .collect()
    }

    /// Returns the preparation, for example to prepare images on several threads for [`Self::classify_batch`].
    pub fn preparation(&self) -> Preparation {
        self.preparation
    }

    /// Returns the name of a class, or its label in decimal if the model file names no classes.
    pub fn class_name(&self, class: usize) -> String {
        self.info.class(class)
    }
}

impl Prediction {
    /// Returns the most probable class; of equally probable classes the one with the lowest label.
    pub fn best(&self) -> RankedClass {
        self.top(1)[0]
    }

    /// Returns the `count` most probable classes, or all if there are fewer, the most probable first.
    pub fn top(&self, count: usize) -> Vec<RankedClass> {
        top_classes(&self.log_probabilities, count)
    }

    /// The natural logarithm of each class's probability, indexed by label; all are finite.
    pub fn log_probabilities(&self) -> &[f32] {
        &self.log_probabilities
    }
}
