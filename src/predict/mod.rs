//! What a model makes of images of any kind: brought to what the network takes ([`Preparation`]), seen by an
//! engine, and told by rank ([`ranked`]).

pub mod digit;
mod preparation;
mod ranking;

use std::sync::Arc;

pub use preparation::Preparation;
pub use ranking::{Ranked, ranked};

use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, Split};
use crate::model::lenet::IMAGE_SIDE;

/// The log-probability of every class, N×K, for N images of C×32×32 bytes each, one after the other.
///
/// # Panics
/// Where there is not a whole number of images.
pub fn log_probabilities(
    engine: &mut dyn Engine,
    channels: usize,
    pixels: Vec<u8>,
) -> Result<Vec<f32>, EngineError> {
    let image_len = channels * IMAGE_SIDE * IMAGE_SIDE;
    assert_eq!(pixels.len() % image_len, 0, "images are whole");
    // Nobody knows their labels; an engine asks for some, and they change nothing.
    let labels = vec![0; pixels.len() / image_len];
    let images = ImageSet { channels, height: IMAGE_SIDE, width: IMAGE_SIDE, pixels, labels };
    engine.load(Split::Test, Arc::new(images))?;
    engine.log_probabilities(Split::Test)
}
