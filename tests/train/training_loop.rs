//! The training loop, held against an engine that computes nothing and remembers everything.
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use lenet_gpu::data::{self, Augmentation, Dataset, Fit, ImageSet, View};
use lenet_gpu::engine::{
    Engine, EngineError, Epoch, NonFinite, Observer, OptimizerState, PerSplit, SampleOutcome, Split, Step,
};
use lenet_gpu::train::{
    Ending, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, RunState, RunSummary,
    Schedule, Shape, Snapshot, Stop, Stopping, TrainError, TrainingConfig, train, weights_hash,
};

/// Its outcomes are a function of the sample's place, and its one parameter is the number of steps done.
#[derive(Default)]
struct FakeEngine {
    parts: PerSplit<Arc<ImageSet>>,
    /// The order and the steps of each call.
    calls: Vec<(Vec<u32>, Vec<Step>)>,
    /// The views of each call.
    views: Vec<Option<Vec<View>>>,
    steps_done: usize,
    evaluations: usize,
    /// Steps that are computed ahead of what the observer has heard.
    ahead: usize,
    /// The place whose loss is infinite.
    broken_place: Option<u32>,
    fails: bool,
}

impl FakeEngine {
    fn outcome(&self, place: u32) -> SampleOutcome {
        let loss = if self.broken_place == Some(place) { f32::INFINITY } else { place as f32 };
        SampleOutcome { loss, predicted: place % 2 }
    }
}

impl Engine for FakeEngine {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn load(&mut self, part: Split, split: Arc<ImageSet>) -> Result<(), EngineError> {
        self.parts.set(part, split);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(vec![self.steps_done as f32])
    }

    fn set_parameters(&mut self, _: &[f32]) -> Result<(), EngineError> {
        Ok(())
    }

    fn log_probabilities(&mut self, _: Split) -> Result<Vec<f32>, EngineError> {
        unimplemented!("the loop does not ask for it")
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let step = self.steps_done as u64;
        Ok(OptimizerState { step, first_moment: Vec::new(), second_moment: Vec::new() })
    }

    fn set_optimizer_state(&mut self, _: &OptimizerState) -> Result<(), EngineError> {
        unimplemented!("the loop does not set it")
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        let Epoch { order, steps, views } = *epoch;
        self.views.push(views.map(<[View]>::to_vec));
        self.parts.get(Split::Train);
        self.calls.push((order.to_vec(), steps.to_vec()));
        let mut last = steps.len();
        for (number, step) in steps.iter().enumerate() {
            if number == last {
                break;
            }
            let outcomes: Vec<_> =
                order[step.first..][..step.count].iter().map(|&place| self.outcome(place)).collect();
            self.steps_done += 1;
            if observer(step.first, &outcomes).is_break() {
                last = last.min(number + 1 + self.ahead);
            }
        }
        if self.fails {
            let (tensor, what) = ("conv1.weight", NonFinite::Gradient);
            return Err(EngineError::NonFinite { tensor, what, step: 3 });
        }
        Ok(last)
    }

    fn evaluate(&mut self, part: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        self.evaluations += 1;
        let split = self.parts.get(part);
        Ok(split.labels.iter().map(|&label| SampleOutcome { loss: 0.5, predicted: label.into() }).collect())
    }
}

/// Remembers what it hears, and breaks when it has heard so many images.
#[derive(Default)]
struct Ear {
    heard: Vec<EpochProgress>,
    records: Vec<(EpochRecord, Vec<f32>)>,
    probes: Vec<ProgressEvaluation>,
    checkpoints: Vec<RunState>,
    /// Where the run stands at each epoch's end.
    ends: Vec<RunState>,
    break_at: Option<u64>,
    /// The epoch whose record is answered by a break.
    break_after: Option<u64>,
    fails: bool,
}

