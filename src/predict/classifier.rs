//! A trained model, or several, and the engine that runs them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::likeness::likeness;
use super::{
    DigitPlace, ImageError, NetworkInput, NoDigit, Preparation, PreparedImage, Preprocessing, RankedClass,
    top_classes,
};
use crate::cpu::CpuEngine;
use crate::data::{ImageFile, ImageFileError, ImageSet, TestTimeAugmentation};
use crate::engine::{Engine, EngineError, EnsembleEngine, LayerOutput, Setup, Split, mean_log_probabilities};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::weights::{self, LoadError};
use crate::model::{Ensemble, EnsembleError, Model, ModelInfo};

/// Classifies images with a trained model, or with an [`Ensemble`] of them, whose probabilities are averaged.
pub struct Classifier {
    channels: usize,
    classes: usize,
    info: ModelInfo,
    /// Whether the classes are the ten digits in order.
    reads_digits: bool,
    preparation: Preparation,
    views: TestTimeAugmentation,
    /// The models' names.
    models: Vec<String>,
    engine: EnsembleEngine,
}

/// The probabilities that a model or an ensemble assigns to the classes for one image or one digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    log_probabilities: Vec<f32>,
    /// The most probable class of each model.
    of_models: Vec<RankedClass>,
    confidence: f64,
    place: Option<DigitPlace>,
}

/// What an image shows: one object, or the digits of one or more numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    predictions: Vec<Prediction>,
    has_unread: bool,
}

/// A reading, and what each layer of the network computed for the first inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingWithLayers {
    /// The reading.
    pub reading: Reading,
    /// For each of the first inputs the layers' outputs in the network's order, for this input alone (C×H×W values). Of an
    /// ensemble they are those of the first model.
    pub layers: Vec<Vec<LayerOutput>>,
}

/// The most inputs whose layers are computed at once.
const MAX_WATCHED: usize = 64;

/// The layers' outputs for one input, from those for several.
fn layers_of(outputs: &[LayerOutput], index: usize) -> Vec<LayerOutput> {
    let of_input = |output: &LayerOutput| LayerOutput { values: output.image(index).to_vec(), ..*output };
    outputs.iter().map(of_input).collect()
}

/// Why images could not be classified.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The model file could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// The models do not make an ensemble.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),

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

    /// The image shows several digits, where one was expected.
    #[error("the image shows {count} digits instead of one; `Classifier::read` reads all of them")]
    SeveralDigits {
        /// The number of digits.
        count: usize,
    },

    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),

    /// A network's output for an image is infinite or not a number.
    #[error(
        "the predicted probabilities of image {image} are not finite; the model's weights are too large or corrupt"
    )]
    NonFinite {
        /// The image's index in the batch.
        image: usize,
        /// The model's index in its ensemble; 0 for a single model.
        model: usize,
    },
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("models", &self.models)
            .field("about", &self.info)
            .field("preparation", &self.preparation)
            .field("engine", &self.engine.name())
            .finish_non_exhaustive()
    }
}

impl Classifier {
    /// Digits read with a lower [confidence](Prediction::confidence) are doubtful. Of generated photographs of digits
    /// 2.4 % are below, of letters 87 %, of scribbles 75 %.
    pub const MIN_CONFIDENCE: f64 = 0.28;

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

