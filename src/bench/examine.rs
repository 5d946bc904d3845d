//! An engine looked at from near, before any race: how it starts, what its device can do, and where a step's time
//! goes.

use std::sync::Arc;

use super::contender::{AnyEngine, Contender, timed};
use super::memory;
use super::results::{Ceilings, EngineResults, KernelResults, Task};
use super::statistics::Summary;
use super::subject::Subject;
use crate::cpu;
use crate::data::Split;
use crate::engine::{EngineError, Setup};
use crate::gpu::kernels::Kernel;
use crate::gpu::{GpuEngine, probe};

/// Training steps whose kernels are timed one by one.
const PROFILED_STEPS: usize = 20;

/// Training steps that are recorded for one submit.
const ENCODED_STEPS: usize = 32;

/// How often that is done.
const ENCODINGS: usize = 15;

/// Looks at an engine that nothing has been asked of yet. Its throughput is left open.
pub fn examine(
    contender: &Contender,
    setup: &Setup,
    weights: &[f32],
    images: &Arc<Split>,
) -> Result<EngineResults, EngineError> {
    let alone = memory::forget_peak();
    let mut cold_start = vec![contender.choosing.clone()];
    let (opened, stage) = timed("open it", || contender.open());
    cold_start.push(stage);
    let opened = opened?;
    let (engine, stage) = timed("compile kernels, make buffers", || opened.engine(setup));
    cold_start.push(stage);
    let engine = engine?;
    let (subject, stage) = timed("hand over the images", || Subject::new(engine, setup, weights, images));
    cold_start.push(stage);
    let mut subject = subject?;
    let (first, stage) = timed("the first step", || subject.seconds_a_step(Task::Train, 1));
    cold_start.push(stage);
    first?;
    subject.seconds_a_step(Task::Infer, 1)?;

    let name = subject.engine.as_engine().name();
    let kernels = subject.engine.kernels(Task::Train, setup);
    let encode_us = subject.engine.gpu().map(encoding);
    let peak_memory = if alone { memory::peak() } else { None };
    drop((subject, opened));

    let opened = contender.open_to_profile()?;
    let ceilings = match &opened.context {
        None => Ceilings {
            gflops: cpu::probe::flops_per_second() * 1e-9,
            gbytes: cpu::probe::bytes_per_second() * 1e-9,
        },
        Some(context) => Ceilings {
            gflops: probe::flops_per_second(context)? * 1e-9,
            gbytes: probe::bytes_per_second(context)? * 1e-9,
        },
    };
    let mut times = None;
    let mut subject = Subject::new(opened.engine(setup)?, setup, weights, images)?;
    if let AnyEngine::Gpu(engine) = &mut subject.engine {
        // The first steps compile.
        engine.profile(2)?;
        times = engine.profile(PROFILED_STEPS)?;
    }
    let us = |place: usize| {
        let kernel = &times.as_ref()?[place];
        Some(Summary::of(kernel.times.iter().map(|time| 1e6 * time.as_secs_f64()).collect()))
    };
    Ok(EngineResults {
        label: contender.label().to_owned(),
        name,
        adapter: contender.adapter(),
        cold_start,
        ceilings,
        kernels: kernels
            .iter()
            .enumerate()
            .map(|(place, it)| by_count(it, setup.batch_size, us(place)))
            .collect(),
        encode_us,
        peak_memory,
        throughput: Vec::new(),
    })
}

/// What a kernel does for a batch, and how long it took if that is known.
pub fn by_count(kernel: &Kernel, batch: usize, us: Option<Summary>) -> KernelResults {
    KernelResults {
        label: kernel.label.clone(),
        workgroups: kernel.workgroups(batch),
        barriers: kernel.barriers(),
        work: kernel.work(batch),
        us,
    }
}

/// Microseconds that the host takes to record a training step.
fn encoding(engine: &GpuEngine) -> Summary {
    let a_step = |_| 1e6 * engine.time_encoding(ENCODED_STEPS).as_secs_f64() / ENCODED_STEPS as f64;
    Summary::of((0..ENCODINGS).map(a_step).collect())
}
