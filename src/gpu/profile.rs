//! Where the time of a training step goes: each kernel by the device's clock, and the host's share.

use std::time::{Duration, Instant};

use super::engine::{GpuEngine, GpuPopulation};
use super::loaded_split::{Slot, record_batches};
use super::pace::MAX_BATCHES_PER_SUBMIT;
use super::recording::{BatchRecord, Dispatch, RecordedKernel};
use super::timestamps::Timestamps;
use crate::engine::{EngineError, MicroBatch, Mode, Split, Step};

/// How long a kernel took in each step that was profiled.
#[derive(Debug, Clone)]
pub struct KernelTimes {
    /// The kernel's label: "conv1 forward".
    pub label: String,
    /// The time of each run.
    pub times: Vec<Duration>,
}

impl GpuEngine {
    /// The kernels of a whole step or of a batch of an evaluation, in order, one dispatch each.
    pub fn kernels(&self, mode: Mode) -> Vec<RecordedKernel> {
        self.recording().kernels_of(mode).cloned().collect()
    }

    /// The labels of all kernels, in order.
    pub fn kernel_labels(&self) -> Vec<String> {
        self.recording().kernels.iter().map(|kernel| kernel.label.clone()).collect()
    }

    /// Runs one kernel `repeats` times over the first batch and returns how long the host waited. Afterwards
    /// activations, moments and running statistics are meaningless.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If no training images are loaded, or `kernel` is no index in [`Self::kernel_labels`].
    pub fn time_kernel(&mut self, kernel: usize, repeats: usize) -> Result<Duration, EngineError> {
        let batch = self.write_first_batch();
        let population = &self.population;
        let bindings = &population.splits.get(Split::Train).bindings;
        let started = Instant::now();
        for submitted in (0..repeats).step_by(MAX_BATCHES_PER_SUBMIT) {
            let mut encoder = population.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in submitted..repeats.min(submitted + MAX_BATCHES_PER_SUBMIT) {
                population.executor.dispatch(&mut pass, bindings, Dispatch { kernel }, (batch.count, 1), 0);
            }
            drop(pass);
            population.context.wait(population.context.queue.submit([encoder.finish()]))?;
        }
        Ok(started.elapsed())
    }

    /// Bytes of all buffers on the device and of those that the host reads from.
    pub fn buffer_bytes(&self) -> u64 {
        self.population.buffer_bytes()
    }

    /// How long the host takes to record `steps` training steps for one submit, which is then dropped.
    ///
    /// # Panics
    /// If no training images are loaded.
    pub fn time_encoding(&self, steps: usize) -> Duration {
        let GpuPopulation { context, executor, splits, .. } = &self.population;
        let dispatches = &executor.recording.last_micro_batch[..];
        let slots = vec![Slot { members: 1, images: self.first_batch().count, ends_step: true }; steps];
        let started = Instant::now();
        let mut encoder = context.device.create_command_encoder(&Default::default());
        record_batches(&mut encoder, executor, splits.get(Split::Train), [dispatches; 2], &slots, 0);
        let commands = encoder.finish();
        let took = started.elapsed();
        drop(commands);
        took
    }

    /// Runs training steps over the first batch and returns how long each kernel took by the device's clock; `None`
    /// if it has no clock (see [`super::Context::open_with_timestamps`]). Each kernel has a compute pass of its own,
    /// so that the whole takes longer than a step of training. Parameters do not change; activations, moments and
    /// running statistics are meaningless afterwards.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If no training images are loaded.
    pub fn profile(&mut self, steps: usize) -> Result<Option<Vec<KernelTimes>>, EngineError> {
        let dispatches = &self.recording().last_micro_batch;
        let context = &self.population.context;
        let timestamps = context.checked(|| Timestamps::new(context, dispatches.len()))?;
        let Some(timestamps) = timestamps else { return Ok(None) };
        let batch = self.write_first_batch();
        let population = &self.population;
        let bindings = &population.splits.get(Split::Train).bindings;

        let labels = self.recording().kernels_of(Mode::Train).map(|kernel| kernel.label.clone());
        let mut kernels: Vec<_> =
            labels.map(|label| KernelTimes { label, times: Vec::with_capacity(steps) }).collect();
        for _ in 0..steps {
            let mut encoder = context.device.create_command_encoder(&Default::default());
            for (index, dispatch) in dispatches.iter().enumerate() {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some(&kernels[index].label),
                    timestamp_writes: Some(timestamps.of_pass(index)),
                });
                population.executor.dispatch(&mut pass, bindings, *dispatch, (batch.count, 1), 0);
            }
            timestamps.resolve(&mut encoder);
            context.queue.submit([encoder.finish()]);
            for (kernel, took) in kernels.iter_mut().zip(timestamps.read(context)?) {
                kernel.times.push(took);
            }
        }
        Ok(Some(kernels))
    }

    /// The first training images, as a step that changes no parameter.
    fn first_batch(&self) -> MicroBatch {
        let GpuPopulation { options, splits, .. } = &self.population;
        let images = splits.get(Split::Train).images.len();
        let step = Step { first: 0, count: options.setup.batch_size.min(images), learning_rate: 0.0 };
        step.micro_batches().next().expect("a split has images")
    }

    /// The same, with its record on the device.
    fn write_first_batch(&self) -> MicroBatch {
        let batch = self.first_batch();
        let population = &self.population;
        let (setup, images) = (&population.options.setup, &population.splits.get(Split::Train).images);
        let record =
            BatchRecord::new(&batch, 0, 1, batch.step.count as f64, &setup.loss, &setup.optimizer, images);
        population.executor.write_records([&[record][..]].into_iter());
        batch
    }
}
