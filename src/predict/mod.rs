//! Classification of image files with a trained model.
//!
//! [`Classifier`] is the whole path: it loads a model, prepares images of any size ([`Preparation`]) and returns
//! the probability of each class ([`Prediction`]), for photographs of several digits one for each ([`Reading`]).
//! [`Classifier::load_ensemble`] averages the probabilities of several models.
//!
//! ```no_run
//! use lenet_gpu::predict::Classifier;
//!
//! let mut classifier = Classifier::load("model.safetensors")?;
//! let prediction = classifier.classify_file("seven.jpg")?;
//! if prediction.confidence() < Classifier::MIN_CONFIDENCE {
//!     println!("not sure:");
//! }
//! for likely in prediction.top(3) {
//!     println!("{} {:.1} %", classifier.class_name(likely.class), 100.0 * likely.probability);
//! }
//! # Ok::<(), lenet_gpu::predict::PredictError>(())
//! ```

mod auto;
mod classifier;
mod digit;
mod likeness;
mod preparation;
mod ranking;

pub use auto::{AutoChoice, AutoReason};
pub use classifier::{Classifier, PredictError, Prediction, Reading, ReadingWithLayers};
pub use digit::NoDigit;
pub use preparation::{DigitPlace, ImageError, NetworkInput, Preparation, PreparedImage, Preprocessing};
pub use ranking::RankedClass;
pub(crate) use ranking::top_classes;
