//! Hashes in hexadecimal digits.

use sha2::{Digest, Sha256};

/// Formats bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 digits of a hash, enough to distinguish files.
pub fn short(hash: Sha256) -> String {
    hex(&hash.finalize()[..8])
}
