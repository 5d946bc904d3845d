//! The training loop, tested with an engine that computes nothing and records every call.
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use lenet_gpu::data::{self, Augmentation, Dataset, Fit, ImageSet, View};
use lenet_gpu::engine::{
    ClassWeights, Engine, EngineError, Epoch, LayerOutput, NonFinite, Observer, OptimizerState, PerSplit,
    SampleOutcome, Split, Step,
};
use lenet_gpu::train::{
    Divergence, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, RunOutcome, RunState,
    RunSummary, Schedule, Shape, Snapshot, StopReason, Stopping, TrainError, TrainingConfig, train,
    weights_hash,
};

/// A sample's outcome is a function of its index, and the only parameter is the number of steps done.
#[derive(Default)]
struct FakeEngine {
    splits: PerSplit<Arc<ImageSet>>,
    /// The order and the steps of each call.
    calls: Vec<(Vec<u32>, Vec<Step>)>,
    /// The views of each call.
    views: Vec<Option<Vec<View>>>,
    steps_done: usize,
    evaluations: usize,
    /// Number of steps computed after the observer breaks.
    ahead: usize,
    /// The sample whose loss is infinite.
    infinite_sample: Option<u32>,
    /// The number of steps after which losses are a million times as large.
    diverges_after: Option<usize>,
    fails: bool,
}

impl FakeEngine {
    fn outcome(&self, sample: u32) -> SampleOutcome {
        let factor =
            if self.diverges_after.is_some_and(|steps| self.steps_done >= steps) { 1e6 } else { 1.0 };
        let loss = if self.infinite_sample == Some(sample) { f32::INFINITY } else { factor * sample as f32 };
        SampleOutcome { loss, predicted: sample % 2 }
    }
}

impl Engine for FakeEngine {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.splits.set(split, images);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(vec![self.steps_done as f32])
    }

    fn set_parameters(&mut self, _: &[f32]) -> Result<(), EngineError> {
        Ok(())
    }

    fn log_probabilities(&mut self, _: Split) -> Result<Vec<f32>, EngineError> {
        unimplemented!("not used by the loop")
    }

    fn activations(&mut self, _: Split) -> Result<Vec<LayerOutput>, EngineError> {
        unimplemented!("not used by the loop")
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let step = self.steps_done as u64;
        Ok(OptimizerState { step, first_moment: Vec::new(), second_moment: Vec::new() })
    }

    fn set_optimizer_state(&mut self, _: &OptimizerState) -> Result<(), EngineError> {
        unimplemented!("not used by the loop")
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        let Epoch { order, steps, views, .. } = *epoch;
        self.views.push(views.map(<[View]>::to_vec));
        self.splits.get(Split::Train);
        self.calls.push((order.to_vec(), steps.to_vec()));
        let mut last = steps.len();
        for (number, step) in steps.iter().enumerate() {
            if number == last {
                break;
            }
            let outcomes: Vec<_> =
                order[step.first..][..step.count].iter().map(|&sample| self.outcome(sample)).collect();
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

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        self.evaluations += 1;
        let images = self.splits.get(split);
        Ok(images.labels.iter().map(|&label| SampleOutcome { loss: 0.5, predicted: label.into() }).collect())
    }
}

/// Records every call, and breaks or fails where a test requests it.
#[derive(Default)]
struct Recorder {
    progress: Vec<EpochProgress>,
    records: Vec<(EpochRecord, Vec<f32>)>,
    evaluations: Vec<ProgressEvaluation>,
    checkpoints: Vec<RunState>,
    divergences: Vec<Divergence>,
    /// The state at the end of each epoch.
    epoch_ends: Vec<RunState>,
    /// The number of images after which to break.
    break_at: Option<u64>,
    /// The epoch after which to break.
    break_after: Option<u64>,
    fails: bool,
}