    /// Loads several model files, whose probabilities are averaged, to run on the CPU.
    ///
    /// # Errors
    /// [`PredictError::Ensemble`] if a file cannot be loaded or the models do not fit together; [`PredictError::Channels`].
    pub fn load_ensemble(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, PredictError> {
        Self::of_ensemble(&Ensemble::load(paths)?, |setup| Ok(Box::new(CpuEngine::new(setup))))
    }

    /// Runs a model on `engine`, which must have been set up for the model's network.
    ///
    /// # Errors
    /// [`PredictError::Channels`] if no image file fits the model, [`PredictError::Engine`] if the engine fails.
    ///
    /// # Panics
    /// If the parameters' length is not the engine's network's.
    pub fn with_engine(model: Model, engine: Box<dyn Engine>) -> Result<Self, PredictError> {
        let mut engine = Some(engine);
        Self::of_ensemble(&model.into(), |_| Ok(engine.take().expect("one model needs one engine")))
    }

    /// Runs the models of an ensemble, on engines that `open` creates for their networks.
    ///
    /// # Errors
    /// [`PredictError::Channels`] if no image file fits the models, [`PredictError::Engine`] if an engine fails.
    pub fn of_ensemble(
        ensemble: &Ensemble,
        open: impl FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError>,
    ) -> Result<Self, PredictError> {
        let Model { network, info, .. } = ensemble.lead();
        let preparation = Preparation::new(ensemble.lead(), Preprocessing::Auto)?;
        let engine = EnsembleEngine::new(ensemble, open)?;
        let (channels, classes, info) = (network.channels, network.classes, info.clone());
        let reads_digits =
            channels == 1 && classes == 10 && (0..10).all(|digit| info.class(digit) == digit.to_string());
        let models = ensemble.members().iter().map(|member| member.name.clone()).collect();
        Ok(Self {
            channels,
            classes,
            info,
            reads_digits,
            preparation,
            views: TestTimeAugmentation::NONE,
            models,
            engine,
        })
    }

    /// Replaces the preparation of images, which is [`Preprocessing::Auto`]'s by default.
    pub fn with_preparation(self, preparation: Preparation) -> Self {
        Self { preparation, ..self }
    }

    /// Averages the probabilities over views of each input, which are moved after the preparation. There are none by
    /// default.
    pub fn with_views(self, views: TestTimeAugmentation) -> Self {
        Self { views, ..self }
    }

    /// The views of each input whose probabilities are averaged.
    pub fn views(&self) -> TestTimeAugmentation {
        self.views
    }

    /// Classifies an image file that shows one object.
    ///
    /// # Errors
    /// [`PredictError::Image`] if the file cannot be read or decoded, and those of [`Self::classify`].
    pub fn classify_file(&mut self, path: impl AsRef<Path>) -> Result<Prediction, PredictError> {
        self.read_file(path)?.single()
    }

    /// Classifies an image of any size that shows one object.
    ///
    /// # Errors
    /// [`PredictError::NoDigit`] and [`PredictError::SeveralDigits`] if one digit is expected and none or more are found;
    /// [`PredictError::Engine`] and [`PredictError::NonFinite`] if the computation fails.
    pub fn classify(&mut self, image: ImageFile) -> Result<Prediction, PredictError> {
        self.read(image)?.single()
    }

    /// Reads all digits in an image file, if the preparation looks for digits; otherwise classifies it as a whole.
    ///
    /// # Errors
    /// [`PredictError::Image`] if the file cannot be read or decoded, and those of [`Self::read`].
    pub fn read_file(&mut self, path: impl AsRef<Path>) -> Result<Reading, PredictError> {
        let path = path.as_ref();
        let prepared = self.preparation.read(path).map_err(|error| match error {
            ImageError::File(source) => PredictError::Image { path: path.to_owned(), source },
            ImageError::NoDigit(error) => error.into(),
        })?;
        self.read_one(&prepared)
    }

    /// Reads all digits in an image, if the preparation looks for digits; otherwise classifies it as a whole.
    ///
    /// # Errors
    /// [`PredictError::NoDigit`] if digits are expected and none is found; [`PredictError::Engine`] and
    /// [`PredictError::NonFinite`] if the computation fails.
    pub fn read(&mut self, image: ImageFile) -> Result<Reading, PredictError> {
        let prepared = self.preparation.apply(image)?;
        self.read_one(&prepared)
    }

    fn read_one(&mut self, image: &PreparedImage) -> Result<Reading, PredictError> {
        Ok(self.read_batch([image])?.remove(0))
    }

    /// Reads several prepared images at once and returns a reading for each, in their order.
    ///
    /// # Errors
    /// [`PredictError::Engine`] and [`PredictError::NonFinite`] if the computation fails.
    ///
    /// # Panics
    /// If an image was prepared for another number of channels.
    pub fn read_batch<'a>(
        &mut self,
        images: impl IntoIterator<Item = &'a PreparedImage>,
    ) -> Result<Vec<Reading>, PredictError> {
        let images: Vec<_> = images.into_iter().map(|image| (image, 0)).collect();
        let readings = self.read_batch_with_layers(&images)?;
        Ok(readings.into_iter().map(|read| read.reading).collect())
    }

