//! Members of a population on threads of their own. The population is several CPU engines.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Conversion, Dataset, ImageSet};
use lenet_gpu::engine::{
    Engine, EngineError, Epoch, LayerOutput, Lockstep, MemberEpoch, OptimizerState, Population,
    SampleOutcome, Setup, Split, steps,
};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use lenet_gpu::train::{
    EpochProgress, EpochRecord, Listener, RunState, RunSummary, TrainError, TrainingConfig, train,
};

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH: usize = 16;

/// Several CPU engines.
struct CpuPopulation {
    members: Vec<CpuEngine>,
    images: Vec<(Split, Arc<ImageSet>)>,
    /// The trainings and evaluations so far.
    calls: Arc<Mutex<Vec<String>>>,
    fault: Fault,
}

/// What is special about a population.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The device fails when it trains for this time, counted from 0.
    Device(usize),
    /// The population panics when it trains.
    Panic,
    /// After its first step, this member does nothing until its observer ends the epoch.
    Endless(usize),
}

impl CpuPopulation {
    fn start(size: usize, fault: Fault) -> (Lockstep, Arc<Mutex<Vec<String>>>) {
        let calls = Arc::default();
        let members = (0..size).map(|_| CpuEngine::new(&setup())).collect();
        let population = Self { members, images: Vec::new(), calls: Arc::clone(&calls), fault };
        (Lockstep::start(Box::new(population)).unwrap(), calls)
    }
}

impl Population for CpuPopulation {
    fn name(&self) -> String {
        "CPU engines".to_owned()
    }

    fn size(&self) -> usize {
        self.members.len()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.images.push((split, Arc::clone(&images)));
        self.members.iter_mut().try_for_each(|member| member.load(split, Arc::clone(&images)))
    }

    fn set_setup(&mut self, member: usize, setup: &Setup) {
        let mut engine = CpuEngine::new(setup);
        for (split, images) in &self.images {
            engine.load(*split, Arc::clone(images)).unwrap();
        }
        // The state of the slot's former member remains.
        engine.set_parameters(&self.members[member].parameters().unwrap()).unwrap();
        engine.set_optimizer_state(&self.members[member].optimizer_state().unwrap()).unwrap();
        self.members[member] = engine;
    }

    fn parameters(&mut self, member: usize) -> Result<Vec<f32>, EngineError> {
        self.members[member].parameters()
    }

    fn set_parameters(&mut self, member: usize, arena: &[f32]) -> Result<(), EngineError> {
        self.members[member].set_parameters(arena)
    }

    fn optimizer_state(&mut self, member: usize) -> Result<OptimizerState, EngineError> {
        self.members[member].optimizer_state()
    }

    fn set_optimizer_state(&mut self, member: usize, state: &OptimizerState) -> Result<(), EngineError> {
        self.members[member].set_optimizer_state(state)
    }

    fn train(&mut self, epochs: &mut [MemberEpoch]) -> Result<Vec<Result<usize, EngineError>>, EngineError> {
        let members: Vec<_> = epochs.iter().map(|epoch| epoch.member).collect();
        let mut calls = self.calls.lock().unwrap();
        let trainings = calls.iter().filter(|call| call.starts_with("train")).count();
        calls.push(format!("train {members:?}"));
        drop(calls);
        assert!(self.fault != Fault::Panic, "this population panics");
        if self.fault == Fault::Device(trainings) {
            return Err(EngineError::Device("it was unplugged".to_owned()));
        }
        let mut trained = Vec::new();
        for MemberEpoch { member, epoch, observer } in epochs {
            let engine = &mut self.members[*member];
            if self.fault == Fault::Endless(*member) {
                let first = Epoch { steps: &epoch.steps[..1], ..*epoch };
                trained.push(engine.train(&first, observer));
                while observer(0, &[]).is_continue() {
                    thread::yield_now();
                }
            } else {
                trained.push(engine.train(epoch, observer));
            }
        }
        Ok(trained)
    }

