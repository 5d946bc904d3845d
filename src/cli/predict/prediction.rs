//! The prediction for one image, as text, JSON and a tile of the contact sheet.

use serde_json::{Value, json};

use super::images::ImageSource;
use crate::predict::{Classifier, Prediction, PreparedImage, RankedClass};
use crate::report::Tile;

pub struct ImagePrediction<'a> {
    pub source: &'a ImageSource,
    /// The network's input.
    pub input: PreparedImage,
    pub prediction: Prediction,
}

impl ImagePrediction<'_> {
    /// One line: the image and its `top` most probable classes.
    pub fn text(&self, classifier: &Classifier, top: usize) -> String {
        let mut line = self.source.to_string();
        for ranked in self.prediction.top(top) {
            let name = classifier.class_name(ranked.class);
            line += &format!("  {name} {}", percent(ranked.probability));
        }
        line
    }

    /// The most probable class, and the `top` most probable ones under `top`.
    pub fn json(&self, classifier: &Classifier, top: usize) -> Value {
        let to_json = |ranked: &RankedClass| {
            json!({
                "label": ranked.class,
                "class": classifier.class_name(ranked.class),
                "probability": ranked.probability,
            })
        };
        let ranked = self.prediction.top(top);
        let mut object = to_json(&ranked[0]);
        object["image"] = self.source.to_string().into();
        object["top"] = ranked.iter().map(to_json).collect();
        object
    }

    pub fn tile(self, classifier: &Classifier) -> Tile {
        let best = self.prediction.best();
        Tile {
            pixels: self.input.into_pixels(),
            first_line: format!("{}  {}", classifier.class_name(best.class), percent(best.probability)),
            second_line: self.source.short_name(),
        }
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}