impl Listener for Recorder {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        self.progress.push(*progress);
        match self.break_at {
            Some(images) if progress.images >= images => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.records.push((record.clone(), snapshot.parameters.to_vec()));
        self.epoch_ends.push(snapshot.state.clone());
        if self.fails {
            return Err(RunError::NotEmpty { path: PathBuf::from("somewhere") });
        }
        Ok(if self.break_after == Some(record.epoch) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    fn evaluated(&mut self, evaluation: &ProgressEvaluation) {
        self.evaluations.push(*evaluation);
    }

    fn diverged(&mut self, divergence: &Divergence) {
        self.divergences.push(*divergence);
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.checkpoints.push(snapshot.state.clone());
    }
}

const SAMPLES: usize = 25;

/// All labels are 0, so samples with an even index are classified correctly.
fn dataset() -> Dataset {
    let images = |samples: usize| {
        let (pixels, labels) = (vec![0; samples], vec![0; samples]);
        Arc::new(ImageSet { channels: 1, height: 1, width: 1, pixels, labels })
    };
    Dataset {
        name: "nothing".to_owned(),
        kind: None,
        classes: 2,
        class_names: None,
        fit: Fit::Pad,
        train: images(SAMPLES),
        validation: None,
        test: images(4),
    }
}

fn config(epochs: f64) -> TrainingConfig {
    TrainingConfig { epochs, batch_size: 10, learning_rate: 0.125, seed: 7, ..TrainingConfig::default() }
}

fn run(
    engine: &mut FakeEngine,
    config: &TrainingConfig,
    recorder: &mut Recorder,
) -> Result<RunSummary, TrainError> {
    train(engine, &dataset(), config, RunState::default(), recorder)
}

/// The samples that a call trained on, in order.
fn samples((order, steps): &(Vec<u32>, Vec<Step>)) -> Vec<u32> {
    steps.iter().flat_map(|step| &order[step.first..][..step.count]).copied().collect()
}

#[test]
fn each_epoch_sees_every_sample_once_and_a_partial_one_the_first_steps() {
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    let summary = run(&mut engine, &config(2.67), &mut recorder).unwrap();

    assert_eq!((summary.outcome, summary.steps), (RunOutcome::Finished, 8));
    let lengths: Vec<usize> = engine.calls.iter().map(|call| samples(call).len()).collect();
    assert_eq!(lengths, [25, 25, 20]);
    for call in &engine.calls[..2] {
        let mut seen = samples(call);
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..25));
    }
    let steps: Vec<(u64, u64)> =
        recorder.records.iter().map(|(record, _)| (record.epoch, record.step)).collect();
    assert_eq!(steps, [(1, 3), (2, 6), (3, 8)]);
}

#[test]
fn the_order_follows_from_seed_and_epoch() {
    let mut engine = FakeEngine::default();
    run(&mut engine, &config(2.0), &mut Recorder::default()).unwrap();
    for (epoch, (order, _)) in (0..).zip(&engine.calls) {
        assert_eq!(order, &data::order(SAMPLES, 7, epoch, true));
    }
    assert_ne!(engine.calls[0].0, engine.calls[1].0);

    let mut engine = FakeEngine::default();
    run(&mut engine, &TrainingConfig { shuffle: false, ..config(1.0) }, &mut Recorder::default()).unwrap();
    assert_eq!(samples(&engine.calls[0]), Vec::from_iter(0..25));
}

#[test]
fn a_record_holds_means_over_all_samples_and_the_final_weights() {
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    let summary = run(&mut engine, &config(1.0), &mut recorder).unwrap();
    let (record, parameters) = &recorder.records[0];
    // The losses are 0 to 24, and 13 of these indices are even.
    assert_eq!((record.train_loss, record.train_accuracy), (12.0, 0.52));
    assert_eq!((record.test_loss, record.test_accuracy), (0.5, 1.0));
    assert_eq!(record.lr, 0.125);
    assert_eq!(parameters, &[3.0]);
    assert_eq!(record.weights_hash, weights_hash(&[3.0]));
    assert!((record.images_per_second * record.seconds - 25.0).abs() < 1e-9);
    assert_eq!(summary.last.as_ref(), Some(record));
}

#[test]
fn progress_is_reported_for_every_step_in_order() {
    let mut recorder = Recorder::default();
    run(&mut FakeEngine::default(), &config(2.0), &mut recorder).unwrap();
    let reported: Vec<_> =
        recorder.progress.iter().map(|at| (at.epoch, at.tally.samples, at.images)).collect();
    assert_eq!(reported, [(1, 10, 10), (1, 20, 20), (1, 25, 25), (2, 10, 35), (2, 20, 45), (2, 25, 50)]);
}

#[test]
fn max_steps_ends_the_run_within_an_epoch() {
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    let summary =
        run(&mut engine, &TrainingConfig { max_steps: Some(4), ..config(3.0) }, &mut recorder).unwrap();
    assert_eq!(summary.steps, 4);
    assert_eq!(recorder.records.len(), 2);
    assert_eq!(samples(&engine.calls[1]).len(), 10);
}