    fn evaluate(&mut self, split: Split, members: &[usize]) -> Result<Vec<Vec<SampleOutcome>>, EngineError> {
        self.calls.lock().unwrap().push(format!("evaluate {split:?} {members:?}"));
        members.iter().map(|&member| self.members[member].evaluate(split)).collect()
    }

    fn log_probabilities(&mut self, member: usize, split: Split) -> Result<Vec<f32>, EngineError> {
        self.members[member].log_probabilities(split)
    }

    fn activations(&mut self, member: usize, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.members[member].activations(split)
    }
}

fn setup() -> Setup {
    Setup::new(NETWORK, BATCH)
}

fn config(seed: u64, epochs: f64) -> TrainingConfig {
    TrainingConfig { seed, epochs, batch_size: BATCH, ..TrainingConfig::default() }
}

fn images(count: usize) -> ImageSet {
    let pixels = (0..count * 28 * 28).map(|pixel| (pixel * 7919 % 251) as u8).collect();
    let labels = (0..count).map(|image| (image * 7 % 10) as u16).collect();
    ImageSet { channels: 1, height: 28, width: 28, pixels, labels }
}

fn data() -> Dataset {
    Dataset::from_image_sets("noise", images(48), images(10), Conversion::default()).unwrap()
}

fn run(
    engine: &mut dyn Engine,
    config: &TrainingConfig,
    listener: &mut dyn Listener,
) -> Result<RunSummary, TrainError> {
    let arena = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), config.seed);
    engine.set_parameters(&arena)?;
    train(engine, &data(), config, RunState::default(), listener)
}

/// The last record of a run, without its times.
fn result_of(summary: RunSummary) -> EpochRecord {
    EpochRecord { seconds: 0.0, images_per_second: 0.0, ..summary.last.unwrap() }
}

fn alone(config: &TrainingConfig) -> EpochRecord {
    result_of(run(&mut CpuEngine::new(&setup()), config, &mut ()).unwrap())
}

/// Runs each configuration as a member of a population of that size, all from the start.
fn together(
    lockstep: &Lockstep,
    configs: &[TrainingConfig],
) -> Vec<thread::Result<Result<RunSummary, TrainError>>> {
    let members: Vec<_> = configs.iter().map(|_| lockstep.member(&setup()).unwrap()).collect();
    thread::scope(|scope| {
        let run = |(mut member, config)| scope.spawn(move || run(&mut member, config, &mut ()));
        let threads: Vec<_> = members.into_iter().zip(configs).map(run).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    })
}

#[test]
fn members_train_and_evaluate_together_and_as_they_would_alone() {
    let (lockstep, calls) = CpuPopulation::start(3, Fault::None);
    let configs = [config(1, 1.0), config(2, 2.0), config(3, 1.5)];
    for (summary, config) in together(&lockstep, &configs).into_iter().zip(&configs) {
        assert_eq!(result_of(summary.unwrap().unwrap()), alone(config));
    }
    let expected = ["train [0, 1, 2]", "evaluate Test [0, 1, 2]", "train [1, 2]", "evaluate Test [1, 2]"]
        .map(str::to_owned);
    assert_eq!(*calls.lock().unwrap(), expected);
}

#[test]
fn a_member_in_a_freed_slot_begins_anew() {
    let (lockstep, _) = CpuPopulation::start(2, Fault::None);
    let workers =
        [vec![config(1, 1.0), config(2, 2.0), config(3, 1.0)], vec![config(4, 3.0), config(5, 1.0)]];
    thread::scope(|scope| {
        for configs in &workers {
            let lockstep = &lockstep;
            scope.spawn(move || {
                let _worker = lockstep.worker();
                for config in configs {
                    let mut member = lockstep.member(&setup()).unwrap();
                    let summary = run(&mut member, config, &mut ()).unwrap();
                    assert_eq!(result_of(summary), alone(config), "seed {}", config.seed);
                }
            });
        }
    });
}

#[test]
fn a_worker_without_members_does_not_hold_up_the_others_for_long() {
    let (lockstep, calls) = CpuPopulation::start(2, Fault::None);
    let _idle = lockstep.worker();
    let mut member = lockstep.member(&setup()).unwrap();
    run(&mut member, &config(1, 2.0), &mut ()).unwrap();
    assert_eq!(calls.lock().unwrap().len(), 4);
}

