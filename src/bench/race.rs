//! Engines that train and infer in turn at one batch size, so that a temporary load on the machine affects all of
//! them equally.

use std::sync::Arc;

use super::candidate::kernels_of_task;
use super::loaded_engine::LoadedEngine;
use super::results::{Settings, Task, Throughput};
use super::statistics::Summary;
use crate::data::ImageSet;
use crate::device::OpenDevice;
use crate::engine::{EngineError, Setup};
use crate::gpu::cost::Cost;

/// Measures an engine on each of the devices at each task. The results are in the order of the devices.
pub fn race(
    devices: &[OpenDevice],
    setup: &Setup,
    settings: &Settings,
    weights: &[f32],
    images: &Arc<ImageSet>,
) -> Result<Vec<Vec<Throughput>>, EngineError> {
    let mut runners = Vec::with_capacity(devices.len());
    for device in devices {
        let loaded = LoadedEngine::new(device.engine(setup)?, setup, weights, images)?;
        runners.push(Runner::warmed_up(loaded, settings)?);
    }
    for _ in 0..settings.repeats {
        for runner in &mut runners {
            runner.run()?;
        }
    }
    Ok(runners.into_iter().map(|runner| runner.results(setup)).collect())
}

/// An engine and its measurements so far.
struct Runner {
    loaded: LoadedEngine,
    tasks: [TaskTimes; 2],
}

/// The times of a task.
struct TaskTimes {
    task: Task,
    /// Steps per run.
    steps: usize,
    /// Seconds per step, for each run.
    seconds: Vec<f64>,
}

impl Runner {
    fn warmed_up(mut loaded: LoadedEngine, settings: &Settings) -> Result<Self, EngineError> {
        let seconds_per_run = settings.seconds / settings.repeats as f64;
        let mut tasks = Task::ALL.map(|task| TaskTimes { task, steps: 0, seconds: Vec::new() });
        for times in &mut tasks {
            times.steps = loaded.warm_up(times.task, seconds_per_run)?;
        }
        Ok(Self { loaded, tasks })
    }

    fn run(&mut self) -> Result<(), EngineError> {
        for times in &mut self.tasks {
            times.seconds.push(self.loaded.seconds_per_step(times.task, times.steps)?);
        }
        Ok(())
    }

    fn results(self, setup: &Setup) -> Vec<Throughput> {
        let Self { loaded, tasks } = self;
        let batch = setup.batch_size;
        let result = |TaskTimes { task, steps, seconds }| {
            let kernels = kernels_of_task(&loaded.engine, task, setup);
            let work = Some(kernels.iter().map(|kernel| kernel.cost(batch)).sum::<Cost>());
            let step = Summary::of(seconds);
            let giga_per_second = |count: u64| count as f64 * 1e-9 / step.median;
            Throughput {
                task,
                batch,
                images_per_second: batch as f64 / step.median,
                steps,
                dispatches: loaded.engine.gpu().map(|_| kernels.len()),
                work,
                gflops: work.map(|work| giga_per_second(work.flops)),
                gbytes: work.map(|work| giga_per_second(work.bytes)),
                buffer_bytes: loaded.engine.gpu().map(|engine| engine.buffer_bytes()),
                step_us: step.scaled(1e6),
            }
        };
        tasks.into_iter().map(result).collect()
    }
}
