//! How fast each engine is, by wall clock and by the device's own, and against what the device can do at most.
//!
//! A [`Bench`] first looks at each engine by itself (`start`: how it starts; `examine`: its device's ceilings, its
//! kernels one by one), then lets all of them train and infer in turn, batch size by batch size (`race`). Each
//! figure is the median of several runs with its spread ([`Summary`]). What is found is [`Results`], plain
//! data that [`to_markdown`] shows and [`compare`] holds against an earlier one; [`warnings`] tells what makes it
//! doubtful.

mod comparison;
mod contender;
mod examine;
mod images;
mod json;
mod machine;
mod memory;
mod race;
mod results;
mod start;
mod statistics;
mod subject;
mod tables;
mod tune;
mod warnings;

use std::time::SystemTime;

pub use comparison::{Comparison, Verdict, compare};
pub use contender::Contender;
pub use images::{CLASSES, synthetic};
pub use json::ResultsError;
pub use machine::Machine;
pub use results::{
    Adapter, Ceilings, EngineResults, FORMAT, Images, KernelResults, Results, Settings, Stage, Start, Task,
    Throughput,
};
pub use statistics::Summary;
pub use tables::{counts, to_markdown};
pub use tune::{Effort, Trial, tune};
pub use warnings::warnings;

use crate::calendar::Utc;
use crate::data::Dataset;
use crate::engine::{EngineError, Mode, Setup};
use crate::model::{Init, LeNet5, ParameterTable};
use crate::train::Program;

/// What is measured, on which images.
#[derive(Debug)]
pub struct Bench {
    data: Dataset,
    settings: Settings,
    network: LeNet5,
    weights: Vec<f32>,
    /// Before anything of this program keeps it busy.
    machine: Machine,
    date: String,
}

impl Bench {
    /// Measures with the images to train on of `data`.
    ///
    /// # Panics
    /// Where there are fewer of them than a batch of the settings has, or no repeats: callers' errors.
    pub fn new(data: Dataset, settings: Settings) -> Self {
        let largest = settings.batches.iter().max().copied().unwrap_or(0).max(settings.profile_batch);
        assert!(largest <= data.train.len(), "there are images for every batch");
        assert!(settings.repeats > 0, "something is measured");
        let network = LeNet5::new(data.train.channels, data.classes);
        let weights = Init::Pytorch.arena(&ParameterTable::new(&network), settings.seed);
        let (machine, date) = (Machine::this(), Utc::of(SystemTime::now()).to_string());
        Self { data, settings, network, weights, machine, date }
    }

    /// How an engine starts: to be asked first of all in a process of its own.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn start(&self, contender: &Contender) -> Result<Start, EngineError> {
        start::start(contender, &self.setup(self.settings.profile_batch), &self.weights, &self.data.train)
    }

    /// The kernels of a training step of the batch that is looked at, by count. That needs no device.
    pub fn count(&self) -> Vec<KernelResults> {
        let batch = self.settings.profile_batch;
        let kernels = contender::twins(Mode::Train, &self.setup(batch));
        kernels.iter().map(|kernel| examine::by_count(kernel, batch, None)).collect()
    }

    /// Measures each of the contenders, whose starts are known. `tell` hears what is under way.
    ///
    /// # Errors
    /// Where an engine fails.
    pub fn run(
        self,
        contenders: Vec<(Contender, Start)>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Results, EngineError> {
        let images = &self.data.train;
        let (mut engines, mut opened) = (Vec::new(), Vec::new());
        for (contender, start) in contenders {
            tell(&format!("{}: ceilings and kernels", contender.label()));
            let setup = self.setup(self.settings.profile_batch);
            engines.push(examine::examine(&contender, start, &setup, &self.weights, images)?);
            opened.push(contender.open()?);
        }
        memory::forget_peak();
        for &batch in &self.settings.batches {
            tell(&format!("training and inference at batch {batch}"));
            let raced = race::race(&opened, &self.setup(batch), &self.settings, &self.weights, images)?;
            for (engine, throughput) in engines.iter_mut().zip(raced) {
                engine.throughput.extend(throughput);
            }
        }
        Ok(Results {
            format: FORMAT,
            program: Program::this(),
            date: self.date,
            machine: self.machine,
            images: Images {
                name: self.data.name.clone(),
                count: images.len(),
                channels: images.channels,
                height: images.height,
                width: images.width,
                classes: self.data.classes,
            },
            settings: self.settings,
            engines,
            peak_memory: memory::peak(),
        })
    }

    /// Training and inference of batches of one size.
    fn setup(&self, batch: usize) -> Setup {
        Setup { evaluation_batch: batch, ..Setup::new(self.network, batch) }
    }
}
