//! Metrics of an epoch.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::invalid_value::{InvalidValue, require, require_finite, require_fraction, require_non_negative};
use crate::engine::LossKind;
use crate::hash;

/// The metrics of one epoch: a line of `metrics.jsonl`. Losses are means over images,
/// accuracies are fractions. With class weights, `train_loss` is a weighted mean ([`Tally::loss`](crate::engine::Tally::loss)); the others never are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Number of the epoch, counted from 1.
    pub epoch: u64,
    /// Steps done since the run began.
    pub step: u64,
    /// Learning rate of the epoch's last step.
    pub lr: f32,
    /// Mean loss over the epoch's training images, each with the weights before its own step's update.
    pub train_loss: f64,
    /// Accuracy over the epoch's training images, each with the weights before its own step's update.
    pub train_accuracy: f64,
    /// Mean loss over the validation split with the weights at the end of the epoch; `None` without a validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Accuracy over the validation split with the weights at the end of the epoch; `None` without a validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// Mean loss over the test split with the weights at the end of the epoch.
    pub test_loss: f64,
    /// Accuracy over the test split with the weights at the end of the epoch.
    pub test_accuracy: f64,
    /// Seconds spent training, without the evaluations.
    pub seconds: f64,
    /// Training images per second, without the evaluations.
    pub images_per_second: f64,
    /// [`weights_hash`] of the parameters at the end of the epoch.
    pub weights_hash: String,
}

impl EpochRecord {
    /// Checks that a record that was read is one that a run can have written. Serde checks names and types only.
    ///
    /// # Errors
    /// Returns an error for the first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidValue> {
        require(self.epoch >= 1, "epoch", self.epoch, "at least 1")?;
        // An epoch has at least one step.
        require(
            self.step >= self.epoch,
            "step",
            self.step,
            format_args!("at least {}, the epoch", self.epoch),
        )?;
        require_non_negative("lr", self.lr.into())?;
        // Some losses can be negative.
        require_finite("train_loss", self.train_loss)?;
        require_fraction("train_accuracy", self.train_accuracy)?;
        match (self.validation_loss, self.validation_accuracy) {
            (None, None) => {}
            (Some(loss), Some(accuracy)) => {
                require_finite("validation_loss", loss)?;
                require_fraction("validation_accuracy", accuracy)?;
            }
            (None, Some(_)) => {
                require(false, "validation_loss", "missing", "one beside validation_accuracy")?
            }
            (Some(_), None) => {
                require(false, "validation_accuracy", "missing", "one beside validation_loss")?
            }
        }
        require_finite("test_loss", self.test_loss)?;
        require_fraction("test_accuracy", self.test_accuracy)?;
        require_non_negative("seconds", self.seconds)?;
        require_non_negative("images_per_second", self.images_per_second)?;
        let digits = self.weights_hash.bytes();
        let is_hash =
            digits.len() == 16 && digits.clone().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        require(is_hash, "weights_hash", format_args!("{:?}", self.weights_hash), "16 hexadecimal digits")
    }
}

/// The lowest loss of an image. A GPU's exp and log may be off by some units in the last place, which makes the logarithm
/// of a probability of 1 positive.
pub(super) fn lowest_loss(kind: LossKind) -> f64 {
    match kind {
        LossKind::Nll | LossKind::CrossEntropy => -1e-4,
        LossKind::Mse => 0.0,
        LossKind::RawNll => f64::MIN,
    }
}

/// Returns the first 16 hexadecimal digits of the SHA-256 of a parameter arena's little-endian bytes. Runs with equal
/// hashes have bit-identical weights.
pub fn weights_hash(arena: &[f32]) -> String {
    let mut hash = Sha256::new();
    for weight in arena {
        hash.update(weight.to_le_bytes());
    }
    hash::short(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EpochRecord {
        EpochRecord {
            epoch: 2,
            step: 32,
            lr: 1e-3,
            train_loss: -0.5,
            train_accuracy: 1.0,
            validation_loss: Some(0.25),
            validation_accuracy: Some(0.5),
            test_loss: 0.25,
            test_accuracy: 0.0,
            seconds: 0.5,
            images_per_second: 1e3,
            weights_hash: "e00e5eb9444182f3".to_owned(),
        }
    }

    #[test]
    fn a_records_values_are_checked_by_name() {
        assert_eq!(record().check(), Ok(()));
        type Change = fn(&mut EpochRecord);
        let invalid: &[(&str, Change)] = &[
            ("epoch is 0", |record| record.epoch = 0),
            ("step is 1; expected at least 2", |record| record.step = 1),
            ("lr is NaN", |record| record.lr = f32::NAN),
            ("lr is -1", |record| record.lr = -1.0),
            ("train_loss is inf", |record| record.train_loss = f64::INFINITY),
            ("train_accuracy is 31.25; expected 0 to 1", |record| record.train_accuracy = 31.25),
            ("validation_loss is missing", |record| record.validation_loss = None),
            ("validation_accuracy is missing", |record| record.validation_accuracy = None),
            ("validation_accuracy is -0.5", |record| record.validation_accuracy = Some(-0.5)),
            ("validation_loss is NaN", |record| record.validation_loss = Some(f64::NAN)),
            ("test_loss is NaN", |record| record.test_loss = f64::NAN),
            ("test_accuracy is 2", |record| record.test_accuracy = 2.0),
            ("seconds is -1", |record| record.seconds = -1.0),
            ("images_per_second is inf", |record| record.images_per_second = f64::INFINITY),
            ("weights_hash is \"\\u{1b}[2J\"", |record| record.weights_hash = "\u{1b}[2J".to_owned()),
            ("weights_hash is", |record| record.weights_hash.make_ascii_uppercase()),
        ];
        for (expected, edit) in invalid {
            let mut edited = record();
            edit(&mut edited);
            let error = edited.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in: {error}");
        }
    }

    #[test]
    fn an_unknown_field_in_a_record_is_rejected() {
        let mut line = serde_json::to_value(record()).unwrap();
        assert_eq!(serde_json::from_value::<EpochRecord>(line.clone()).unwrap(), record());
        line["f1_score"] = 0.5.into();
        let error = serde_json::from_value::<EpochRecord>(line).unwrap_err().to_string();
        assert!(error.contains("unknown field `f1_score`"), "{error}");
    }

    #[test]
    fn weights_hash_is_sha_256_of_the_little_endian_bytes() {
        // printf '\x00\x00\x80\x3f' | sha256sum: the bytes of 1.0.
        assert_eq!(weights_hash(&[1.0]), "e00e5eb9444182f3");
        assert_ne!(weights_hash(&[0.0]), weights_hash(&[-0.0]));
    }
}
