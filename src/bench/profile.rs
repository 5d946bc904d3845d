//! One engine in detail: the ceilings of its device, its kernels one by one, and its latency.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::candidate::{Candidate, kernels_of_task};
use super::loaded_engine::LoadedEngine;
use super::results::{Ceilings, EngineResults, KernelResults, Startup, Task};
use super::statistics::Summary;
use crate::cpu;
use crate::data::ImageSet;
use crate::device::{AnyEngine, OpenDevice};
use crate::engine::{Engine, EngineError, Setup, Split};
use crate::gpu::recording::RecordedKernel;
use crate::gpu::{GpuEngine, ceilings};

/// Training steps whose kernels are timed one by one.
const PROFILED_STEPS: usize = 20;

/// Training steps that are recorded for one submit.
const ENCODED_STEPS: usize = 32;

/// How often that recording is repeated.
const ENCODINGS: usize = 15;

/// How often one image is classified to measure the latency.
const LATENCY_RUNS: usize = 51;

/// Measures everything about an engine except its throughput, which is left empty.
pub fn profile(
    candidate: &Candidate,
    startup: Startup,
    setup: &Setup,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<EngineResults, EngineError> {
    let device = candidate.open_with_timestamps()?;
    let ceilings = ceilings(&device)?;
    let mut loaded = LoadedEngine::new(device.engine(setup)?, setup, weights, images)?;
    // Some drivers compile kernels at their first use.
    loaded.seconds_per_step(Task::Train, 2)?;
    let kernels = kernels_of_task(&loaded.engine, Task::Train, setup);
    let encode_us = loaded.engine.gpu().map(encoding_time);
    let times = match &mut loaded.engine {
        AnyEngine::Cpu(_) => None,
        AnyEngine::Gpu(engine) => engine.profile(PROFILED_STEPS)?,
    };
    let us = |index: usize| Some(microseconds(&times.as_ref()?[index].times));
    let batch = setup.batch_size;
    Ok(EngineResults {
        label: candidate.label().to_owned(),
        name: loaded.engine.name(),
        adapter: candidate.adapter(),
        startup,
        ceilings,
        kernels: kernels.iter().enumerate().map(|(index, it)| kernel_results(it, batch, us(index))).collect(),
        encode_us,
        latency_us: latency(&mut loaded.engine, images)?,
        throughput: Vec::new(),
        populations: Vec::new(),
    })
}

fn ceilings(device: &OpenDevice) -> Result<Ceilings, EngineError> {
    let (flops, bytes) = match device.context() {
        None => (cpu::ceilings::flops_per_second(), cpu::ceilings::bytes_per_second()),
        Some(context) => (ceilings::flops_per_second(context)?, ceilings::bytes_per_second(context)?),
    };
    Ok(Ceilings { gflops: flops * 1e-9, gbytes: bytes * 1e-9 })
}

/// The work of a kernel for a batch, and how long it took if that was measured.
pub fn kernel_results(kernel: &RecordedKernel, batch: usize, us: Option<Summary>) -> KernelResults {
    KernelResults {
        label: kernel.label.clone(),
        workgroups: kernel.workgroups(batch),
        barriers: kernel.barriers(),
        work: Some(kernel.cost(batch)),
        us,
    }
}

/// How long the host takes to record a training step.
fn encoding_time(engine: &GpuEngine) -> Summary {
    let times = (0..ENCODINGS).map(|_| engine.time_encoding(ENCODED_STEPS)).collect::<Vec<_>>();
    microseconds(&times).scaled(1.0 / ENCODED_STEPS as f64)
}

/// How long it takes to classify one image, from the call to the result.
fn latency(engine: &mut dyn Engine, images: &ImageSet) -> Result<Summary, EngineError> {
    let one = ImageSet { pixels: images.image(0).to_vec(), labels: images.labels[..1].to_vec(), ..*images };
    engine.load(Split::Test, Arc::new(one))?;
    let mut times = Vec::with_capacity(LATENCY_RUNS);
    engine.evaluate(Split::Test)?;
    for _ in 0..LATENCY_RUNS {
        let started = Instant::now();
        engine.evaluate(Split::Test)?;
        times.push(started.elapsed());
    }
    Ok(microseconds(&times))
}

fn microseconds(times: &[Duration]) -> Summary {
    Summary::of(times.iter().map(|time| 1e6 * time.as_secs_f64()).collect())
}
