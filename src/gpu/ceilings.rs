//! The ceilings of a device: its peak FLOP/s and bytes/s, measured by kernels that do nothing but arithmetic or
//! nothing but copying. Given a kernel's operations and bytes, they bound how fast it can run (Williams, Waterman and
//! Patterson, "Roofline", 2009).

use std::time::{Duration, Instant};

use super::buffers::storage;
use super::context::Context;
use super::shader::compose;
use super::timestamps::Timestamps;
use crate::engine::EngineError;

/// Invocations of a workgroup.
const WORKGROUP: usize = 256;

/// Bytes of the source buffer and of the destination buffer of the copy; together they exceed today's largest caches.
const COPY_BYTES: usize = 64 << 20;

/// Workgroups of the arithmetic kernel: a few hundred thousand invocations fill the largest GPU.
const FMA_WORKGROUPS: usize = 1024;

/// How long a run should take at least: long enough to hide the cost of a submit, and too short for a driver's
/// watchdog.
const MIN_RUN_TIME: Duration = Duration::from_millis(20);

/// The number of runs; a ceiling is the best of them.
const RUNS: usize = 5;

/// Measures fused multiply-adds per second, counted as two operations each.
///
/// # Errors
/// If the device fails.
pub fn flops_per_second(context: &Context) -> Result<f64, EngineError> {
    // Short runs are enough for a software adapter.
    let rounds = if context.description.is_software() { 16 } else { 256 };
    // Factors below 1 keep the sums finite.
    let factors = bytemuck::cast_slice(&[0.5_f32, 0.25]);
    let sums = FMA_WORKGROUPS * WORKGROUP * size_of::<f32>();
    let kernel = CeilingKernel::new(
        context,
        "ceiling_fma",
        fma_source(rounds),
        [factors.len(), sums],
        FMA_WORKGROUPS,
    )?;
    context.queue.write_buffer(&kernel.input, 0, factors);
    let operations = 2 * 8 * 8 * rounds * WORKGROUP * FMA_WORKGROUPS;
    Ok(operations as f64 / kernel.best_seconds(context)?)
}

/// Measures the bytes per second of a copy, read and written.
///
/// # Errors
/// If the device fails or has no memory for two buffers of 64 MiB.
pub fn bytes_per_second(context: &Context) -> Result<f64, EngineError> {
    let workgroups = COPY_BYTES / size_of::<[f32; 4]>() / WORKGROUP;
    let kernel = CeilingKernel::new(context, "ceiling_copy", copy_source(), [COPY_BYTES; 2], workgroups)?;
    Ok(2.0 * COPY_BYTES as f64 / kernel.best_seconds(context)?)
}

fn fma_source(rounds: usize) -> String {
    compose("ceilings/fma", &[], &[("WORKGROUP", WORKGROUP.into()), ("ROUNDS", rounds.into())])
}

fn copy_source() -> String {
    compose("ceilings/copy", &[], &[("WORKGROUP", WORKGROUP.into())])
}

/// A kernel that reads one buffer and writes another.
struct CeilingKernel {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    input: wgpu::Buffer,
    workgroups: u32,
    timestamps: Option<Timestamps>,
}

impl CeilingKernel {
    fn new(
        context: &Context,
        entry: &str,
        source: String,
        [input, output]: [usize; 2],
        workgroups: usize,
    ) -> Result<Self, EngineError> {
        context.checked(|| {
            let device = &context.device;
            let label = Some(entry);
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label,
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: None,
                module: &module,
                entry_point: label,
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let [input, output] = [input, output].map(|size| storage(context, entry, size as u64));
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: input.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: output.as_entire_binding() },
                ],
            });
            let timestamps = Timestamps::new(context, 1);
            Self { pipeline, group, input, workgroups: workgroups as u32, timestamps }
        })
    }

    /// Seconds per dispatch, in the best of [`RUNS`] runs.
    fn best_seconds(&self, context: &Context) -> Result<f64, EngineError> {
        // Drivers may compile a shader at its first dispatch.
        self.run(context, 1)?;
        let (mut dispatches, mut took) = (1, self.run(context, 1)?);
        while took < MIN_RUN_TIME && dispatches < 1 << 16 {
            dispatches *= 2;
            took = self.run(context, dispatches)?;
        }
        for _ in 1..RUNS {
            took = took.min(self.run(context, dispatches)?);
        }
        Ok(took.as_secs_f64() / f64::from(dispatches))
    }

    /// How long `dispatches` take one after the other, by the device's clock if it has one.
    fn run(&self, context: &Context, dispatches: u32) -> Result<Duration, EngineError> {
        let mut encoder = context.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: self.timestamps.as_ref().map(|timestamps| timestamps.of_pass(0)),
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        for _ in 0..dispatches {
            pass.dispatch_workgroups(self.workgroups, 1, 1);
        }
        drop(pass);
        if let Some(timestamps) = &self.timestamps {
            timestamps.resolve(&mut encoder);
        }
        let started = Instant::now();
        context.wait(context.queue.submit([encoder.finish()]))?;
        let waited = started.elapsed();
        match &self.timestamps {
            Some(timestamps) => Ok(timestamps.read(context)?[0]),
            None => Ok(waited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_kernels_are_valid_wgsl() {
        for source in [fma_source(16), copy_source()] {
            let module = naga::front::wgsl::parse_str(&source).unwrap();
            let flags = naga::valid::ValidationFlags::all();
            naga::valid::Validator::new(flags, naga::valid::Capabilities::default())
                .validate(&module)
                .unwrap();
        }
    }
}