#[test]
fn a_run_without_steps_neither_trains_nor_evaluates() {
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    let summary =
        run(&mut engine, &TrainingConfig { max_steps: Some(0), ..config(3.0) }, &mut recorder).unwrap();
    assert_eq!(
        summary,
        RunSummary {
            outcome: RunOutcome::Finished,
            steps: 0,
            seconds: 0.0,
            last: None,
            best: None,
            divergence: None,
        }
    );
    assert!(engine.calls.is_empty() && engine.evaluations == 0 && recorder.records.is_empty());
}

#[test]
fn a_break_ends_the_run_after_submitted_steps_without_a_record() {
    for ahead in [0, 1] {
        let mut engine = FakeEngine { ahead, ..FakeEngine::default() };
        let mut recorder = Recorder { break_at: Some(35), ..Recorder::default() };
        let summary = run(&mut engine, &config(3.0), &mut recorder).unwrap();
        assert_eq!((summary.outcome, summary.steps), (RunOutcome::Interrupted, 4 + ahead as u64));
        assert_eq!(recorder.records.len(), 1);
        assert_eq!(summary.last.unwrap().epoch, 1);
        assert_eq!(recorder.progress.last().unwrap().images, 35, "the listener is not called again");
    }
}

#[test]
fn a_resumed_run_trains_the_remaining_steps_and_reports_the_same() {
    let (mut uninterrupted, mut all_records) = (FakeEngine::default(), Recorder::default());
    let config = TrainingConfig { checkpoint_every: NonZeroU64::new(2), ..config(2.67) };
    let summary = run(&mut uninterrupted, &config, &mut all_records).unwrap();
    let all: Vec<u32> = uninterrupted.calls.iter().flat_map(samples).collect();

    for break_at in [10, 20, 25, 35, 45, 50, 60] {
        let (mut first, mut recorder) =
            (FakeEngine::default(), Recorder { break_at: Some(break_at), ..Recorder::default() });
        let interrupted = run(&mut first, &config, &mut recorder).unwrap();
        assert_eq!(interrupted.outcome, RunOutcome::Interrupted);
        let state = recorder.checkpoints.last().unwrap().clone();
        assert_eq!(state.step, interrupted.steps, "an interrupted run reports a checkpoint");

        let mut second = FakeEngine { steps_done: first.steps_done, ..FakeEngine::default() };
        let mut rest = Recorder::default();
        let resumed = train(&mut second, &dataset(), &config, state, &mut rest).unwrap();
        // The steps after the break were not done.
        let done: Vec<u32> = first.calls.iter().flat_map(samples).take(break_at as usize).collect();
        assert_eq!([done, second.calls.iter().flat_map(samples).collect()].concat(), all);
        assert_eq!((resumed.outcome, resumed.steps), (summary.outcome, summary.steps));
        let untimed = |recorder: &Recorder| -> Vec<_> {
            let untimed = |(record, _): &(EpochRecord, _)| EpochRecord {
                seconds: 0.0,
                images_per_second: 0.0,
                ..record.clone()
            };
            recorder.records.iter().map(untimed).collect()
        };
        assert_eq!([untimed(&recorder), untimed(&rest)].concat(), untimed(&all_records));
    }
}

#[test]
fn checkpoints_come_every_n_steps_but_not_at_the_end_of_an_epoch() {
    let mut recorder = Recorder::default();
    run(
        &mut FakeEngine::default(),
        &TrainingConfig { checkpoint_every: NonZeroU64::new(2), ..config(2.67) },
        &mut recorder,
    )
    .unwrap();
    let reported: Vec<_> =
        recorder.checkpoints.iter().map(|at| (at.step, at.epochs, at.tally.samples)).collect();
    // An epoch has 3 steps; at its end, the state comes with the record instead.
    assert_eq!(reported, [(2, 0, 20), (4, 1, 10)]);
}

#[test]
fn a_finished_or_stopped_run_does_not_continue() {
    let mut recorder = Recorder::default();
    run(&mut FakeEngine::default(), &config(1.0), &mut recorder).unwrap();
    let stopping = Stopping { train_accuracy: Some(52.0), ..Stopping::default() };
    for (config, outcome) in [
        (config(1.0), RunOutcome::Finished),
        (TrainingConfig { stopping, ..config(3.0) }, RunOutcome::Stopped(StopReason::TrainAccuracy(52.0))),
    ] {
        let mut engine = FakeEngine::default();
        let state = recorder.epoch_ends[0].clone();
        let summary = train(&mut engine, &dataset(), &config, state, &mut Recorder::default()).unwrap();
        assert_eq!((summary.outcome, engine.calls.len()), (outcome, 0));
        assert_eq!(summary.last.unwrap().epoch, 1);
    }
}

