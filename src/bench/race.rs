//! Engines that train and infer in turn, at one batch size: what disturbs the machine for a while disturbs all of
//! them alike.

use std::sync::Arc;

use super::contender::Opened;
use super::results::{Settings, Task, Throughput};
use super::statistics::Summary;
use super::subject::Subject;
use crate::data::ImageSet;
use crate::engine::{EngineError, Setup};
use crate::gpu::cost::Cost;

/// Measures each of the engines at each task, in their order.
pub fn race(
    opened: &[Opened],
    setup: &Setup,
    settings: &Settings,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<Vec<Vec<Throughput>>, EngineError> {
    let mut runners = Vec::with_capacity(opened.len());
    for opened in opened {
        let subject = Subject::new(opened.engine(setup)?, setup, weights, images)?;
        runners.push(Runner::warmed_up(subject, settings)?);
    }
    for _ in 0..settings.repeats {
        for runner in &mut runners {
            runner.run()?;
        }
    }
    Ok(runners.into_iter().map(|runner| runner.results(setup)).collect())
}

/// An engine, and what was measured of it so far.
struct Runner {
    subject: Subject,
    tasks: [Timed; 2],
}

/// A task, the steps of a run, and the seconds of a step in each run.
struct Timed {
    task: Task,
    steps: usize,
    seconds: Vec<f64>,
}

impl Runner {
    fn warmed_up(mut subject: Subject, settings: &Settings) -> Result<Self, EngineError> {
        let a_run = settings.seconds / settings.repeats as f64;
        let mut tasks = Task::ALL.map(|task| Timed { task, steps: 0, seconds: Vec::new() });
        for timed in &mut tasks {
            timed.steps = subject.warm_up(timed.task, a_run)?;
        }
        Ok(Self { subject, tasks })
    }

    fn run(&mut self) -> Result<(), EngineError> {
        for timed in &mut self.tasks {
            timed.seconds.push(self.subject.seconds_a_step(timed.task, timed.steps)?);
        }
        Ok(())
    }

    fn results(self, setup: &Setup) -> Vec<Throughput> {
        let Self { subject, tasks } = self;
        let batch = setup.batch_size;
        let result = |Timed { task, steps, seconds }| {
            let kernels = subject.engine.kernels(task, setup);
            let work = Some(kernels.iter().map(|kernel| kernel.cost(batch)).sum::<Cost>());
            let step = Summary::of(seconds);
            let billions = |count: u64| count as f64 * 1e-9 / step.median;
            Throughput {
                task,
                batch,
                images_per_second: batch as f64 / step.median,
                steps,
                dispatches: subject.engine.gpu().map(|_| kernels.len()),
                work,
                gflops: work.map(|work| billions(work.flops)),
                gbytes: work.map(|work| billions(work.bytes)),
                buffer_bytes: subject.engine.gpu().map(|engine| engine.buffer_bytes()),
                step_us: step.scaled(1e6),
            }
        };
        tasks.into_iter().map(result).collect()
    }
}
