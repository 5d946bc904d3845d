//! Where a training step's time goes: each kernel by the device's clock, and the host's part of it.

use std::time::{Duration, Instant};

use super::buffers::BatchRecord;
use super::engine::GpuEngine;
use super::kernels::Kernel;
use super::network::StepPlan;
use super::pace::MOST_BATCHES_PER_SUBMIT;
use super::stage::Stage;
use super::timestamps::Timestamps;
use crate::engine::{EngineError, MicroBatch, Mode, Split, Step};

/// How long a kernel took, once for each step that was looked at.
#[derive(Debug, Clone)]
pub struct KernelTimes {
    pub label: String,
    pub times: Vec<Duration>,
}

/// The kernels of a pass over a batch, in order: one dispatch each.
pub fn kernels_of(step: &StepPlan, pass: Mode) -> Vec<Kernel> {
    let count = match pass {
        Mode::Train => step.kernels().count(),
        Mode::Evaluate => step.forward.len(),
    };
    step.kernels().take(count).filter(|kernel| kernel.runs_in(pass)).cloned().collect()
}

impl GpuEngine {
    /// See [`kernels_of`].
    pub fn kernels(&self, pass: Mode) -> Vec<Kernel> {
        kernels_of(&self.plan, pass)
    }

    /// What the kernels are called, in order, with those that are for evaluation alone.
    pub fn kernel_labels(&self) -> Vec<String> {
        self.stages.iter().map(|stage| stage.pipeline.label.clone()).collect()
    }

    /// Runs one kernel `repeats` times over the first batch, and tells how long the
    /// device and the way to it took. For looking at kernels: maps, moments and
    /// running statistics are left as they come.
    ///
    /// # Panics
    /// Where no training part is loaded, or `kernel` is no place in [`Self::kernel_labels`].
    pub fn time_kernel(&mut self, kernel: usize, repeats: usize) -> Result<Duration, EngineError> {
        let batch = self.write_first_batch();
        let (stage, group) = (&self.stages[kernel], &self.parts.get(Split::Train).groups[kernel]);
        let started = Instant::now();
        for submitted in (0..repeats).step_by(MOST_BATCHES_PER_SUBMIT) {
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in submitted..repeats.min(submitted + MOST_BATCHES_PER_SUBMIT) {
                stage.record(&mut pass, group, batch.count, 0);
            }
            drop(pass);
            self.context.wait(self.context.queue.submit([encoder.finish()]))?;
        }
        Ok(started.elapsed())
    }

    /// Bytes of all buffers on the device, and of those that the host reads from.
    pub fn buffer_bytes(&self) -> u64 {
        let parts: u64 = self.parts.loaded().map(|part| part.buffers.bytes()).sum();
        self.buffers.bytes() + self.ring.bytes() + parts
    }

    /// How long the host takes to record `steps` training steps for one submit, which is then dropped.
    ///
    /// # Panics
    /// Where no training part is loaded.
    pub fn time_encoding(&self, steps: usize) -> Duration {
        let batches = vec![self.first_batch(); steps];
        let started = Instant::now();
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        let stages = [&self.stages[..]; 2];
        self.parts.get(Split::Train).record(&mut encoder, Mode::Train, stages, &batches, 0, 0);
        let commands = encoder.finish();
        let took = started.elapsed();
        drop(commands);
        took
    }

    /// Runs training steps over the first batch and tells how long each kernel took by the device's clock; none
    /// where it has none (see [`super::Context::open_with_timestamps`]). Each kernel has a compute pass of its
    /// own, so the whole takes longer than a step of training. Parameters stay, moments and running statistics are
    /// left as they come.
    ///
    /// # Panics
    /// Where no training part is loaded.
    pub fn profile(&mut self, steps: usize) -> Result<Option<Vec<KernelTimes>>, EngineError> {
        let stages = self.step();
        let Some(timestamps) = self.context.checked(|| Timestamps::new(&self.context, stages.len()))? else {
            return Ok(None);
        };
        let batch = self.write_first_batch();

        let no_times = |(stage, _): &(&Stage, _)| KernelTimes {
            label: stage.pipeline.label.clone(),
            times: Vec::with_capacity(steps),
        };
        let mut kernels: Vec<_> = stages.iter().map(no_times).collect();
        for _ in 0..steps {
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            for (place, (stage, group)) in stages.iter().enumerate() {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some(&stage.pipeline.label),
                    timestamp_writes: Some(timestamps.of_pass(place)),
                });
                stage.record(&mut pass, group, batch.count, 0);
            }
            timestamps.resolve(&mut encoder);
            self.context.queue.submit([encoder.finish()]);
            for (kernel, took) in kernels.iter_mut().zip(timestamps.read(&self.context)?) {
                kernel.times.push(took);
            }
        }
        Ok(Some(kernels))
    }

    /// The stages of a training step, in order, and what they bind.
    fn step(&self) -> Vec<(&Stage, &wgpu::BindGroup)> {
        let loaded = self.parts.get(Split::Train);
        self.stages.iter().zip(&loaded.groups).filter(|(stage, _)| stage.runs_in(Mode::Train)).collect()
    }

    /// The first images of the training part as a step that moves no parameter.
    fn first_batch(&self) -> MicroBatch {
        let images = self.parts.get(Split::Train).split.len();
        let step = Step { first: 0, count: self.options.setup.batch_size.min(images), learning_rate: 0.0 };
        step.micro_batches().next().expect("a part has images")
    }

    /// The same, with its record on the device.
    fn write_first_batch(&self) -> MicroBatch {
        let batch = self.first_batch();
        let (setup, split) = (&self.options.setup, &self.parts.get(Split::Train).split);
        let record = BatchRecord::new(&batch, 0, 1, &setup.loss, &setup.optimizer, split);
        self.buffers.write_records(&self.context, &[record]);
        batch
    }
}
