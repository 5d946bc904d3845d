//! How an engine starts. To be told in a process that has done nothing before: loaded drivers, warm threads and
//! memory that was used already would make the start look shorter than it is.

use std::sync::Arc;

use super::contender::{Contender, timed};
use super::memory;
use super::results::{Stage, Start, Task};
use super::subject::Subject;
use crate::data::ImageSet;
use crate::engine::{EngineError, Setup};

/// Starts an engine, up to the end of its first step; then it infers a batch too.
pub fn start(
    contender: &Contender,
    setup: &Setup,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<Start, EngineError> {
    let mut stages = vec![contender.choosing.clone()];
    let opened = note(&mut stages, "open it", || contender.open())?;
    let engine = note(&mut stages, "make buffers and kernels", || opened.engine(setup))?;
    let mut subject =
        note(&mut stages, "hand over the images", || Subject::new(engine, setup, weights, images))?;
    note(&mut stages, "the first step", || subject.seconds_a_step(Task::Train, 1))?;
    subject.seconds_a_step(Task::Infer, 1)?;
    Ok(Start { stages, peak_memory: memory::peak() })
}

fn note<T>(stages: &mut Vec<Stage>, what: &str, work: impl FnOnce() -> T) -> T {
    let (result, stage) = timed(what, work);
    stages.push(stage);
    result
}