impl Listener for Ear {
    fn so_far(&mut self, so_far: &EpochProgress) -> ControlFlow<()> {
        self.heard.push(*so_far);
        match self.break_at {
            Some(images) if so_far.images >= images => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.records.push((record.clone(), snapshot.parameters.to_vec()));
        self.ends.push(snapshot.standing.clone());
        if self.fails {
            return Err(RunError::NotEmpty { path: PathBuf::from("somewhere") });
        }
        Ok(if self.break_after == Some(record.epoch) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    fn probe(&mut self, probe: &ProgressEvaluation) {
        self.probes.push(*probe);
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.checkpoints.push(snapshot.standing.clone());
    }
}

const SAMPLES: usize = 25;

/// The label of every sample is 0, so that samples at even places are found.
fn dataset() -> Dataset {
    let split = |samples: usize| {
        let (pixels, labels) = (vec![0; samples], vec![0; samples]);
        Arc::new(ImageSet { channels: 1, height: 1, width: 1, pixels, labels })
    };
    Dataset {
        name: "nothing".to_owned(),
        classes: 2,
        class_names: None,
        fit: Fit::Pad,
        train: split(SAMPLES),
        validation: None,
        test: split(4),
    }
}

fn plan(epochs: f64) -> TrainingConfig {
    TrainingConfig { epochs, batch_size: 10, learning_rate: 0.125, seed: 7, ..TrainingConfig::default() }
}

fn run(engine: &mut FakeEngine, plan: &TrainingConfig, ear: &mut Ear) -> Result<RunSummary, TrainError> {
    train(engine, &dataset(), plan, RunState::default(), ear)
}

/// The places that a call trained on.
fn seen((order, steps): &(Vec<u32>, Vec<Step>)) -> Vec<u32> {
    steps.iter().flat_map(|step| &order[step.first..][..step.count]).copied().collect()
}

#[test]
fn whole_epochs_see_each_sample_once_and_the_last_only_its_first_steps() {
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    let report = run(&mut engine, &plan(2.67), &mut ear).unwrap();

    assert_eq!((report.ending, report.steps), (Ending::Finished, 8));
    let lengths: Vec<usize> = engine.calls.iter().map(|call| seen(call).len()).collect();
    assert_eq!(lengths, [25, 25, 20]);
    for call in &engine.calls[..2] {
        let mut places = seen(call);
        places.sort_unstable();
        assert_eq!(places, Vec::from_iter(0..25));
    }
    let steps: Vec<(u64, u64)> = ear.records.iter().map(|(record, _)| (record.epoch, record.step)).collect();
    assert_eq!(steps, [(1, 3), (2, 6), (3, 8)]);
}

#[test]
fn each_epoch_has_the_order_that_seed_and_epoch_decide() {
    let mut engine = FakeEngine::default();
    run(&mut engine, &plan(2.0), &mut Ear::default()).unwrap();
    for (epoch, (order, _)) in (0..).zip(&engine.calls) {
        assert_eq!(order, &data::order(SAMPLES, 7, epoch, true));
    }
    assert_ne!(engine.calls[0].0, engine.calls[1].0);

    let mut engine = FakeEngine::default();
    run(&mut engine, &TrainingConfig { shuffle: false, ..plan(1.0) }, &mut Ear::default()).unwrap();
    assert_eq!(seen(&engine.calls[0]), Vec::from_iter(0..25));
}

#[test]
fn a_record_holds_means_over_all_samples_and_the_weights_at_the_epochs_end() {
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    let report = run(&mut engine, &plan(1.0), &mut ear).unwrap();
    let (record, parameters) = &ear.records[0];
    // The losses are 0 to 24, and 13 of these places are even.
    assert_eq!((record.train_loss, record.train_accuracy), (12.0, 0.52));
    assert_eq!((record.test_loss, record.test_accuracy), (0.5, 1.0));
    assert_eq!(record.lr, 0.125);
    assert_eq!(parameters, &[3.0]);
    assert_eq!(record.weights_hash, weights_hash(&[3.0]));
    assert!((record.images_per_second * record.seconds - 25.0).abs() < 1e-9);
    assert_eq!(report.last.as_ref(), Some(record));
}

#[test]
fn the_listener_hears_of_every_step_in_order() {
    let mut ear = Ear::default();
    run(&mut FakeEngine::default(), &plan(2.0), &mut ear).unwrap();
    let heard: Vec<_> = ear.heard.iter().map(|so| (so.epoch, so.tally.samples, so.images)).collect();
    assert_eq!(heard, [(1, 10, 10), (1, 20, 20), (1, 25, 25), (2, 10, 35), (2, 20, 45), (2, 25, 50)]);
}

#[test]
fn the_limit_of_steps_cuts_an_epoch() {
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    let report = run(&mut engine, &TrainingConfig { max_steps: Some(4), ..plan(3.0) }, &mut ear).unwrap();
    assert_eq!(report.steps, 4);
    assert_eq!(ear.records.len(), 2);
    assert_eq!(seen(&engine.calls[1]).len(), 10);
}

#[test]
fn a_run_of_no_steps_neither_trains_nor_evaluates() {
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    let report = run(&mut engine, &TrainingConfig { max_steps: Some(0), ..plan(3.0) }, &mut ear).unwrap();
    assert_eq!(
        report,
        RunSummary { ending: Ending::Finished, steps: 0, seconds: 0.0, last: None, best: None }
    );
    assert!(engine.calls.is_empty() && engine.evaluations == 0 && ear.records.is_empty());
}

#[test]
fn breaking_ends_the_run_after_the_steps_under_way_and_without_a_record() {
    for ahead in [0, 1] {
        let mut engine = FakeEngine { ahead, ..FakeEngine::default() };
        let mut ear = Ear { break_at: Some(35), ..Ear::default() };
        let report = run(&mut engine, &plan(3.0), &mut ear).unwrap();
        assert_eq!((report.ending, report.steps), (Ending::Interrupted, 4 + ahead as u64));
        assert_eq!(ear.records.len(), 1);
        assert_eq!(report.last.unwrap().epoch, 1);
        assert_eq!(ear.heard.last().unwrap().images, 35, "the listener is not asked again");
    }
}

#[test]
fn a_run_that_goes_on_from_where_it_was_broken_off_sees_the_rest_and_tells_the_same() {
    let (mut whole, mut whole_ear) = (FakeEngine::default(), Ear::default());
    let plan = TrainingConfig { checkpoint_every: NonZeroU64::new(2), ..plan(2.67) };
    let report = run(&mut whole, &plan, &mut whole_ear).unwrap();
    let all: Vec<u32> = whole.calls.iter().flat_map(seen).collect();

    for break_at in [10, 20, 25, 35, 45, 50, 60] {
        let (mut first, mut ear) =
            (FakeEngine::default(), Ear { break_at: Some(break_at), ..Ear::default() });
        let broken = run(&mut first, &plan, &mut ear).unwrap();
        assert_eq!(broken.ending, Ending::Interrupted);
        let standing = ear.checkpoints.last().unwrap().clone();
        assert_eq!(standing.step, broken.steps, "where it was broken off, it can be kept");

        let mut second = FakeEngine { steps_done: first.steps_done, ..FakeEngine::default() };
        let mut rest = Ear::default();
        let ended = train(&mut second, &dataset(), &plan, standing, &mut rest).unwrap();
        // Of a call that was broken off, the steps after the break were not done.
        let done: Vec<u32> = first.calls.iter().flat_map(seen).take(break_at as usize).collect();
        assert_eq!([done, second.calls.iter().flat_map(seen).collect()].concat(), all);
        assert_eq!((ended.ending, ended.steps), (report.ending, report.steps));
        let told = |ear: &Ear| -> Vec<_> {
            let told = |(record, _): &(EpochRecord, _)| EpochRecord {
                seconds: 0.0,
                images_per_second: 0.0,
                ..record.clone()
            };
            ear.records.iter().map(told).collect()
        };
        assert_eq!([told(&ear), told(&rest)].concat(), told(&whole_ear));
    }
}

#[test]
fn a_run_can_be_kept_every_so_many_steps_and_at_no_epochs_end() {
    let mut ear = Ear::default();
    run(
        &mut FakeEngine::default(),
        &TrainingConfig { checkpoint_every: NonZeroU64::new(2), ..plan(2.67) },
        &mut ear,
    )
    .unwrap();
    let kept: Vec<_> = ear.checkpoints.iter().map(|at| (at.step, at.epochs, at.tally.samples)).collect();
    // An epoch has 3 steps; at its end there is a record, which keeps it.
    assert_eq!(kept, [(2, 0, 20), (4, 1, 10)]);
}

#[test]
fn a_run_that_has_met_its_rule_or_its_end_does_not_go_on() {
    let mut ear = Ear::default();
    run(&mut FakeEngine::default(), &plan(1.0), &mut ear).unwrap();
    let stopping = Stopping { train_accuracy: Some(52.0), ..Stopping::default() };
    for (plan, ending) in [
        (plan(1.0), Ending::Finished),
        (TrainingConfig { stopping, ..plan(3.0) }, Ending::Stopped(Stop::TrainAccuracy(52.0))),
    ] {
        let mut engine = FakeEngine::default();
        let report = train(&mut engine, &dataset(), &plan, ear.ends[0].clone(), &mut Ear::default()).unwrap();
        assert_eq!((report.ending, engine.calls.len()), (ending, 0));
        assert_eq!(report.last.unwrap().epoch, 1);
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_names_its_sample() {
    let mut engine = FakeEngine { broken_place: Some(12), ..FakeEngine::default() };
    let mut ear = Ear::default();
    let error = run(&mut engine, &TrainingConfig { shuffle: false, ..plan(3.0) }, &mut ear).unwrap_err();
    assert!(matches!(error, TrainError::Engine(EngineError::NonFiniteLoss { sample: 12 })), "{error}");
    assert!(ear.records.is_empty());
    assert_eq!(engine.steps_done, 2);
}

#[test]
fn an_engine_that_names_the_tensor_is_believed_before_the_loss() {
    let mut engine = FakeEngine { broken_place: Some(12), fails: true, ..FakeEngine::default() };
    let error = run(&mut engine, &plan(1.0), &mut Ear::default()).unwrap_err();
    assert!(error.to_string().contains("conv1.weight"), "{error}");
}

#[test]
fn a_record_that_cannot_be_kept_ends_the_run() {
    let mut engine = FakeEngine::default();
    let error = run(&mut engine, &plan(3.0), &mut Ear { fails: true, ..Ear::default() }).unwrap_err();
    assert!(matches!(error, TrainError::Run(_)), "{error}");
    assert_eq!(engine.calls.len(), 1);
}

#[test]
fn an_interruption_during_an_evaluation_ends_the_run_with_the_epoch_kept() {
    for epochs in [1.0, 3.0] {
        let (mut engine, mut ear) = (FakeEngine::default(), Ear { break_after: Some(1), ..Ear::default() });
        let report = run(&mut engine, &plan(epochs), &mut ear).unwrap();
        assert_eq!((report.ending, report.steps), (Ending::Interrupted, 3));
        assert_eq!(report.last.unwrap().epoch, 1);
    }
}

#[test]
fn a_stopping_rule_that_is_met_ends_the_run_after_the_epoch() {
    // 13 of 25 samples are found in training, all of those to test with.
    for (stopping, stop) in [
        (Stopping { train_accuracy: Some(52.0), ..Stopping::default() }, Stop::TrainAccuracy(52.0)),
        (Stopping { test_accuracy: Some(100.0), ..Stopping::default() }, Stop::TestAccuracy(100.0)),
    ] {
        let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
        let report = run(&mut engine, &TrainingConfig { stopping, ..plan(3.0) }, &mut ear).unwrap();
        assert_eq!((report.ending, report.steps), (Ending::Stopped(stop), 3));
        assert_eq!(ear.records.len(), 1);
    }
    let never = Stopping { train_accuracy: Some(52.1), ..Stopping::default() };
    let report = run(
        &mut FakeEngine::default(),
        &TrainingConfig { stopping: never, ..plan(3.0) },
        &mut Ear::default(),
    );
    assert_eq!(report.unwrap().ending, Ending::Finished);
}

#[test]
fn a_validation_part_is_evaluated_and_watched() {
    let data = dataset().hold_out(0.2, 1);
    let stopping = Stopping { patience: Some(2), ..Stopping::default() };
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    let report =
        train(&mut engine, &data, &TrainingConfig { stopping, ..plan(9.0) }, RunState::default(), &mut ear)
            .unwrap();
    // Its loss is always the same, so the second and the third epoch bring nothing lower.
    assert_eq!(report.ending, Ending::Stopped(Stop::Patience(2)));
    assert_eq!((ear.records.len(), engine.evaluations), (3, 6));
    let record = &ear.records[0].0;
    assert_eq!((record.validation_loss, record.validation_accuracy), (Some(0.5), Some(1.0)));
    assert_eq!(seen(&engine.calls[0]).len(), 20);
}

#[test]
fn every_step_has_the_rate_of_its_place_in_the_run() {
    let schedule = Schedule { shape: Shape::Linear, ..Schedule::CONSTANT };
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    run(&mut engine, &TrainingConfig { schedule, ..plan(2.0) }, &mut ear).unwrap();
    let rates: Vec<f32> =
        engine.calls.iter().flat_map(|(_, steps)| steps.iter().map(|step| step.learning_rate)).collect();
    let expected: Vec<f32> = (0..6).map(|t| (0.125 * (1.0 - f64::from(t) / 6.0)) as f32).collect();
    assert_eq!(rates, expected);
    assert_eq!(ear.records[1].0.lr, expected[5]);
}

#[test]
fn every_epoch_sees_its_samples_anew() {
    let (mut engine, plain) = (FakeEngine::default(), plan(2.0));
    let augmentation = Augmentation { shift: 2, flip: true, ..Augmentation::default() };
    run(&mut engine, &TrainingConfig { augmentation, ..plain.clone() }, &mut Ear::default()).unwrap();
    for (epoch, (order, _)) in engine.calls.iter().enumerate() {
        assert_eq!(engine.views[epoch], augmentation.views(plain.seed, epoch as u64, order));
    }
    assert_ne!(engine.views[0], engine.views[1]);

    let mut still = FakeEngine::default();
    run(&mut still, &plain, &mut Ear::default()).unwrap();
    assert_eq!(still.views, [None, None]);
    assert_eq!(still.calls, engine.calls, "views change neither the order nor the steps");
}

#[test]
fn probes_cut_an_epoch_without_changing_what_it_comes_to() {
    let (mut engine, mut ear) = (FakeEngine::default(), Ear::default());
    run(&mut engine, &TrainingConfig { probes: 2, ..plan(2.0) }, &mut ear).unwrap();
    let probes: Vec<_> =
        ear.probes.iter().map(|probe| (probe.epoch, probe.step, probe.train.samples)).collect();
    assert_eq!(probes, [(1, 2, 20), (1, 3, 5), (2, 5, 20), (2, 6, 5)]);
    let record = &ear.records[0].0;
    assert_eq!((record.train_loss, record.train_accuracy), (12.0, 0.52));
    let heard: Vec<_> = ear.heard.iter().map(|so| so.images).collect();
    assert_eq!(heard, [10, 20, 25, 35, 45, 50]);
}
