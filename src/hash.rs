//! Hashes as people read them.

use sha2::{Digest, Sha256};

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 digits of a hash, which are enough to tell things apart.
pub fn short(hash: Sha256) -> String {
    hex(&hash.finalize()[..8])
}
