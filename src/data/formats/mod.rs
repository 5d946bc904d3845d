//! File formats: how images and labels are encoded in one file.

pub mod cifar;
pub mod csv;
pub(super) mod gzip;
pub mod idx;
pub(super) mod image_file;
pub mod npy;
pub(super) mod npz;
pub(super) mod tar_gz;

use std::error::Error;
use std::io;

use crate::memory::OverBudget;

/// The reason why a file could not be parsed: `F` is what can be wrong with its format.
#[derive(Debug, thiserror::Error)]
pub enum ParseError<F: Error + 'static> {
    /// The reader failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not a valid file of the format.
    #[error(transparent)]
    Format(F),
    /// The values take more memory than the budget allows.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

/// The largest number of bytes allocated because a header claims them. For more, a buffer grows while reading.
const MAX_PREALLOCATED: usize = 64 << 20;

/// The largest side of an image in pixels.
const MAX_SIDE: u32 = 16_384;

/// Allocates room for more of the `total` values that a full buffer shall have: at most as many as it has, so that a
/// wrong total is noticed before all of it is allocated, and never more than are missing. Returns the number of values
/// that there is room for.
fn grow<T>(values: &mut Vec<T>, total: usize) -> usize {
    let more = values.len().max(MAX_PREALLOCATED / size_of::<T>()).min(total - values.len());
    values.reserve_exact(more);
    more
}

/// The channels and the side of square images of this many values; `None` if there are none.
fn square(values: usize) -> Option<(usize, usize)> {
    [1, 3].into_iter().find_map(|channels| {
        let side = (values / channels).isqrt();
        (side > 0 && channels * side * side == values).then_some((channels, side))
    })
}

/// Moves the channels of images of H×W×C, of which there is at least one, to the front: C×H×W. This
/// takes a copy of one image.
fn channels_first(pixels: &mut [u8], channels: usize, image_len: usize) {
    let plane = image_len / channels;
    let mut copy = vec![0; image_len];
    for image in pixels.chunks_exact_mut(image_len) {
        copy.copy_from_slice(image);
        for (index, &value) in copy.iter().enumerate() {
            image[index % channels * plane + index / channels] = value;
        }
    }
}
