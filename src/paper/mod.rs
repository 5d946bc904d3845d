//! Section 6 of the paper as one command: runs of Adam and gradient descent on MNIST and CIFAR-10, the four figures,
//! tables, and an outcome for each claim.
//!
//! [`run_study`] runs the experiments, several at the same time; [`StudyResults`] writes the report.

mod claims;
mod experiment;
mod figures;
mod protocol;
mod results;
mod running;
mod statistics;

pub use experiment::{Experiment, ExperimentListener, Run};
pub use protocol::{Method, NetworkVariant, PaperDataset, Protocol, STOP_ACCURACY};
pub use results::StudyResults;

use std::io;

use crate::data::Dataset;
use crate::device::OpenDevice;
use crate::engine::{EngineError, Setup};
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
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The listener ended the study.
    #[error("interrupted; results of completed experiments are discarded")]
    Interrupted,
}

/// Runs all experiments of a study, several at the same time: one on each thread of the CPU, or those with the same
/// optimizer and network as a population of a GPU. This does not affect their results.
///
/// # Errors
/// Returns an error if an experiment fails or the listener ends the study.
pub fn run_study(
    config: &StudyConfig,
    device: &OpenDevice,
    listener: &dyn ExperimentListener,
) -> Result<StudyResults, PaperError> {
    let mut results =
        StudyResults { protocol: config.protocol, runs: Vec::new(), without_log_softmax: Vec::new() };
    for (dataset, data) in &config.datasets {
        let data = config.protocol.images(data.clone());
        let runs = running::run_all(&config.experiments(*dataset), &data, device, listener)?;
        let is_full = |run: &Run| run.experiment.network == NetworkVariant::Full;
        let (full, without) = runs.into_iter().partition::<Vec<_>, _>(is_full);
        results.runs.extend(full);
        results.without_log_softmax.extend(without);
    }
    Ok(results)
}

impl StudyConfig {
    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first_seed;
        (0..u64::from(self.runs)).map(move |run| first + run)
    }

    /// The setups of all engines that the study needs.
    pub fn setups(&self) -> Vec<Setup> {
        let of = |(dataset, data): &(PaperDataset, Dataset)| {
            let experiments = self.experiments(*dataset);
            experiments.iter().map(|experiment| experiment.setup(data)).collect::<Vec<_>>()
        };
        self.datasets.iter().flat_map(of).collect()
    }

    /// The experiments on a data set, in the order of the report.
    fn experiments(&self, dataset: PaperDataset) -> Vec<Experiment> {
        let full = Method::BOTH
            .into_iter()
            .flat_map(|method| self.seeds().map(move |seed| self.experiment(dataset, method, seed)));
        let variants: &[NetworkVariant] = match dataset {
            PaperDataset::Mnist => &[NetworkVariant::WithoutLogSoftmax, NetworkVariant::Bare],
            PaperDataset::Cifar10 => &[],
        };
        let without = variants
            .iter()
            .flat_map(|&network| self.seeds().map(move |seed| self.without_log_softmax(network, seed)));
        full.chain(without).collect()
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