#[test]
fn a_loss_that_grows_by_orders_of_magnitude_is_reported_once_and_in_the_summary() {
    for every in [None, NonZeroU64::new(1)] {
        let config = TrainingConfig { shuffle: false, checkpoint_every: every, ..config(3.0) };
        let mut engine = FakeEngine { diverges_after: Some(4), ..FakeEngine::default() };
        let mut recorder = Recorder::default();
        let summary = run(&mut engine, &config, &mut recorder).unwrap();
        // The first step has samples 0 to 9, and the second epoch diverges in its second step.
        let of_samples = |sum: f64, count: f64| Divergence { initial_loss: 4.5, loss: sum / count };
        assert_eq!(recorder.divergences, [of_samples(45.0 + 145e6, 20.0)]);
        assert_eq!(summary.divergence, Some(of_samples(300e6, 25.0)));

        // A resumed run knows the loss of the first step.
        let mut resumed = Recorder::default();
        let state = recorder.epoch_ends[1].clone();
        let summary = train(&mut engine, &dataset(), &config, state, &mut resumed).unwrap();
        assert_eq!((resumed.divergences.len(), summary.divergence.is_some()), (1, true));
        assert_eq!(resumed.epoch_ends[0].initial_loss, Some(4.5));
    }
    let mut recorder = Recorder::default();
    let summary = run(&mut FakeEngine::default(), &config(3.0), &mut recorder).unwrap();
    assert_eq!((recorder.divergences, summary.divergence), (vec![], None));
}

#[test]
fn with_class_weights_the_training_loss_is_a_weighted_mean_and_the_test_loss_is_not() {
    let weights = ClassWeights::new(vec![0.5, 9.0]).unwrap();
    let config = TrainingConfig { class_weights: Some(weights), ..config(1.0) };
    let mut recorder = Recorder::default();
    run(&mut FakeEngine::default(), &config, &mut recorder).unwrap();
    // All labels are 0. The engine multiplies losses by the weights, the loop divides by them.
    let (record, _) = &recorder.records[0];
    assert_eq!((record.train_loss, record.test_loss, record.train_accuracy), (24.0, 0.5, 0.52));
}

#[test]
fn a_non_finite_loss_ends_the_run_and_names_its_sample() {
    let mut engine = FakeEngine { infinite_sample: Some(12), ..FakeEngine::default() };
    let mut recorder = Recorder::default();
    let error =
        run(&mut engine, &TrainingConfig { shuffle: false, ..config(3.0) }, &mut recorder).unwrap_err();
    assert!(matches!(error, TrainError::Engine(EngineError::NonFiniteLoss { sample: 12 })), "{error}");
    assert!(recorder.records.is_empty());
    assert_eq!(engine.steps_done, 2);
}

#[test]
fn an_engine_error_takes_precedence_over_a_non_finite_loss() {
    let mut engine = FakeEngine { infinite_sample: Some(12), fails: true, ..FakeEngine::default() };
    let error = run(&mut engine, &config(1.0), &mut Recorder::default()).unwrap_err();
    assert!(error.to_string().contains("conv1.weight"), "{error}");
}

#[test]
fn an_error_of_the_listener_ends_the_run() {
    let mut engine = FakeEngine::default();
    let error =
        run(&mut engine, &config(3.0), &mut Recorder { fails: true, ..Recorder::default() }).unwrap_err();
    assert!(matches!(error, TrainError::Run(_)), "{error}");
    assert_eq!(engine.calls.len(), 1);
}

#[test]
fn a_break_after_an_epoch_ends_the_run_with_its_record() {
    for epochs in [1.0, 3.0] {
        let (mut engine, mut recorder) =
            (FakeEngine::default(), Recorder { break_after: Some(1), ..Recorder::default() });
        let summary = run(&mut engine, &config(epochs), &mut recorder).unwrap();
        assert_eq!((summary.outcome, summary.steps), (RunOutcome::Interrupted, 3));
        assert_eq!(summary.last.unwrap().epoch, 1);
    }
}

