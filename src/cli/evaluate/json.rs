//! An evaluation as JSON.

use super::data::EvaluationData;
use crate::data::TestTimeAugmentation;
use crate::evaluate::{CALIBRATION_BINS, EnsembleEvaluation, Evaluation};
use crate::model::Ensemble;
use crate::train::weights_hash;
use serde_json::{Value, json};

/// The largest number of classes with a confusion matrix of K×K numbers. With more, only pairs that occur are listed.
const MAX_MATRIX: usize = 1_000;

/// The whole evaluation as one object. `data` says which images these are: their location, the known data set or `null`,
/// whether they were held out of a folder without a split, and whether they are the test images of the model's training
/// (`null` if this was not checked: the model file does not record these, or the images are converted in another way).
/// Classes have their label and their name; fractions are from 0 to 1, and `null` if
/// their denominator is 0. With more than 1,000 classes, `confusion` is `null`, and `confusion_counts` lists the label,
/// the prediction and the number of images of each pair that occurs.
///
/// `tta` names the views of each image whose probabilities were averaged, as the option does, and `views` is their number.
///
/// Of an ensemble these are the scores of the mean probabilities; `weights_hash` is `null`, and `ensemble` lists the models.
pub fn object(
    evaluated: &EnsembleEvaluation,
    ensemble: &Ensemble,
    data: &EvaluationData,
    views: TestTimeAugmentation,
) -> Value {
    let EnsembleEvaluation { mean: evaluation, members } = evaluated;
    let Evaluation { tally, confusion, calibration, mistakes, .. } = evaluation;
    let info = &ensemble.lead().info;
    let hash = (!ensemble.is_several()).then(|| weights_hash(&ensemble.lead().parameters));
    let classes = confusion.scores().into_iter().enumerate().map(|(class, scores)| {
        json!({
            "label": class,
            "class": info.class(class),
            "precision": scores.precision,
            "recall": scores.recall,
            "f1": scores.f1,
            "support": scores.support,
        })
    });
    let bins = calibration.bins().iter().enumerate().map(|(index, bin)| {
        let mean = |sum: f64| (bin.images > 0).then(|| sum / bin.images as f64);
        json!({
            "above": index as f64 / CALIBRATION_BINS as f64,
            "up_to": (index + 1) as f64 / CALIBRATION_BINS as f64,
            "images": bin.images,
            "confidence": mean(bin.confidence_sum),
            "accuracy": mean(bin.correct as f64),
        })
    });
    let mistakes = mistakes.iter().map(|mistake| {
        json!({
            "image": mistake.image,
            "label": mistake.label,
            "predicted": mistake.predicted,
            "probability": mistake.probability,
            "loss": mistake.loss,
        })
    });
    let matrix = (confusion.classes() <= MAX_MATRIX).then(|| confusion.rows());
    let mut object = json!({
        "loss": tally.loss(),
        "accuracy": tally.accuracy(),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "largest_class_share": confusion.class_counts().largest().map(|(_, share)| share),
        "top2_accuracy": evaluation.top2_accuracy(),
        "macro_f1": confusion.macro_f1(),
        "calibration_error": calibration.expected_error(),
        "images": tally.samples,
        "weights_hash": hash,
        "tta": views.to_string(),
        "views": views.count(),
        "data": {
            "location": data.location,
            "dataset": data.kind,
            "held_out": data.is_held_out,
            "of_training": data.is_of_training,
        },
        "classes": classes.collect::<Value>(),
        "confusion": matrix,
        "calibration": bins.collect::<Value>(),
        "mistakes": mistakes.collect::<Value>(),
    });
    if matrix.is_none() {
        let pairs = confusion.pairs().map(|pair| json!([pair.label, pair.predicted, pair.count]));
        object["confusion_counts"] = pairs.collect();
    }
    if ensemble.is_several() {
        let members = ensemble.members().iter().zip(members).map(|(member, evaluation)| {
            json!({
                "model": member.name,
                "weights_hash": weights_hash(&member.model.parameters),
                "loss": evaluation.tally.loss(),
                "accuracy": evaluation.tally.accuracy(),
                "calibration_error": evaluation.calibration.expected_error(),
            })
        });
        object["ensemble"] = members.collect();
    }
    object
}
