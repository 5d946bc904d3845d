//! Where the images of a set are while it is trained on: on the device as a whole, or streamed to it.
//!
//! Both run the same kernels over the same batches. Resident, the images buffer is the set and `order` a
//! permutation of it; streamed, the host gathers the images of the next batches in the same order and
//! `order` counts up. So the results are bit-equal.

use serde::{Deserialize, Serialize};

use super::buffers::{RECORD_WINDOW, image_words};
use crate::data::ImageSet;
use crate::engine::{EngineError, MicroBatch};

/// Bytes of images that are streamed to the device at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// What errors tell sizes in.
pub const MIB: u64 = 1 << 20;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Residency {
    /// Resident where the set fits into one binding of the adapter.
    #[default]
    Auto,
    Resident,
    Streamed,
}

/// What is done for a part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Resident,
    /// So many images are on the device at a time.
    Streamed {
        held: usize,
    },
}

impl Policy {
    /// Chooses for `split`, in batches of up to `batch` images, on an adapter whose bindings take
    /// `limit` bytes.
    ///
    /// # Errors
    /// [`EngineError::SetTooLarge`] where the set shall be resident and does not fit into a binding.
    pub fn choose(
        wanted: Residency,
        split: &ImageSet,
        batch: usize,
        limit: u64,
    ) -> Result<Self, EngineError> {
        let image = image_words(split) * size_of::<u32>();
        let bytes = (split.len() * image) as u64;
        match wanted {
            Residency::Resident | Residency::Auto if bytes <= limit => Ok(Self::Resident),
            Residency::Resident => Err(EngineError::SetTooLarge {
                images: split.len(),
                needed: bytes.div_ceil(MIB),
                limit: limit / MIB,
            }),
            Residency::Auto | Residency::Streamed => {
                Ok(Self::Streamed { held: (CHUNK_BYTES / image).max(batch).min(split.len().max(1)) })
            }
        }
    }

    /// Images on the device at a time.
    pub fn held(&self, split: &ImageSet) -> usize {
        match *self {
            Self::Resident => split.len(),
            Self::Streamed { held } => held,
        }
    }

    /// How many of `batches`, from the first on, make the next window: their records, and the images they
    /// take, lie on the device at once.
    pub fn window(&self, batches: &[MicroBatch]) -> usize {
        let held = match *self {
            Self::Resident => usize::MAX,
            Self::Streamed { held } => held,
        };
        let mut samples = 0;
        let fit = batches.iter().take(RECORD_WINDOW).take_while(|batch| {
            samples += batch.count;
            samples <= held
        });
        fit.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Step, steps};

    fn split(images: usize) -> ImageSet {
        ImageSet {
            channels: 1,
            height: 28,
            width: 28,
            pixels: vec![0; images * 784],
            labels: vec![0; images],
        }
    }

    #[test]
    fn a_set_that_fits_into_a_binding_is_resident_unless_streaming_is_asked_for() {
        let set = split(100);
        let choose = |wanted, limit| Policy::choose(wanted, &set, 4, limit).unwrap();
        assert_eq!(choose(Residency::Auto, 78_400), Policy::Resident);
        assert_eq!(choose(Residency::Resident, 78_400), Policy::Resident);
        assert!(matches!(choose(Residency::Auto, 78_399), Policy::Streamed { .. }));
        assert!(matches!(choose(Residency::Streamed, 78_400), Policy::Streamed { .. }));
    }

    #[test]
    fn a_set_that_shall_be_resident_and_does_not_fit_is_refused() {
        let error = Policy::choose(Residency::Resident, &split(100), 4, 78_399).unwrap_err();
        assert!(matches!(error, EngineError::SetTooLarge { images: 100, needed: 1, limit: 0 }), "{error}");
    }

    #[test]
    fn a_window_ends_on_a_batch_boundary_within_what_is_held() {
        let cut: Vec<_> = steps(100, 8, 0.1).iter().flat_map(Step::micro_batches).collect();
        assert_eq!(Policy::Streamed { held: 30 }.window(&cut), 3);
        assert_eq!(Policy::Resident.window(&cut), 13);
    }
}
