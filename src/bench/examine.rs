//! An engine looked at from near: what its device can do, and where a step's time goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contender::{AnyEngine, Contender, Opened};
use super::results::{Ceilings, EngineResults, KernelResults, Start, Task};
use super::statistics::Summary;
use super::subject::Subject;
use crate::cpu;
use crate::data::ImageSet;
use crate::engine::{Engine, EngineError, Setup, Split};
use crate::gpu::recording::RecordedKernel;
use crate::gpu::{GpuEngine, ceilings};

/// Training steps whose kernels are timed one by one.
const PROFILED_STEPS: usize = 20;

/// Training steps that are recorded for one submit.
const ENCODED_STEPS: usize = 32;

/// How often that is done.
const ENCODINGS: usize = 15;

/// How often one image is inferred.
const ASKED: usize = 51;

/// Looks at an engine. Its throughput is left open.
pub fn examine(
    contender: &Contender,
    start: Start,
    setup: &Setup,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<EngineResults, EngineError> {
    let opened = contender.open_to_profile()?;
    let ceilings = ceilings(&opened)?;
    let mut subject = Subject::new(opened.engine(setup)?, setup, weights, images)?;
    // What is compiled at its first use shall be.
    subject.seconds_a_step(Task::Train, 2)?;
    let kernels = subject.engine.kernels(Task::Train, setup);
    let encode_us = subject.engine.gpu().map(encoding);
    let times = match &mut subject.engine {
        AnyEngine::Cpu(_) => None,
        AnyEngine::Gpu(engine) => engine.profile(PROFILED_STEPS)?,
    };
    let us = |place: usize| Some(microseconds(&times.as_ref()?[place].times));
    let batch = setup.batch_size;
    Ok(EngineResults {
        label: contender.label().to_owned(),
        name: subject.engine.as_engine().name(),
        adapter: contender.adapter(),
        start,
        ceilings,
        kernels: kernels.iter().enumerate().map(|(place, it)| by_count(it, batch, us(place))).collect(),
        encode_us,
        latency_us: latency(subject.engine.as_engine(), images)?,
        throughput: Vec::new(),
    })
}

fn ceilings(opened: &Opened) -> Result<Ceilings, EngineError> {
    let (flops, bytes) = match &opened.context {
        None => (cpu::ceilings::flops_per_second(), cpu::ceilings::bytes_per_second()),
        Some(context) => (ceilings::flops_per_second(context)?, ceilings::bytes_per_second(context)?),
    };
    Ok(Ceilings { gflops: flops * 1e-9, gbytes: bytes * 1e-9 })
}

/// What a kernel does for a batch, and how long it took if that is known.
pub fn by_count(kernel: &RecordedKernel, batch: usize, us: Option<Summary>) -> KernelResults {
    KernelResults {
        label: kernel.label.clone(),
        workgroups: kernel.workgroups(batch),
        barriers: kernel.barriers(),
        work: Some(kernel.cost(batch)),
        us,
    }
}

/// What the host takes to record a training step.
fn encoding(engine: &GpuEngine) -> Summary {
    let times = (0..ENCODINGS).map(|_| engine.time_encoding(ENCODED_STEPS)).collect::<Vec<_>>();
    microseconds(&times).scaled(1.0 / ENCODED_STEPS as f64)
}

/// What it takes to infer one image, from asking to knowing.
fn latency(engine: &mut dyn Engine, images: &ImageSet) -> Result<Summary, EngineError> {
    let one = ImageSet { pixels: images.image(0).to_vec(), labels: images.labels[..1].to_vec(), ..*images };
    engine.load(Split::Test, Arc::new(one))?;
    let mut times = Vec::with_capacity(ASKED);
    engine.evaluate(Split::Test)?;
    for _ in 0..ASKED {
        let started = Instant::now();
        engine.evaluate(Split::Test)?;
        times.push(started.elapsed());
    }
    Ok(microseconds(&times))
}

fn microseconds(times: &[Duration]) -> Summary {
    Summary::of(times.iter().map(|time| 1e6 * time.as_secs_f64()).collect())
}
