//! Where the images of a split are while an engine works on them: all on the device, or streamed to it.
//!
//! Both run the same kernels over the same batches. With a resident split the images buffer is the split and `order` a
//! permutation of it; streaming, the host gathers the images of the next batches in the same order and `order` counts
//! up. So the results are bit-identical.

use serde::{Deserialize, Serialize};

use super::recording::image_words;
use crate::data::ImageSet;
use crate::engine::{EngineError, MicroBatch};

/// Bytes of images that are streamed to the device at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// The unit of sizes in errors.
pub const MIB: u64 = 1 << 20;

/// The user's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Residency {
    /// Resident if the split fits into one binding of the device.
    #[default]
    Auto,
    /// On the device as a whole.
    Resident,
    /// Streamed to the device in chunks.
    Streamed,
}

/// Where the images of a split are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Resident,
    Streamed {
        /// Images on the device at a time.
        on_device: usize,
    },
}

impl Policy {
    /// Decides for `images`, in batches of up to `batch`, on a device whose bindings take `limit` bytes.
    ///
    /// # Errors
    /// [`EngineError::SetTooLarge`] if the images must be resident and do not fit into a binding.
    pub fn choose(
        residency: Residency,
        images: &ImageSet,
        batch: usize,
        limit: u64,
    ) -> Result<Self, EngineError> {
        let image = image_words(images) * size_of::<u32>();
        let bytes = (images.len() * image) as u64;
        match residency {
            Residency::Resident | Residency::Auto if bytes <= limit => Ok(Self::Resident),
            Residency::Resident => Err(EngineError::SetTooLarge {
                images: images.len(),
                needed: bytes.div_ceil(MIB),
                limit: limit / MIB,
            }),
            Residency::Auto | Residency::Streamed => {
                Ok(Self::Streamed { on_device: (CHUNK_BYTES / image).max(batch).min(images.len().max(1)) })
            }
        }
    }

    /// Images on the device at a time.
    pub fn on_device(&self, images: &ImageSet) -> usize {
        match *self {
            Self::Resident => images.len(),
            Self::Streamed { on_device } => on_device,
        }
    }

    /// How many of `batches`, from the first, are in the next window: their images are on the device at the same time.
    pub fn window(&self, batches: &[MicroBatch]) -> usize {
        let on_device = match *self {
            Self::Resident => usize::MAX,
            Self::Streamed { on_device } => on_device,
        };
        let mut samples = 0;
        let fit = batches.iter().take_while(|batch| {
            samples += batch.count;
            samples <= on_device
        });
        fit.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Step, steps};

    fn images(count: usize) -> ImageSet {
        ImageSet { channels: 1, height: 28, width: 28, pixels: vec![0; count * 784], labels: vec![0; count] }
    }

    #[test]
    fn a_split_that_fits_into_a_binding_is_resident_by_default() {
        let images = images(100);
        let choose = |residency, limit| Policy::choose(residency, &images, 4, limit).unwrap();
        assert_eq!(choose(Residency::Auto, 78_400), Policy::Resident);
        assert_eq!(choose(Residency::Resident, 78_400), Policy::Resident);
        assert!(matches!(choose(Residency::Auto, 78_399), Policy::Streamed { .. }));
        assert!(matches!(choose(Residency::Streamed, 78_400), Policy::Streamed { .. }));
    }

    #[test]
    fn residency_of_a_split_that_does_not_fit_is_rejected() {
        let error = Policy::choose(Residency::Resident, &images(100), 4, 78_399).unwrap_err();
        assert!(matches!(error, EngineError::SetTooLarge { images: 100, needed: 1, limit: 0 }), "{error}");
    }

    #[test]
    fn a_window_ends_between_batches() {
        let batches: Vec<_> = steps(100, 8, 0.1).iter().flat_map(Step::micro_batches).collect();
        assert_eq!(Policy::Streamed { on_device: 30 }.window(&batches), 3);
        assert_eq!(Policy::Resident.window(&batches), 13);
    }
}
