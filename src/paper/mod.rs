//! The paper's section 6 as one command: three runs each of Adam and gradient descent on MNIST and CIFAR-10,
//! the four figures, a table, and a verdict for each claim.
//!
//! [`study`] makes the runs on engines that it is given, [`Findings`] turns them into files.

mod experiment;
mod figures;
mod findings;
mod verdict;

pub use experiment::{BATCH, Experiment, Look, Manner, Method, Run, STOP_AT, Set, Variant, Watcher};
pub use findings::{Findings, FindingsError};
pub use verdict::{Outcome, Verdict};

use crate::data::Dataset;
use crate::engine::{Engine, EngineError, Setup};
use crate::train::TrainError;

/// Which experiments to make.
#[derive(Debug)]
pub struct Study {
    /// The sets, with images as the paper has them: resized to 32×32.
    pub sets: Vec<(Set, Dataset)>,
    pub manner: Manner,
    /// Runs of each optimizer on each set, with seeds one after the other.
    pub runs: u32,
    pub first_seed: u64,
    /// Of a run, at most.
    pub epochs: u32,
    /// Looks at both accuracies within an epoch.
    pub probes: usize,
}

/// Why a study ended without findings.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The watcher broke off.
    #[error("interrupted; the experiments that were done are not kept")]
    Interrupted,
}

/// Makes an engine.
pub type Open<'a> = dyn FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError> + 'a;

/// Makes all runs of a study, one after the other, each on an engine of its own.
pub fn study(study: &Study, open: &mut Open, watcher: &mut dyn Watcher) -> Result<Findings, PaperError> {
    let mut findings = Findings { manner: study.manner, runs: Vec::new(), without_log_softmax: Vec::new() };
    for (set, data) in &study.sets {
        let data = study.manner.images(data.clone());
        for method in Method::BOTH {
            for seed in study.seeds() {
                findings.runs.push(study.experiment(*set, method, seed).run(open, &data, watcher)?);
            }
        }
        if *set == Set::Mnist {
            for network in [Variant::WithoutLogSoftmax, Variant::Bare] {
                for seed in study.seeds() {
                    let experiment = study.without_log_softmax(network, seed);
                    findings.without_log_softmax.push(experiment.run(open, &data, watcher)?);
                }
            }
        }
    }
    Ok(findings)
}

impl Study {
    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first_seed;
        (0..u64::from(self.runs)).map(move |run| first + run)
    }

    fn experiment(&self, set: Set, method: Method, seed: u64) -> Experiment {
        let Self { manner, epochs, probes, .. } = *self;
        Experiment { set, method, manner, network: Variant::Whole, seed, epochs, probes }
    }

    /// One epoch of Adam on MNIST with the likelihood of the raw outputs.
    fn without_log_softmax(&self, network: Variant, seed: u64) -> Experiment {
        let experiment = self.experiment(Set::Mnist, Method::Adam, seed);
        Experiment { network, epochs: 1, probes: 1, ..experiment }
    }
}
