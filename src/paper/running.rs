//! Runs experiments, several at the same time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Experiment, ExperimentListener, PaperError, Run};
use crate::data::Dataset;
use crate::device::{EnginePool, OpenDevice};
use crate::engine::Setup;
use crate::train::{EpochProgress, EpochRecord};

/// Runs experiments on the same images. The runs are in the order of the experiments. An error ends all experiments.
pub(super) fn run_all(
    experiments: &[Experiment],
    data: &Dataset,
    device: &OpenDevice,
    listener: &dyn ExperimentListener,
) -> Result<Vec<Run>, PaperError> {
    let setups: Vec<Setup> = experiments.iter().map(|experiment| experiment.setup(data)).collect();
    let mut runs = Vec::with_capacity(experiments.len());
    while runs.len() < experiments.len() {
        let (experiments, setups) = (&experiments[runs.len()..], &setups[runs.len()..]);
        // Each thread of the CPU has an engine of its own. The members of a population share their kernels.
        let fits = |setup: &&Setup| device.context().is_none() || setup.shares_kernels_with(&setups[0]);
        let together = setups.iter().take_while(fits).count();
        runs.extend(run_together(&experiments[..together], setups, data, device, listener)?);
    }
    Ok(runs)
}

/// Runs experiments that can be in one pool of engines. There is a setup for each.
fn run_together(
    experiments: &[Experiment],
    setups: &[Setup],
    data: &Dataset,
    device: &OpenDevice,
    listener: &dyn ExperimentListener,
) -> Result<Vec<Run>, PaperError> {
    let pool = device.pool(&setups[0], data, experiments.len())?;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let listener = Stoppable { listener, stop: AtomicBool::new(false) };
    let work = |pool: &EnginePool| {
        while !listener.stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(experiment), Some(setup)) = (experiments.get(index), setups.get(index)) else { return };
            let result = pool
                .engine(setup)
                .map_err(PaperError::from)
                .and_then(|mut engine| experiment.run(&mut *engine, data, &listener));
            listener.stop.fetch_or(result.is_err(), Ordering::Relaxed);
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
        }
    };
    pool.on_each_thread(work).map_err(PaperError::Thread)?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut runs = Vec::with_capacity(results.len());
    let mut interrupted = None;
    for result in results.into_values() {
        match result {
            Ok(run) => runs.push(run),
            // Another experiment may have failed.
            Err(PaperError::Interrupted) => interrupted = Some(PaperError::Interrupted),
            Err(error) => return Err(error),
        }
    }
    interrupted.map_or(Ok(runs), Err)
}

/// A listener that also ends experiments once one has failed.
struct Stoppable<'a> {
    listener: &'a dyn ExperimentListener,
    stop: AtomicBool,
}

impl ExperimentListener for Stoppable<'_> {
    fn progress(&self, experiment: &Experiment, progress: &EpochProgress) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.listener.progress(experiment, progress)
    }

    fn epoch(&self, experiment: &Experiment, record: &EpochRecord) {
        self.listener.epoch(experiment, record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::synthetic;
    use crate::cpu::CpuEngine;
    use crate::data::Conversion;
    use crate::device::{Device, DeviceOptions, DeviceRequest, WantedBackend};
    use crate::paper::{PaperDataset, Protocol, StudyConfig};

    impl ExperimentListener for () {
        fn progress(&self, _: &Experiment, _: &EpochProgress) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }

        fn epoch(&self, _: &Experiment, _: &EpochRecord) {}
    }

    fn cpu() -> OpenDevice {
        let request = DeviceRequest { backend: WantedBackend::Cpu, adapter: None };
        Device::find(&request).unwrap().connect(&DeviceOptions::default()).unwrap()
    }

    fn study(data: &Dataset) -> StudyConfig {
        StudyConfig {
            datasets: vec![(PaperDataset::Mnist, data.clone())],
            protocol: Protocol::AsDescribed,
            runs: 2,
            first_seed: 5,
            epochs: 2,
            evaluations_per_epoch: 2,
        }
    }

    fn data() -> Dataset {
        Dataset::from_image_sets("noise", synthetic(64, 1), synthetic(10, 2), Conversion::default()).unwrap()
    }

    /// A run without its times.
    fn timeless(run: Run) -> Run {
        let epochs = run.epochs.into_iter();
        let epochs = epochs.map(|epoch| EpochRecord { seconds: 0.0, images_per_second: 0.0, ..epoch });
        Run { seconds: 0.0, epochs: epochs.collect(), ..run }
    }

    #[test]
    fn experiments_at_the_same_time_have_the_bits_and_the_order_of_experiments_one_by_one() {
        let data = data();
        let experiments = study(&data).experiments(PaperDataset::Mnist);
        assert_eq!(experiments.len(), 2 * 2 + 2 * 2);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let runs = threads.install(|| run_all(&experiments, &data, &cpu(), &())).unwrap();
        for (run, experiment) in runs.into_iter().zip(&experiments) {
            let mut engine = CpuEngine::new(&experiment.setup(&data));
            let alone = experiment.run(&mut engine, &data, &()).unwrap();
            assert_eq!(timeless(run), timeless(alone), "{}", experiment.name());
        }
    }

    #[test]
    fn an_interrupted_experiment_ends_the_others() {
        struct Interrupts;
        impl ExperimentListener for Interrupts {
            fn progress(&self, experiment: &Experiment, _: &EpochProgress) -> ControlFlow<()> {
                if experiment.seed == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }

            fn epoch(&self, _: &Experiment, _: &EpochRecord) {}
        }
        let data = data();
        let experiments = study(&data).experiments(PaperDataset::Mnist);
        let error = run_all(&experiments, &data, &cpu(), &Interrupts).unwrap_err();
        assert!(matches!(error, PaperError::Interrupted), "{error}");
    }
}