    /// As [`Self::read_batch`], and returns the output of each layer for the first inputs of an image: `images` are prepared
    /// images, each with the number of such inputs. The outputs are those for the input itself, not for other views of it.
    ///
    /// # Errors
    /// As [`Self::read_batch`].
    ///
    /// # Panics
    /// As [`Self::read_batch`].
    pub fn read_batch_with_layers(
        &mut self,
        images: &[(&PreparedImage, usize)],
    ) -> Result<Vec<ReadingWithLayers>, PredictError> {
        let inputs: Vec<(&NetworkInput, bool)> = images
            .iter()
            .flat_map(|&(image, count)| {
                image.inputs().iter().enumerate().map(move |(i, input)| (input, i < count))
            })
            .collect();
        let (watched, others): (Vec<usize>, Vec<usize>) =
            (0..inputs.len()).partition(|&index| inputs[index].1);
        let select = |indices: &[usize]| indices.iter().map(|&index| inputs[index].0).collect::<Vec<_>>();

        // The log-probabilities of each input by each model, and the layers' outputs if it is watched.
        let mut outputs = vec![(Vec::new(), Vec::new()); inputs.len()];
        for indices in watched.chunks(MAX_WATCHED) {
            let inputs = self.input_set(&select(indices));
            self.engine.load(Split::Test, &inputs)?;
            let batch = self.engine.first_activations(Split::Test)?;
            let rows = match (self.engine.members(), self.views.count(), batch.last()) {
                // The last layer's output is the log-probabilities.
                (1, 1, Some(last)) => vec![last.values.clone()],
                _ => self.engine.log_probabilities_of_views(Split::Test, &inputs, self.views)?,
            };
            for (position, &index) in indices.iter().enumerate() {
                outputs[index] = (self.rows_of(&rows, position), layers_of(&batch, position));
            }
        }
        if !others.is_empty() {
            let inputs = self.input_set(&select(&others));
            let rows = self.engine.log_probabilities_of_views(Split::Test, &inputs, self.views)?;
            for (position, &index) in others.iter().enumerate() {
                outputs[index].0 = self.rows_of(&rows, position);
            }
        }

        let mut outputs = outputs.into_iter();
        let readings = images.iter().enumerate().map(|(index, &(image, count))| {
            let (rows, mut layers): (Vec<_>, Vec<_>) = outputs.by_ref().take(image.inputs().len()).unzip();
            layers.truncate(count);
            Ok(ReadingWithLayers { reading: self.reading(index, image, rows)?, layers })
        });
        readings.collect()
    }

    /// The log-probabilities of one input by each model, from those of several inputs.
    fn rows_of(&self, models: &[Vec<f32>], input: usize) -> Vec<Vec<f32>> {
        models.iter().map(|rows| rows[input * self.classes..][..self.classes].to_vec()).collect()
    }

    /// The inputs as the engine takes them.
    fn input_set(&self, inputs: &[&NetworkInput]) -> Arc<ImageSet> {
        let image_len = self.channels * IMAGE_SIDE * IMAGE_SIDE;
        let mut pixels = Vec::with_capacity(inputs.len() * image_len);
        for input in inputs {
            assert_eq!(input.pixels().len(), image_len, "the image was prepared for another model");
            pixels.extend_from_slice(input.pixels());
        }
        // The engine requires labels; what is computed does not depend on them.
        let labels = vec![0; inputs.len()];
        Arc::new(ImageSet { channels: self.channels, height: IMAGE_SIDE, width: IMAGE_SIDE, pixels, labels })
    }

    /// The reading of the image with this index in its batch. `rows` are the log-probabilities of its inputs by each model.
    fn reading(
        &self,
        image: usize,
        prepared: &PreparedImage,
        rows: Vec<Vec<Vec<f32>>>,
    ) -> Result<Reading, PredictError> {
        let predictions = prepared.inputs().iter().zip(rows).map(|(input, of_models)| {
            match of_models.iter().position(|row| !row.iter().all(|log| log.is_finite())) {
                None => Ok(self.prediction(input, of_models)),
                Some(model) => Err(PredictError::NonFinite { image, model }),
            }
        });
        let predictions = predictions.collect::<Result<_, _>>()?;
        Ok(Reading { predictions, has_unread: prepared.has_unread() })
    }

