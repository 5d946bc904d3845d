//! Data-parallel training: any number of ranks trains the same bits as one process. The ranks are threads here; tests/mpi
//! has processes.
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Augmentation, Conversion, Dataset};
use lenet_gpu::engine::{ClassWeights, Engine, Loss, Optimizer, OptimizerState, Rule, Setup, Sgd};
use lenet_gpu::model::{Frozen, Init, LeNet5, ParameterTable};
use lenet_gpu::ranks::{Agreed, Ranks, Single, threads};
use lenet_gpu::train::{
    EpochProgress, EpochRecord, Listener, RunError, RunOutcome, RunState, RunSummary, Snapshot, TrainError,
    TrainingConfig, train,
};

/// What a run has computed, without times.
#[derive(Debug, Clone, PartialEq)]
struct Bits {
    parameters: Vec<f32>,
    optimizer: OptimizerState,
    steps: u64,
    last: Option<EpochRecord>,
}

#[derive(Clone)]
struct Run {
    setup: Setup,
    config: TrainingConfig,
    data: Dataset,
}

impl Run {
    fn new(batch_size: usize, images: usize) -> Self {
        let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
        Self {
            setup: Setup::new(LeNet5::new(1, 10), batch_size),
            config: TrainingConfig { batch_size, epochs: 2.0, ..TrainingConfig::default() },
            data: mnist.limited(NonZero::new(images), NonZero::new(150)),
        }
    }

    fn engine(&self) -> CpuEngine {
        let mut engine = CpuEngine::new(&self.setup);
        let table = ParameterTable::new(&self.setup.network);
        engine.set_parameters(&Init::Pytorch.arena(&table, self.config.seed)).unwrap();
        engine
    }

    /// Trains one rank.
    fn rank(
        &self,
        mut engine: CpuEngine,
        ranks: Arc<dyn Ranks>,
        state: RunState,
        listener: &mut dyn Listener,
    ) -> (Result<RunSummary, TrainError>, Bits) {
        engine.set_ranks(Arc::clone(&ranks)).unwrap();
        let mut agreed = Agreed::new(&*ranks, listener);
        let summary = train(&mut engine, &self.data, &self.config, state, &mut agreed);
        let (steps, last) = summary.as_ref().map_or((0, None), |summary| {
            let untimed =
                |record: &EpochRecord| EpochRecord { seconds: 0.0, images_per_second: 0.0, ..record.clone() };
            (summary.steps, summary.last.as_ref().map(untimed))
        });
        let (parameters, optimizer) = (engine.parameters().unwrap(), engine.optimizer_state().unwrap());
        (summary, Bits { parameters, optimizer, steps, last })
    }

    /// Trains on threads as ranks, and checks that all have the same result.
    fn on(&self, size: usize) -> Bits {
        let all = in_threads(size, |ranks| {
            let (summary, bits) = self.rank(self.engine(), ranks, RunState::default(), &mut ());
            summary.unwrap();
            bits
        });
        assert!(all.iter().all(|bits| *bits == all[0]), "the ranks differ");
        all[0].clone()
    }

    fn alone(&self) -> Bits {
        let single = Arc::new(Single::default());
        self.rank(self.engine(), single, RunState::default(), &mut ()).1
    }

    fn check(&self, sizes: &[usize]) {
        let alone = self.alone();
        assert!(alone.last.is_some());
        for &size in sizes {
            assert!(self.on(size) == alone, "{size} ranks");
        }
    }
}

/// Calls `work` for each of `size` ranks on a thread of its own.
fn in_threads<T: Send>(size: usize, work: impl Fn(Arc<dyn Ranks>) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> =
            threads(size).into_iter().map(|ranks| scope.spawn(move || work(Arc::new(ranks)))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn any_number_of_ranks_trains_the_same_bits() {
    // 6 micro-batches, and a smaller last step.
    Run::new(700, 1500).check(&[1, 2, 3, 4, 7]);
}

#[test]
fn a_step_with_fewer_micro_batches_than_ranks_has_the_same_bits() {
    Run::new(200, 500).check(&[4]);
    Run::new(64, 128).check(&[3]);
}

#[test]
fn ranks_train_augmented_and_weighted_images_with_momentum() {
    let mut run = Run::new(600, 1200);
    run.setup.augmented = true;
    run.setup.class_weighted = true;
    run.setup.optimizer = Optimizer {
        rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: true }),
        weight_decay: 1e-3,
        ..Optimizer::default()
    };
    run.setup.loss = Loss { label_smoothing: 0.1, ..Loss::default() };
    run.config.augmentation = Augmentation { rotate: 10.0, ..Augmentation::default() };
    run.config.class_weights = Some(ClassWeights::new((1..=10).map(|class| class as f32).collect()).unwrap());
    run.check(&[2, 3]);
}

