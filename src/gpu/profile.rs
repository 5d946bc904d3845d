//! Where a training step's time goes: each kernel by the device's clock, and the host's part of it.

use std::time::{Duration, Instant};

use super::buffers::BatchRecord;
use super::engine::GpuEngine;
use super::kernels::Kernel;
use super::network::StepPlan;
use super::stage::Stage;
use super::timestamps::Timestamps;
use crate::engine::{EngineError, MicroBatch, Part, Pass, Step};

/// How long a kernel took, once for each step that was looked at.
#[derive(Debug, Clone)]
pub struct KernelTimes {
    pub label: String,
    pub times: Vec<Duration>,
}

/// The kernels of a pass over a batch, in order: one dispatch each.
pub fn kernels_of(step: &StepPlan, pass: Pass) -> Vec<Kernel> {
    let count = match pass {
        Pass::Train => step.kernels().count(),
        Pass::Evaluate => step.forward.len(),
    };
    step.kernels().take(count).filter(|kernel| kernel.pass.is_none_or(|only| only == pass)).cloned().collect()
}

impl GpuEngine {
    /// See [`kernels_of`].
    pub fn kernels(&self, pass: Pass) -> Vec<Kernel> {
        kernels_of(&self.plan, pass)
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
        self.parts.get(Part::Train).record(&mut encoder, Pass::Train, stages, &batches, 0, 0);
        let commands = encoder.finish();
        let took = started.elapsed();
        drop(commands);
        took
    }

    /// Runs training steps over the first batch and tells how long each kernel took by the device's clock; none
    /// where it has none (see [`super::Context::open_to_profile`]). Each kernel has a compute pass of its
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
        let batch = self.first_batch();
        let setup = &self.options.setup;
        let record =
            BatchRecord::new(&batch, 0, 1, &setup.loss, &setup.optimizer, &self.parts.get(Part::Train).split);
        self.buffers.write_records(&self.context, &[record]);

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
        let loaded = self.parts.get(Part::Train);
        self.stages.iter().zip(&loaded.groups).filter(|(stage, _)| stage.runs_in(Pass::Train)).collect()
    }

    /// The first images of the training part as a step that moves no parameter.
    fn first_batch(&self) -> MicroBatch {
        let images = self.parts.get(Part::Train).split.len();
        let step = Step { first: 0, count: self.options.setup.batch_size.min(images), learning_rate: 0.0 };
        step.micro_batches().next().expect("a part has images")
    }
}
