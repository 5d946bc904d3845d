//! What a device can do at most, by its own measure: kernels that do nothing but arithmetic, or nothing but
//! copy. With the two, a kernel's operations and bytes tell how fast it could be (Williams, Waterman and
//! Patterson, "Roofline", 2009).

use std::time::{Duration, Instant};

use super::buffers::storage;
use super::context::Context;
use super::shader::compose;
use super::timestamps::Timestamps;
use crate::engine::EngineError;

/// Invocations of a workgroup.
const WORKGROUP: usize = 256;

/// Bytes of the buffer that is copied, and of the one that it is copied to: together more than today's largest
/// caches hold.
const COPIED: usize = 64 << 20;

/// Workgroups of the arithmetic probe: some hundred thousand invocations fill the largest GPU.
const FMA_WORKGROUPS: usize = 1024;

/// A probe's dispatches are repeated until they take so long: a submit's own cost is lost in it, and a driver's
/// patience is not.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// A ceiling is the best of so many runs.
const RUNS: usize = 5;

/// FMAs a second, two operations each.
///
/// # Errors
/// Where the device fails.
pub fn flops_per_second(context: &Context) -> Result<f64, EngineError> {
    // A software adapter needs no long run to show what it can do.
    let rounds = if context.description.is_software() { 16 } else { 256 };
    // Factors below 1, so that sums stay finite.
    let factors = bytemuck::cast_slice(&[0.5_f32, 0.25]);
    let sums = FMA_WORKGROUPS * WORKGROUP * size_of::<f32>();
    let probe =
        Probe::new(context, "ceiling_fma", fma_source(rounds), [factors.len(), sums], FMA_WORKGROUPS)?;
    context.queue.write_buffer(&probe.input, 0, factors);
    let operations = 2 * 8 * 8 * rounds * WORKGROUP * FMA_WORKGROUPS;
    Ok(operations as f64 / probe.best(context)?)
}

/// Bytes a second of a copy: those read and those written.
///
/// # Errors
/// Where the device fails, or has no memory for two buffers of 64 MiB.
pub fn bytes_per_second(context: &Context) -> Result<f64, EngineError> {
    let workgroups = COPIED / size_of::<[f32; 4]>() / WORKGROUP;
    let probe = Probe::new(context, "ceiling_copy", copy_source(), [COPIED; 2], workgroups)?;
    Ok(2.0 * COPIED as f64 / probe.best(context)?)
}

fn fma_source(rounds: usize) -> String {
    compose("ceilings/fma", &[], &[("WORKGROUP", WORKGROUP.into()), ("ROUNDS", rounds.into())])
}

fn copy_source() -> String {
    compose("ceilings/copy", &[], &[("WORKGROUP", WORKGROUP.into())])
}

/// A kernel from one buffer to another.
struct Probe {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    input: wgpu::Buffer,
    workgroups: u32,
    timestamps: Option<Timestamps>,
}

impl Probe {
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

    /// Seconds of a dispatch, in the best of some runs.
    fn best(&self, context: &Context) -> Result<f64, EngineError> {
        // Drivers compile a shader at its first dispatch.
        self.run(context, 1)?;
        let (mut dispatches, mut took) = (1, self.run(context, 1)?);
        while took < LONG_ENOUGH && dispatches < 1 << 16 {
            dispatches *= 2;
            took = self.run(context, dispatches)?;
        }
        for _ in 1..RUNS {
            took = took.min(self.run(context, dispatches)?);
        }
        Ok(took.as_secs_f64() / f64::from(dispatches))
    }

    /// How long `dispatches` take one after the other: by the device's clock where it has one.
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
    fn the_probes_parse_and_validate() {
        for source in [fma_source(16), copy_source()] {
            let module = naga::front::wgsl::parse_str(&source).unwrap();
            let flags = naga::valid::ValidationFlags::all();
            naga::valid::Validator::new(flags, naga::valid::Capabilities::default())
                .validate(&module)
                .unwrap();
        }
    }
}
