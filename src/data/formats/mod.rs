//! File formats: how images and labels are encoded in one file.

pub mod cifar;
pub(super) mod gzip;
pub mod idx;
pub(super) mod image_file;
pub(super) mod tar_gz;

/// The largest number of bytes allocated because a header claims them. For more, a buffer grows while reading.
const MAX_PREALLOCATED: usize = 64 << 20;

/// Allocates room for more of the `total` bytes that a full buffer shall have: at most as many as it has, so that a
/// wrong total is noticed before all of it is allocated, and never more than are missing. Returns the number of bytes
/// that there is room for.
fn grow(bytes: &mut Vec<u8>, total: usize) -> usize {
    let more = bytes.len().max(MAX_PREALLOCATED).min(total - bytes.len());
    bytes.reserve_exact(more);
    more
}
