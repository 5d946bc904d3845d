//! What a recording of a population changes, and how large a population can be.

use super::buffers::{Count, SplitCounts, specs};
use super::record::RecordLayout;
use super::{BufferName, StepKernels};
use crate::engine::Setup;
use crate::gpu::kernel_config::{FilterMemory, KernelConfig};

/// The most members: their records must fit into the 16 KiB that WebGPU's default limits guarantee for a uniform.
pub const MAX_MEMBERS: usize = 16 * 1024 / RecordLayout::BYTES as usize;

/// The most bytes of what belongs to the members. WebGPU does not say how much memory a device has.
const MAX_BYTES: u64 = 2 << 30;

/// Images in a batch of an evaluation, if training does not take more.
const EVALUATION_BATCH: usize = 32;

/// The kernel configuration for a population of `members`: the parameters of several do not fit into a uniform.
pub fn config(config: &KernelConfig, members: usize) -> KernelConfig {
    match members {
        1 => *config,
        _ => KernelConfig { filters: FilterMemory::Storage, ..*config },
    }
}

/// The largest number of images per forward pass. A population evaluates in batches about as small as those it trains
/// with: activations take most of its memory, and small batches of many members keep a device as busy as large ones.
pub fn forward_batch(setup: &Setup, members: usize) -> usize {
    let largest = setup.max_forward_batch();
    if members == 1 { largest } else { setup.micro_batch_size().max(EVALUATION_BATCH).min(largest) }
}

/// The size of the largest population, at least 1, whose buffers fit into bindings of `limit` bytes, with the images of
/// `splits` on the device.
pub fn largest_population(setup: &Setup, config: &KernelConfig, limit: u64, splits: &[SplitCounts]) -> usize {
    let (_, lengths) = StepKernels::record(setup, config, MAX_MEMBERS);
    let fits = |members: &usize| {
        let specs = specs(&lengths, *members);
        let owned =
            specs.iter().filter(|spec| ![BufferName::Images, BufferName::Labels].contains(&spec.name));
        let sizes = owned.flat_map(|spec| match spec.per {
            Count::One => vec![spec.bytes],
            _ => splits.iter().map(|counts| spec.size(counts)).collect(),
        });
        let mut total = 0;
        sizes.inspect(|size| total += size).all(|size| size <= limit) && total <= MAX_BYTES
    };
    (2..=MAX_MEMBERS).rev().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::recording::Recording;
    use crate::model::LeNet5;

    const MNIST: SplitCounts = SplitCounts { image_words: 196, images: 60_000, views: 0, samples: 60_000 };

    #[test]
    fn every_buffer_of_the_largest_population_fits_into_a_binding() {
        let setup = Setup::new(LeNet5::new(1, 10), 64);
        let limit = 128 << 20;
        for config in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
            let largest = largest_population(&setup, &config, limit, &[MNIST]);
            assert!((2..MAX_MEMBERS).contains(&largest), "{largest}");
            let fits = |members| {
                let recording = Recording::of_population(&setup, &config, members);
                recording.buffers.iter().all(|spec| spec.size(&MNIST) <= limit)
            };
            assert!(fits(largest));
            assert!(!fits(largest + 1));
        }
    }

    #[test]
    fn augmentation_limits_a_population_by_its_views() {
        let setup = Setup { augmented: true, ..Setup::new(LeNet5::new(1, 10), 8) };
        let augmented = SplitCounts { views: MNIST.images, ..MNIST };
        let largest = |split| largest_population(&setup, &KernelConfig::HARDWARE, 128 << 20, &[split]);
        assert_eq!(largest(augmented), (128 << 20) / (60_000 * 24));
        assert!(largest(MNIST) > largest(augmented));
    }

    #[test]
    fn a_device_with_large_bindings_trains_at_most_what_a_uniform_allows() {
        let setup = Setup::new(LeNet5::new(1, 10), 8);
        assert_eq!(largest_population(&setup, &KernelConfig::HARDWARE, u64::MAX, &[]), MAX_MEMBERS);
        assert_eq!(MAX_MEMBERS, 256);
    }

    #[test]
    fn a_population_evaluates_in_batches_no_larger_than_alone() {
        let batch = |batch_size, evaluation_batch| {
            forward_batch(&Setup { evaluation_batch, ..Setup::new(LeNet5::new(1, 10), batch_size) }, 2)
        };
        assert_eq!([batch(64, 256), batch(1, 256), batch(1, 8), batch(5_000, 256)], [64, 32, 8, 1_024]);
    }
}