#[test]
fn running_statistics_follow_the_order_of_the_micro_batches() {
    // Micro-batches of batch normalisation have up to 1,024 images.
    let mut run = Run::new(2100, 2101);
    run.config.epochs = 1.0;
    run.setup.network.batch_norm = true;
    run.check(&[2, 3]);
    run.setup.optimizer.frozen = Frozen::Conv;
    run.check(&[2]);
}

/// Breaks when a number of images has been trained.
struct StopAfter(u64, Option<(RunState, Vec<f32>, OptimizerState)>);

impl Listener for StopAfter {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        if progress.images >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.1 = Some((snapshot.state.clone(), snapshot.parameters.to_vec(), snapshot.optimizer.clone()));
    }
}

#[test]
fn all_ranks_stop_where_one_is_interrupted_and_another_number_resumes() {
    let run = Run::new(300, 1200);
    let stopped = in_threads(3, |ranks| {
        let images = if ranks.rank() == 1 { 600 } else { u64::MAX };
        let mut listener = StopAfter(images, None);
        let (summary, bits) = run.rank(run.engine(), ranks, RunState::default(), &mut listener);
        assert_eq!(summary.unwrap().outcome, RunOutcome::Interrupted);
        (bits, listener.1.unwrap())
    });
    assert!(stopped.iter().all(|(bits, _)| bits.steps == 2 && *bits == stopped[0].0));

    let (_, (state, parameters, optimizer)) = &stopped[0];
    let resumed = in_threads(2, |ranks| {
        let mut engine = run.engine();
        engine.set_parameters(parameters).unwrap();
        engine.set_optimizer_state(optimizer).unwrap();
        run.rank(engine, ranks, state.clone(), &mut ()).1
    });
    let alone = run.alone();
    assert!(resumed.iter().all(|bits| *bits == alone));
}

/// Fails after the first epoch.
struct FailingDisk;

impl Listener for FailingDisk {
    fn epoch(&mut self, _: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        Err(RunError::NoRun { path: "gone".into() })
    }
}

#[test]
fn an_error_of_one_rank_ends_the_run_of_all() {
    let run = Run::new(300, 600);
    let ended = in_threads(2, |ranks| match ranks.rank() {
        0 => run.rank(run.engine(), ranks, RunState::default(), &mut FailingDisk).0,
        _ => run.rank(run.engine(), ranks, RunState::default(), &mut ()).0,
    });
    assert!(matches!(ended[0], Err(TrainError::Run(RunError::NoRun { .. }))), "{:?}", ended[0]);
    assert!(matches!(&ended[1], Ok(summary) if summary.outcome == RunOutcome::Interrupted), "{:?}", ended[1]);
}

#[test]
fn ranks_with_other_weights_are_found_after_the_epoch() {
    let run = Run::new(300, 600);
    let ended = in_threads(3, |ranks| {
        let mut engine = run.engine();
        if ranks.rank() == 2 {
            let mut parameters = engine.parameters().unwrap();
            parameters[7] += 0.125;
            engine.set_parameters(&parameters).unwrap();
        }
        run.rank(engine, ranks, RunState::default(), &mut ()).0
    });
    for ended in ended {
        assert!(
            matches!(ended, Err(TrainError::Run(RunError::OtherWeights { rank: 2, epoch: 1 }))),
            "{ended:?}"
        );
    }
}

#[test]
fn a_gradient_that_is_not_finite_ends_the_run_of_all_ranks_with_the_error_of_one_process() {
    let mut run = Run::new(300, 300);
    run.config.learning_rate = 1e38;
    let alone = run.rank(run.engine(), Arc::new(Single::default()), RunState::default(), &mut ()).0;
    let alone = alone.unwrap_err().to_string();
    for ended in in_threads(2, |ranks| run.rank(run.engine(), ranks, RunState::default(), &mut ()).0) {
        assert_eq!(ended.unwrap_err().to_string(), alone);
    }
}
