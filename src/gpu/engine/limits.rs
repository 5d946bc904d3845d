//! Rejects setups that a device cannot run, before anything is allocated.

use super::GpuOptions;
use crate::engine::{EngineError, Setup};
use crate::gpu::context::Context;
use crate::gpu::recording::{BufferName, Recording, SplitCounts, largest_population};
use crate::gpu::residency::MIB;

pub(super) fn check_classes(context: &Context, classes: usize) -> Result<(), EngineError> {
    // wgpu compiles a kernel that needs more workgroup memory than there is, and it computes wrong numbers.
    let memory = context.device.limits().max_compute_workgroup_storage_size;
    let largest = memory as usize / size_of::<f32>();
    if classes > largest { Err(EngineError::TooManyClasses { classes, largest }) } else { Ok(()) }
}

/// Rejects a population whose buffers do not fit into the device's bindings.
pub(super) fn check_population(
    context: &Context,
    options: &GpuOptions,
    size: usize,
    splits: &[SplitCounts],
) -> Result<(), EngineError> {
    if size == 1 {
        return Ok(());
    }
    let limit = context.largest_binding();
    let largest = largest_population(&options.setup, &options.kernels, limit, splits);
    if size > largest { Err(EngineError::PopulationTooLarge { size, largest }) } else { Ok(()) }
}

/// Rejects a batch whose activations do not fit into a binding of `limit` bytes.
pub(super) fn check_batch(setup: &Setup, recording: &Recording, limit: u64) -> Result<(), EngineError> {
    let needed = recording.buffer_bytes(BufferName::Workspace);
    if needed <= limit {
        return Ok(());
    }
    let values: usize = recording.tensors.iter().map(|tensor| tensor.len).sum();
    let per_image = (values * size_of::<f32>()) as u64;
    let fixed = needed - per_image * setup.max_forward_batch() as u64;
    Err(EngineError::BatchTooLarge {
        batch_size: setup.batch_size,
        what: "activations",
        needed: needed.div_ceil(MIB),
        limit: limit / MIB,
        largest: (limit.saturating_sub(fixed) / per_image) as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{KernelConfig, KernelSet};
    use crate::model::LeNet5;

    #[test]
    fn too_large_a_batch_is_rejected_with_the_largest_possible_one() {
        let check = |batch_size| {
            let setup = Setup::new(LeNet5::new(1, 10), batch_size);
            let config = KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE };
            check_batch(&setup, &Recording::new(&setup, &config), 40 << 20)
        };
        // A batch of several micro-batches needs no more than one of them.
        for batch in [1_000, 60_000] {
            let error = check(batch).unwrap_err();
            let EngineError::BatchTooLarge { batch_size, limit, largest, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((batch_size, limit), (batch, 40));
            check(largest).unwrap();
            check(largest + 1).unwrap_err();
        }
    }
}