#[test]
fn a_met_stopping_rule_ends_the_run_after_the_epoch() {
    // 13 of 25 training samples and all test samples are classified correctly.
    for (stopping, stop) in [
        (Stopping { train_accuracy: Some(52.0), ..Stopping::default() }, StopReason::TrainAccuracy(52.0)),
        (Stopping { test_accuracy: Some(100.0), ..Stopping::default() }, StopReason::TestAccuracy(100.0)),
    ] {
        let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
        let summary = run(&mut engine, &TrainingConfig { stopping, ..config(3.0) }, &mut recorder).unwrap();
        assert_eq!((summary.outcome, summary.steps), (RunOutcome::Stopped(stop), 3));
        assert_eq!(recorder.records.len(), 1);
    }
    let never = Stopping { train_accuracy: Some(52.1), ..Stopping::default() };
    let summary = run(
        &mut FakeEngine::default(),
        &TrainingConfig { stopping: never, ..config(3.0) },
        &mut Recorder::default(),
    );
    assert_eq!(summary.unwrap().outcome, RunOutcome::Finished);
}

#[test]
fn the_validation_split_is_evaluated_and_used_for_stopping() {
    let data = dataset().hold_out(0.2, 1);
    let stopping = Stopping { patience: Some(2), ..Stopping::default() };
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    let summary = train(
        &mut engine,
        &data,
        &TrainingConfig { stopping, ..config(9.0) },
        RunState::default(),
        &mut recorder,
    )
    .unwrap();
    // Its loss is constant, so the second and the third epoch do not lower it.
    assert_eq!(summary.outcome, RunOutcome::Stopped(StopReason::Patience(2)));
    assert_eq!((recorder.records.len(), engine.evaluations), (3, 6));
    let record = &recorder.records[0].0;
    assert_eq!((record.validation_loss, record.validation_accuracy), (Some(0.5), Some(1.0)));
    assert_eq!(samples(&engine.calls[0]).len(), 20);
}

#[test]
fn every_step_has_the_scheduled_learning_rate() {
    let schedule = Schedule { shape: Shape::Linear, ..Schedule::CONSTANT };
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    run(&mut engine, &TrainingConfig { schedule, ..config(2.0) }, &mut recorder).unwrap();
    let rates: Vec<f32> =
        engine.calls.iter().flat_map(|(_, steps)| steps.iter().map(|step| step.learning_rate)).collect();
    let expected: Vec<f32> = (0..6).map(|t| (0.125 * (1.0 - f64::from(t) / 6.0)) as f32).collect();
    assert_eq!(rates, expected);
    assert_eq!(recorder.records[1].0.lr, expected[5]);
}

#[test]
fn every_epoch_draws_new_augmentations() {
    let (mut engine, plain) = (FakeEngine::default(), config(2.0));
    let augmentation = Augmentation { shift: 2, flip: true, ..Augmentation::default() };
    run(&mut engine, &TrainingConfig { augmentation, ..plain.clone() }, &mut Recorder::default()).unwrap();
    for (epoch, (order, _)) in engine.calls.iter().enumerate() {
        assert_eq!(engine.views[epoch], augmentation.views(plain.seed, epoch as u64, order));
    }
    assert_ne!(engine.views[0], engine.views[1]);

    let mut still = FakeEngine::default();
    run(&mut still, &plain, &mut Recorder::default()).unwrap();
    assert_eq!(still.views, [None, None]);
    assert_eq!(still.calls, engine.calls, "augmentation must not affect order or steps");
}

#[test]
fn evaluations_within_an_epoch_do_not_change_its_results() {
    let (mut engine, mut recorder) = (FakeEngine::default(), Recorder::default());
    run(&mut engine, &TrainingConfig { evaluations_per_epoch: 2, ..config(2.0) }, &mut recorder).unwrap();
    let evaluations: Vec<_> =
        recorder.evaluations.iter().map(|at| (at.epoch, at.step, at.train.samples)).collect();
    assert_eq!(evaluations, [(1, 2, 20), (1, 3, 5), (2, 5, 20), (2, 6, 5)]);
    let record = &recorder.records[0].0;
    assert_eq!((record.train_loss, record.train_accuracy), (12.0, 0.52));
    let reported: Vec<_> = recorder.progress.iter().map(|at| at.images).collect();
    assert_eq!(reported, [10, 20, 25, 35, 45, 50]);
}