#[test]
fn an_observer_ends_only_the_epoch_of_its_own_member() {
    struct EndsAt(u64);
    impl Listener for EndsAt {
        fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
            if progress.images >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let (lockstep, _) = CpuPopulation::start(2, Fault::Endless(1));
    let [mut other, mut ended] = [(); 2].map(|()| lockstep.member(&setup()).unwrap());
    let (other, ended) = thread::scope(|scope| {
        let ended = scope.spawn(move || run(&mut ended, &config(2, 1.0), &mut EndsAt(BATCH as u64)).unwrap());
        let other = run(&mut other, &config(1, 1.0), &mut ()).unwrap();
        (other, ended.join().unwrap())
    });
    assert_eq!((ended.steps, ended.last), (1, None));
    assert_eq!(result_of(other), alone(&config(1, 1.0)));
}

#[test]
fn a_member_that_diverges_does_not_disturb_the_others() {
    let (lockstep, _) = CpuPopulation::start(2, Fault::None);
    let diverging = TrainingConfig { learning_rate: 1e38, ..config(1, 2.0) };
    let results = together(&lockstep, &[diverging, config(2, 2.0)]);
    let [diverged, other] = <[_; 2]>::try_from(results).ok().unwrap().map(Result::unwrap);
    assert!(diverged.unwrap_err().is_numeric());
    assert_eq!(result_of(other.unwrap()), alone(&config(2, 2.0)));
}

#[test]
fn a_failure_of_the_device_reaches_every_member() {
    for (fault, message) in [(Fault::Device(1), "it was unplugged"), (Fault::Panic, "has ended")] {
        let (lockstep, _) = CpuPopulation::start(3, fault);
        for result in together(&lockstep, &[config(1, 2.0), config(2, 2.0), config(3, 2.0)]) {
            let error = result.unwrap().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let error = lockstep.member(&setup()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_thread_that_panics_does_not_hold_up_the_others() {
    struct Panics;
    impl Listener for Panics {
        fn progress(&mut self, _: &EpochProgress) -> ControlFlow<()> {
            panic!("this listener panics")
        }
    }
    let (lockstep, _) = CpuPopulation::start(2, Fault::None);
    let [mut other, mut panicking] = [(); 2].map(|()| lockstep.member(&setup()).unwrap());
    let summary = thread::scope(|scope| {
        let panicked = scope.spawn(move || run(&mut panicking, &config(1, 2.0), &mut Panics).unwrap());
        let summary = run(&mut other, &config(2, 2.0), &mut ()).unwrap();
        assert!(panicked.join().is_err());
        summary
    });
    assert_eq!(result_of(summary), alone(&config(2, 2.0)));
    drop(other);
    // Its slot is free again.
    let mut next = lockstep.member(&setup()).unwrap();
    assert_eq!(result_of(run(&mut next, &config(3, 1.0), &mut ()).unwrap()), alone(&config(3, 1.0)));
}

#[test]
fn members_share_their_images() {
    let (lockstep, _) = CpuPopulation::start(2, Fault::None);
    let [mut first, mut second] = [(); 2].map(|()| lockstep.member(&setup()).unwrap());
    first.load(Split::Train, Arc::new(images(32))).unwrap();
    second.load(Split::Train, Arc::new(images(32))).unwrap();
    second.load(Split::Test, Arc::new(images(16))).unwrap();
    assert_eq!(second.activations(Split::Test).unwrap().len(), 7);
    assert_eq!(second.log_probabilities(Split::Test).unwrap().len(), 160);
    let message = thread::spawn(move || second.load(Split::Train, Arc::new(images(33)))).join().unwrap_err();
    assert_eq!(message.downcast_ref(), Some(&"all members of a population use the same images"));
    let order: Vec<u32> = (0..32).collect();
    let epoch_steps = steps(32, BATCH, 1e-3);
    let trained = first.train(&Epoch::new(&order, &epoch_steps), &mut |_, _| ControlFlow::Continue(()));
    assert_eq!(trained.unwrap(), 2);
}
