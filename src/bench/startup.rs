//! How long an engine takes to start. Measured in a fresh process: drivers that are loaded, threads that are running
//! and memory that was used before would make the start look faster than it is.

use std::sync::Arc;

use super::candidate::{Candidate, timed};
use super::loaded_engine::LoadedEngine;
use super::memory;
use super::results::{Startup, StartupPhase, Task};
use crate::data::ImageSet;
use crate::engine::{EngineError, Setup};

/// Starts an engine and times each phase up to the end of its first step. Then classifies one batch, so that the peak
/// memory covers inference too.
pub fn measure(
    candidate: &Candidate,
    setup: &Setup,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<Startup, EngineError> {
    let mut phases = vec![candidate.choosing.clone()];
    let device = phase(&mut phases, "open the device", || candidate.open())?;
    let engine = phase(&mut phases, "create buffers and pipelines", || device.engine(setup))?;
    let mut loaded =
        phase(&mut phases, "load the images", || LoadedEngine::new(engine, setup, weights, images))?;
    phase(&mut phases, "run the first step", || loaded.seconds_per_step(Task::Train, 1))?;
    loaded.seconds_per_step(Task::Infer, 1)?;
    Ok(Startup { phases, peak_memory: memory::peak() })
}

fn phase<T>(phases: &mut Vec<StartupPhase>, name: &str, work: impl FnOnce() -> T) -> T {
    let (result, phase) = timed(name, work);
    phases.push(phase);
    result
}