    /// Replaces the weights by others for the same network; of an ensemble, those of the first model.
    ///
    /// # Errors
    /// [`PredictError::Engine`] if the engine fails.
    ///
    /// # Panics
    /// If the parameters' length is not the engine's network's.
    pub fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), PredictError> {
        Ok(self.engine.set_first_parameters(parameters)?)
    }

    /// The name of the device.
    pub fn device(&self) -> String {
        self.engine.name()
    }

    /// The names of the models: of their files, or `model` for one that was not loaded from a file.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    fn prediction(&self, input: &NetworkInput, rows: Vec<Vec<f32>>) -> Prediction {
        let of_models = rows.iter().map(|row| top_classes(row, 1)[0]).collect();
        let log_probabilities = mean_log_probabilities(rows);
        let RankedClass { class, probability } = top_classes(&log_probabilities, 1)[0];
        let place = input.place();
        let likeness =
            if place.is_some() && self.reads_digits { likeness(input.pixels(), class) } else { 1.0 };
        Prediction { log_probabilities, of_models, confidence: probability * likeness, place }
    }

    /// The confidence below which a reading is doubtful: [`Self::MIN_CONFIDENCE`] if the model reads digits in photographs,
    /// otherwise 0, as the confidence is then only a probability.
    pub fn min_confidence(&self) -> f64 {
        match self.preparation.preprocessing() {
            Preprocessing::Digit if self.reads_digits => Self::MIN_CONFIDENCE,
            _ => 0.0,
        }
    }

    /// Returns the preparation, for example to prepare images on several threads for [`Self::read_batch`].
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

    /// The most probable class of each model of an ensemble, with the probability that the model assigns to it, in the
    /// order of [`Classifier::models`].
    pub fn of_models(&self) -> &[RankedClass] {
        &self.of_models
    }

    /// The number of models whose most probable class is that of the ensemble.
    pub fn agreeing_models(&self) -> usize {
        let best = self.best().class;
        self.of_models.iter().filter(|ranked| ranked.class == best).count()
    }

    /// How far the prediction can be trusted, 0 to 1. For digits in a photograph it is the probability of the best class
    /// times how much the shape resembles digits of this class in MNIST: networks assign high probabilities to letters
    /// and scribbles as well. For everything else it is the probability.
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// Where in the image the digit was found, if the image was prepared by [`Preprocessing::Digit`].
    pub fn place(&self) -> Option<DigitPlace> {
        self.place
    }
}

impl Reading {
    /// The predictions, at least one: for the digits line by line, from left to right.
    pub fn predictions(&self) -> &[Prediction] {
        &self.predictions
    }

    /// The probability that all digits are read correctly, if they are independent.
    pub fn probability(&self) -> f64 {
        self.predictions.iter().map(|prediction| prediction.best().probability).product()
    }

    /// The confidence of the most doubtful digit, or 0 if a digit may be missing.
    pub fn confidence(&self) -> f64 {
        match self.has_unread {
            true => 0.0,
            false => self.predictions.iter().map(Prediction::confidence).fold(1.0, f64::min),
        }
    }

    /// Whether something beside the digits may be another one, which could not be recognised.
    pub fn has_unread(&self) -> bool {
        self.has_unread
    }

    /// The best classes of all predictions in one text, with a space between lines of digits: "2026 11". Classes are
    /// separated as well if a name has several characters.
    pub fn number(&self, classifier: &Classifier) -> String {
        let is_one = |class| classifier.class_name(class).chars().count() == 1;
        let are_separate = !(0..classifier.classes).all(is_one);
        let (mut number, mut line) = (String::new(), 0);
        for prediction in &self.predictions {
            let of_digit = prediction.place.map_or(0, |place| place.line);
            let is_next_line = std::mem::replace(&mut line, of_digit) != of_digit;
            if is_next_line || are_separate && !number.is_empty() {
                number.push(' ');
            }
            number += &classifier.class_name(prediction.best().class);
        }
        number
    }

    fn single(mut self) -> Result<Prediction, PredictError> {
        match self.predictions.len() {
            1 => {
                let confidence = self.confidence();
                Ok(Prediction { confidence, ..self.predictions.remove(0) })
            }
            count => Err(PredictError::SeveralDigits { count }),
        }
    }
}
