//! How fast each engine is, by wall clock and by the device's own, and against what the device can do at most.
//!
//! [`bench`] first looks at each engine by itself (`examine`: how it starts, its device's ceilings, its kernels
//! one by one), then lets all of them train and infer in turn, batch size by batch size: what disturbs the machine
//! for a while disturbs all of them alike. Each figure is the median of several runs with its spread
//! ([`Summary`]). What is found is [`Results`], plain data that [`to_markdown`] shows and [`compare`] holds
//! against an earlier one; [`warnings`] tells what makes it doubtful.

mod comparison;
mod contender;
mod examine;
mod images;
mod json;
mod machine;
mod markdown;
mod memory;
mod results;
mod statistics;
mod subject;
mod warnings;

use std::time::SystemTime;

pub use comparison::{Comparison, Verdict, compare};
pub use contender::Contender;
pub use images::{CLASSES, synthetic};
pub use json::ResultsError;
pub use machine::Machine;
pub use markdown::{counts, to_markdown};
pub use results::{
    Adapter, Ceilings, EngineResults, FORMAT, Images, KernelResults, Results, Settings, Stage, Task,
    Throughput,
};
pub use statistics::Summary;
pub use warnings::warnings;

use crate::calendar::Utc;
use crate::data::Dataset;
use crate::engine::{EngineError, Pass, Setup};
use crate::gpu::work::total;
use crate::model::{Init, LeNet5, ParameterTable};
use crate::train::Program;

use subject::Subject;

/// Measures each of the contenders on the images to train on of `data`. `tell` hears what is under way.
///
/// # Errors
/// Where an engine fails.
///
/// # Panics
/// Where there are fewer images than the largest batch has, or no repeats: callers' errors.
pub fn bench(
    contenders: &[Contender],
    data: &Dataset,
    settings: Settings,
    tell: &mut dyn FnMut(&str),
) -> Result<Results, EngineError> {
    let (date, machine) = (Utc::of(SystemTime::now()).to_string(), Machine::this());
    let images = &data.train;
    let network = LeNet5::new(images.channels, data.classes);
    let weights = Init::Pytorch.arena(&ParameterTable::new(&network), settings.seed);

    let mut engines = Vec::new();
    for contender in contenders {
        tell(&format!("{}: start, ceilings, kernels", contender.label()));
        let setup = setup(network, settings.profile_batch);
        engines.push(examine::examine(contender, &setup, &weights, images)?);
    }
    memory::forget_peak();
    let opened = contenders.iter().map(Contender::open).collect::<Result<Vec<_>, _>>()?;
    for &batch in &settings.batches {
        let setup = setup(network, batch);
        let mut racers = Vec::new();
        for (contender, opened) in contenders.iter().zip(&opened) {
            tell(&format!("{}: batches of {batch}, warming up", contender.label()));
            let subject = Subject::new(opened.engine(&setup)?, &setup, &weights, images)?;
            racers.push(Racer::warmed_up(subject, &settings)?);
        }
        tell(&format!("batches of {batch}"));
        for _ in 0..settings.repeats {
            for racer in &mut racers {
                racer.run()?;
            }
        }
        for (racer, results) in racers.into_iter().zip(&mut engines) {
            results.throughput.extend(racer.results(&setup));
        }
    }
    Ok(Results {
        format: FORMAT,
        program: Program::this(),
        date,
        machine,
        images: Images {
            name: data.name.clone(),
            count: images.len(),
            channels: images.channels,
            height: images.height,
            width: images.width,
            classes: data.classes,
        },
        settings,
        engines,
        peak_memory: memory::peak(),
    })
}

/// The kernels of a training step by count, which needs no device.
pub fn count(data: &Dataset, batch: usize) -> Vec<KernelResults> {
    let network = LeNet5::new(data.train.channels, data.classes);
    let kernels = contender::twins(Pass::Train, &setup(network, batch));
    kernels.iter().map(|kernel| examine::by_count(kernel, batch, None)).collect()
}

/// Training and inference of batches of one size.
fn setup(network: LeNet5, batch: usize) -> Setup {
    Setup { evaluation_batch: batch, ..Setup::new(network, batch) }
}

/// A subject and what was measured of it so far.
struct Racer {
    subject: Subject,
    tasks: [(Task, usize, Vec<f64>); 2],
}

impl Racer {
    fn warmed_up(mut subject: Subject, settings: &Settings) -> Result<Self, EngineError> {
        let a_run = settings.seconds / settings.repeats as f64;
        let mut tasks = Task::ALL.map(|task| (task, 0, Vec::with_capacity(settings.repeats)));
        for (task, steps, _) in &mut tasks {
            *steps = subject.warm_up(*task, a_run)?;
        }
        Ok(Self { subject, tasks })
    }

    fn run(&mut self) -> Result<(), EngineError> {
        for (task, steps, seconds) in &mut self.tasks {
            seconds.push(self.subject.seconds_a_step(*task, *steps)?);
        }
        Ok(())
    }

    fn results(self, setup: &Setup) -> Vec<Throughput> {
        let Self { subject, tasks } = self;
        let batch = setup.batch_size;
        let result = |(task, steps, seconds): (Task, usize, Vec<f64>)| {
            let kernels = subject.engine.kernels(task, setup);
            let work = total(&kernels, batch);
            let step = Summary::of(seconds);
            let rate = |count: u64| count as f64 * 1e-9 / step.median;
            Throughput {
                task,
                batch,
                images_per_second: batch as f64 / step.median,
                steps,
                dispatches: subject.engine.gpu().map(|_| kernels.len()),
                work,
                gflops: work.map(|work| rate(work.flops)),
                gbytes: work.map(|work| rate(work.bytes)),
                buffer_bytes: subject.engine.gpu().map(|engine| engine.buffer_bytes()),
                step_us: step.scaled(1e6),
            }
        };
        tasks.into_iter().map(result).collect()
    }
}
