//! Metrics of an epoch.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hash;

/// The metrics of one epoch: a line of `metrics.jsonl`. Losses are means over images, accuracies are fractions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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

    #[test]
    fn weights_hash_is_sha_256_of_the_little_endian_bytes() {
        // printf '\x00\x00\x80\x3f' | sha256sum: the bytes of 1.0.
        assert_eq!(weights_hash(&[1.0]), "e00e5eb9444182f3");
        assert_ne!(weights_hash(&[0.0]), weights_hash(&[-0.0]));
    }
}
