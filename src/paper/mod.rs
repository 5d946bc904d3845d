//! Section 6 of the paper as one command: runs of Adam and gradient descent on MNIST and CIFAR-10, the four figures,
//! tables, and an outcome for each claim.
//!
//! [`run_study`] runs the experiments on engines that the caller opens; [`StudyResults`] writes the report.

mod claims;
mod experiment;
mod figures;
mod protocol;
mod results;
mod statistics;

pub use experiment::{Experiment, ExperimentListener, Run};
pub use protocol::{Method, NetworkVariant, PaperDataset, Protocol, STOP_ACCURACY};
pub use results::StudyResults;

use crate::data::Dataset;
use crate::engine::{Engine, EngineError, Setup};
use crate::train::TrainError;

/// Which experiments to run.
#[derive(Debug)]
pub struct StudyConfig {
    /// The data sets, with images fitted as in the paper: resized to 32×32.
    pub datasets: Vec<(PaperDataset, Dataset)>,
    /// How closely to follow the paper's script.
    pub protocol: Protocol,
    /// Number of runs of each optimizer on each data set, with consecutive seeds.
    pub runs: u32,
    /// Seed of the first run.
    pub first_seed: u64,
    /// Maximum number of epochs of a run.
    pub epochs: u32,
    /// Number of times per epoch that both accuracies are measured.
    pub evaluations_per_epoch: usize,
}

/// Why a study ended without results.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// An engine could not be opened or set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A run failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The listener ended the study.
    #[error("interrupted; results of completed experiments are discarded")]
    Interrupted,
}

/// Opens an engine for a setup.
pub type OpenEngine<'a> = dyn FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError> + 'a;

/// Runs all experiments of a study one after the other, each on a new engine.
///
/// # Errors
/// Returns an error if an experiment fails or the listener ends the study.
pub fn run_study(
    config: &StudyConfig,
    open: &mut OpenEngine,
    listener: &mut dyn ExperimentListener,
) -> Result<StudyResults, PaperError> {
    let mut results =
        StudyResults { protocol: config.protocol, runs: Vec::new(), without_log_softmax: Vec::new() };
    for (dataset, data) in &config.datasets {
        let data = config.protocol.images(data.clone());
        for method in Method::BOTH {
            for seed in config.seeds() {
                let experiment = config.experiment(*dataset, method, seed);
                results.runs.push(experiment.run(open, &data, listener)?);
            }
        }
        if *dataset == PaperDataset::Mnist {
            for network in [NetworkVariant::WithoutLogSoftmax, NetworkVariant::Bare] {
                for seed in config.seeds() {
                    let experiment = config.without_log_softmax(network, seed);
                    results.without_log_softmax.push(experiment.run(open, &data, listener)?);
                }
            }
        }
    }
    Ok(results)
}

impl StudyConfig {
    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first_seed;
        (0..u64::from(self.runs)).map(move |run| first + run)
    }

    fn experiment(&self, dataset: PaperDataset, method: Method, seed: u64) -> Experiment {
        let Self { protocol, epochs, evaluations_per_epoch, .. } = *self;
        let network = NetworkVariant::Full;
        Experiment { dataset, method, protocol, network, seed, epochs, evaluations_per_epoch }
    }

    /// One epoch of Adam on MNIST, with the negative likelihood of the raw outputs as the loss.
    fn without_log_softmax(&self, network: NetworkVariant, seed: u64) -> Experiment {
        let experiment = self.experiment(PaperDataset::Mnist, Method::Adam, seed);
        Experiment { network, epochs: 1, evaluations_per_epoch: 1, ..experiment }
    }
}
