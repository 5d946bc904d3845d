//! The answers to images, as JSON.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::engine::LayerOutput;
use crate::model::lenet::IMAGE_SIDE;
use crate::predict::{Classifier, NetworkInput, NoDigit, Prediction, PreparedImage, ReadingWithLayers};

/// The batch that an image was a part of.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// The number of images.
    pub images: usize,
    /// When the image arrived.
    pub arrived: Instant,
}

impl Batch {
    fn milliseconds(&self) -> f64 {
        let exact = 1e3 * self.arrived.elapsed().as_secs_f64();
        (1e3 * exact).round() / 1e3
    }
}

/// What was read in an image. Below `min_confidence` an answer is not sure.
pub fn read(
    classifier: &Classifier,
    min_confidence: f64,
    image: &PreparedImage,
    read: ReadingWithLayers,
    batch: Batch,
) -> String {
    let ReadingWithLayers { reading, layers } = read;
    let mut layers = layers.into_iter();
    let readings: Vec<Value> = reading
        .predictions()
        .iter()
        .zip(image.inputs())
        .map(|(prediction, input)| {
            let layers = layers.next().unwrap_or_default();
            self::reading(classifier, min_confidence, prediction, input, &layers)
        })
        .collect();
    answer(&reading.number(classifier), readings, None, reading.confidence() >= min_confidence, batch)
}

/// The answer to an image without a digit.
pub fn nothing(error: NoDigit, batch: Batch) -> String {
    answer("", Vec::new(), Some(format!("the image {error}")), false, batch)
}

fn answer(number: &str, readings: Vec<Value>, reason: Option<String>, is_sure: bool, batch: Batch) -> String {
    let answer = json!({
        "number": number,
        "readings": readings,
        "reason": reason,
        "is_sure": is_sure,
        "milliseconds": batch.milliseconds(),
        "batch": batch.images,
    });
    answer.to_string()
}

fn reading(
    classifier: &Classifier,
    min_confidence: f64,
    prediction: &Prediction,
    input: &NetworkInput,
    layers: &[LayerOutput],
) -> Value {
    let best = prediction.best();
    let probabilities: Vec<f64> =
        prediction.log_probabilities().iter().map(|&log| libm::exp(log.into())).collect();
    let place = prediction.place().map(|place| {
        json!({
            "left": place.left,
            "top": place.top,
            "right": place.right,
            "bottom": place.bottom,
            "line": place.line,
        })
    });
    json!({
        "label": best.class,
        "class": classifier.class_name(best.class),
        "probability": best.probability,
        "confidence": prediction.confidence(),
        "is_sure": prediction.confidence() >= min_confidence,
        "probabilities": probabilities,
        "place": place,
        "input": self::input(input.pixels()),
        "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
    })
}

fn layer(output: &LayerOutput) -> Value {
    let mut layer = scaled(&output.values);
    layer["layer"] = output.layer.into();
    layer["shape"] = json!(output.shape);
    layer
}

/// Values as `{min, max, values}`: bytes from 0 for the lowest to 255 for the highest. Values that are not finite, of a
/// network that has diverged, are drawn as the lowest.
pub fn scaled(values: &[f32]) -> Value {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (min, max) = finite()
        .fold(None, |range: Option<(f32, f32)>, value| {
            Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))))
        })
        .unwrap_or_default();
    let range = f64::from(max) - f64::from(min);
    let byte = |&value: &f32| match range > 0.0 && value.is_finite() {
        true => (255.0 * (f64::from(value) - f64::from(min)) / range).round() as u8,
        false => 0,
    };
    let bytes: Vec<u8> = values.iter().map(byte).collect();
    json!({ "min": min, "max": max, "values": BASE64.encode(bytes) })
}

/// An input of the network as `{channels, side, pixels}`.
pub fn input(pixels: &[u8]) -> Value {
    json!({
        "channels": pixels.len() / (IMAGE_SIDE * IMAGE_SIDE),
        "side": IMAGE_SIDE,
        "pixels": BASE64.encode(pixels),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scaled_to_bytes() {
        for (values, min, max, bytes) in [
            (&[-1.0f32, 0.0, 1.0][..], -1.0, 1.0, vec![0, 128, 255]),
            (&[3.0, 3.0], 3.0, 3.0, vec![0, 0]),
            (&[0.0, f32::NAN, 2.0, f32::INFINITY], 0.0, 2.0, vec![0, 0, 255, 0]),
            (&[f32::NAN], 0.0, 0.0, vec![0]),
            (&[f32::MIN, f32::MAX], f32::MIN, f32::MAX, vec![0, 255]),
        ] {
            let scaled = scaled(values);
            assert_eq!(scaled["values"], BASE64.encode(bytes), "{values:?}");
            assert_eq!((&scaled["min"], &scaled["max"]), (&json!(min), &json!(max)), "{values:?}");
        }
    }
}
