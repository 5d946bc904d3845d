//! What one image shows, as text, JSON and tiles of the contact sheet.

use serde_json::{Value, json};

use super::images::ImageSource;
use crate::predict::{Classifier, Prediction, PreparedImage, RankedClass, Reading};
use crate::report::Tile;
use crate::wording::count;

pub struct ImagePrediction<'a> {
    pub source: &'a ImageSource,
    /// The network's inputs.
    pub input: PreparedImage,
    pub reading: Reading,
    /// Predictions below this confidence are doubtful.
    pub min_confidence: f64,
}

/// The JSON object of an image in which no digit was found.
pub fn no_digit_json(source: &ImageSource) -> Value {
    json!({ "image": source.to_string(), "digits": [], "sure": false })
}

impl ImagePrediction<'_> {
    /// One line: the image and its `top` most probable classes, or the number that its digits form and each digit.
    pub fn text(&self, classifier: &Classifier, top: usize) -> String {
        let mut line = self.source.to_string();
        if !self.is_sure() {
            line += &match self.reading.has_unread() {
                true => "  not sure (a digit may be missing):".to_owned(),
                false => format!("  not sure (confidence {:.2}):", self.reading.confidence()),
            };
        }
        let named = |ranked: &RankedClass| {
            format!("{} {}", classifier.class_name(ranked.class), percent(ranked.probability))
        };
        match self.reading.predictions() {
            [prediction] => {
                for ranked in prediction.top(top) {
                    line += &format!("  {}", named(&ranked));
                }
                line += &disagreement(prediction).map(|text| format!("  ({text} agree)")).unwrap_or_default();
            }
            digits => {
                let digit = |digit: &Prediction| match disagreement(digit) {
                    None => named(&digit.best()),
                    Some(text) => format!("{} by {text}", named(&digit.best())),
                };
                let digits: Vec<String> = digits.iter().map(digit).collect();
                let number = self.reading.number(classifier);
                line += &format!("  {number} {}", percent(self.reading.probability()));
                line += &format!("  ({})", digits.join(", "));
            }
        }
        line
    }

    /// The most probable class or the number, and for every digit the `top` most probable classes and where it is.
    pub fn json(&self, classifier: &Classifier, top: usize) -> Value {
        let mut object = match self.reading.predictions() {
            [prediction] => self.digit_json(prediction, classifier, top),
            _ => json!({
                "class": self.reading.number(classifier),
                "probability": self.reading.probability(),
            }),
        };
        object["image"] = self.source.to_string().into();
        object["confidence"] = self.reading.confidence().into();
        object["sure"] = self.is_sure().into();
        object["tta"] = classifier.views().to_string().into();
        let digits = self.reading.predictions();
        if digits.iter().any(|digit| digit.place().is_some()) {
            let digits = digits.iter().map(|digit| self.digit_json(digit, classifier, top));
            object["digits"] = digits.collect();
        }
        object
    }

    fn digit_json(&self, prediction: &Prediction, classifier: &Classifier, top: usize) -> Value {
        let to_json = |ranked: &RankedClass| {
            json!({
                "label": ranked.class,
                "class": classifier.class_name(ranked.class),
                "probability": ranked.probability,
            })
        };
        let ranked = prediction.top(top);
        let mut object = to_json(&ranked[0]);
        object["confidence"] = prediction.confidence().into();
        object["sure"] = (prediction.confidence() >= self.min_confidence).into();
        object["top"] = ranked.iter().map(to_json).collect();
        // Which class each model of an ensemble predicts.
        if let models @ [_, _, ..] = classifier.models() {
            object["models_agreeing"] = prediction.agreeing_models().into();
            let predicted = models.iter().zip(prediction.of_models()).map(|(model, ranked)| {
                let mut object = to_json(ranked);
                object["model"] = model.as_str().into();
                object
            });
            object["models"] = predicted.collect();
        }
        if let Some(place) = prediction.place() {
            object["box"] = json!([place.left, place.top, place.right, place.bottom]);
            object["line"] = place.line.into();
        }
        object
    }

    /// One tile for each digit.
    pub fn tiles(self, classifier: &Classifier) -> Vec<Tile> {
        let name = self.source.short_name();
        let count = self.reading.predictions().len();
        let inputs = self.input.into_inputs().into_iter().zip(self.reading.predictions());
        let tiles = inputs.enumerate().map(|(index, (input, prediction))| {
            let best = prediction.best();
            let doubt = if prediction.confidence() < self.min_confidence { "?" } else { "" };
            let class = classifier.class_name(best.class);
            Tile {
                pixels: input.into_pixels(),
                first_line: format!("{class}{doubt}  {}", percent(best.probability)),
                second_line: if count == 1 {
                    name.clone()
                } else {
                    format!("{} of {count}: {name}", index + 1)
                },
            }
        });
        tiles.collect()
    }

    fn is_sure(&self) -> bool {
        self.reading.confidence() >= self.min_confidence
    }
}

/// How many models of an ensemble agree, unless all do.
fn disagreement(prediction: &Prediction) -> Option<String> {
    let (agreeing, all) = (prediction.agreeing_models(), prediction.of_models().len());
    (agreeing < all).then(|| format!("{agreeing} of {}", count(all, "model")))
}

fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}
