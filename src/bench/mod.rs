//! How fast each engine is, in wall-clock time and by the device's own clock, compared with the device's ceilings.
//!
//! A [`Bench`] first measures each engine by itself (`startup`: how long it takes to start; `profile`: its device's
//! ceilings and its kernels one by one), then lets all engines train and infer in turn, one batch size after the other
//! (`race`). Each figure is the median of several runs with its spread ([`Summary`]). The [`Results`] are plain data:
//! [`to_markdown`] formats them, [`compare`] compares them with earlier ones, and [`warnings()`] lists what makes them
//! unreliable.

mod candidate;
mod comparison;
mod json;
mod loaded_engine;
mod machine;
mod memory;
mod population;
mod profile;
mod race;
mod results;
mod startup;
mod statistics;
mod synthetic;
mod tables;
mod tune;
mod warnings;

use std::time::SystemTime;

pub use candidate::Candidate;
pub use comparison::{Comparison, Verdict, compare};
pub use json::ResultsError;
pub use machine::Machine;
pub use results::{
    Adapter, Ceilings, EngineResults, FORMAT, Images, KernelResults, MODEL_IMAGES, PopulationThroughput,
    Results, Settings, Startup, StartupPhase, Task, Throughput,
};
pub use statistics::Summary;
pub use synthetic::{CLASSES, SYNTHETIC_BYTES, synthetic};
pub use tables::{counts, to_markdown};
pub use tune::{Effort, Trial, tune};
pub use warnings::warnings;

use crate::calendar::Utc;
use crate::data::Dataset;
use crate::engine::{EngineError, Mode, Setup};
use crate::model::{Init, LeNet5, ParameterTable};
use crate::train::Program;

/// What to measure, and with which images.
#[derive(Debug)]
pub struct Bench {
    data: Dataset,
    settings: Settings,
    network: LeNet5,
    weights: Vec<f32>,
    /// Its state before this program puts any load on it.
    machine: Machine,
    date: String,
}

impl Bench {
    /// Measures with the training images of `data`.
    ///
    /// # Panics
    /// If `data` has fewer training images than the largest batch, or `settings` has no repeats.
    pub fn new(data: Dataset, settings: Settings) -> Self {
        let largest = settings.batches.iter().max().copied().unwrap_or(0).max(settings.profile_batch);
        assert!(largest <= data.train.len(), "there are images for every batch");
        assert!(settings.repeats > 0, "at least one run is measured");
        let network = LeNet5::new(data.train.channels, data.classes);
        let weights = Init::Pytorch.arena(&ParameterTable::new(&network), settings.seed);
        let (machine, date) = (Machine::this(), Utc::of(SystemTime::now()).to_string());
        Self { data, settings, network, weights, machine, date }
    }

    /// Measures how an engine starts. Call it first in a new process.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn start(&self, candidate: &Candidate) -> Result<Startup, EngineError> {
        startup::measure(candidate, &self.setup(self.settings.profile_batch), &self.weights, &self.data.train)
    }

    /// Counts the work of the kernels of a training step of `profile_batch` images. This needs no device.
    pub fn count(&self) -> Vec<KernelResults> {
        let batch = self.settings.profile_batch;
        let kernels = candidate::twin_kernels(Mode::Train, &self.setup(batch));
        kernels.iter().map(|kernel| profile::kernel_results(kernel, batch, None)).collect()
    }

    /// Measures each of the candidates, whose start-up was measured before. `progress` is called before each
    /// measurement with its description.
    ///
    /// # Errors
    /// If an engine fails.
    pub fn run(
        self,
        candidates: Vec<(Candidate, Startup)>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Results, EngineError> {
        let images = &self.data.train;
        let (mut engines, mut devices) = (Vec::new(), Vec::new());
        for (candidate, startup) in candidates {
            progress(&format!("{}: ceilings and kernels", candidate.label()));
            let setup = self.setup(self.settings.profile_batch);
            engines.push(profile::profile(&candidate, startup, &setup, &self.weights, images)?);
            devices.push(candidate.open()?);
        }
        memory::reset_peak();
        for &batch in &self.settings.batches {
            progress(&format!("training and inference at batch size {batch}"));
            let raced = race::race(&devices, &self.setup(batch), &self.settings, &self.weights, images)?;
            for (engine, throughput) in engines.iter_mut().zip(raced) {
                engine.throughput.extend(throughput);
            }
        }
        let setup = self.setup(self.settings.profile_batch);
        for &size in &self.settings.populations {
            for (engine, device) in engines.iter_mut().zip(&devices) {
                progress(&format!("{}: a population of {size}", engine.label));
                let measured =
                    population::measure(device, &setup, &self.settings, &self.weights, &self.data, size)?;
                engine.populations.push(measured);
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

    /// The setup for training and inference with one batch size.
    fn setup(&self, batch: usize) -> Setup {
        Setup { evaluation_batch: batch, ..Setup::new(self.network, batch) }
    }
}
