//! What an epoch came to.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hash;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u64,
    /// Steps done since the run began.
    pub step: u64,
    /// The learning rate of the epoch's last step.
    pub lr: f32,
    /// Over the epoch's samples, each with the weights of its own step.
    pub train_loss: f64,
    /// A fraction.
    pub train_accuracy: f64,
    /// Over the whole validation part, where there is one, with the weights at the epoch's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// A fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// Over the whole test part, with the weights at the epoch's end.
    pub test_loss: f64,
    /// A fraction.
    pub test_accuracy: f64,
    /// Of training alone.
    pub seconds: f64,
    /// Of training alone.
    pub images_per_second: f64,
    /// See [`weights_hash`].
    pub weights_hash: String,
}

/// The first 16 hexadecimal digits of the SHA-256 over the arena's little-endian bytes: equal hashes
/// are equal weights, to the last bit.
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
    fn the_hash_is_sha_256_of_the_little_endian_bytes() {
        // printf '\x00\x00\x80\x3f' | sha256sum: the bytes of 1.0.
        assert_eq!(weights_hash(&[1.0]), "e00e5eb9444182f3");
        assert_ne!(weights_hash(&[0.0]), weights_hash(&[-0.0]));
    }
}
