//! The loop: epochs of steps, an evaluation after each.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::{EpochRecord, RunError, RunState, Snapshot, Stop, Tally, TrainingConfig, weights_hash};
use crate::data::{self, Dataset, ImageSet};
use crate::engine::{Engine, EngineError, Epoch, SampleOutcome, Split};
use crate::model::Selection;

/// Who is told how a run goes.
pub trait Listener {
    /// More steps' outcomes are known. Breaking ends the run after the steps under way.
    fn so_far(&mut self, so_far: &EpochProgress) -> ControlFlow<()>;

    /// An epoch is trained and evaluated; the run stands as it ended. Breaking ends the run.
    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError>;

    /// The run stands within an epoch: as often as the plan has it, and where the run was broken off.
    fn checkpoint(&mut self, _snapshot: &Snapshot) {}

    /// One of the plan's probes of an epoch is taken; the last one comes before [`Self::epoch`].
    fn probe(&mut self, _probe: &ProgressEvaluation) {}
}

/// How an epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochProgress {
    /// Counted from 1.
    pub epoch: u64,
    /// Images trained on since the run began.
    pub images: u64,
    /// The epoch's outcomes.
    pub tally: Tally,
    /// Since the epoch began.
    pub seconds: f64,
}

/// A look at how training goes, within an epoch or at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProgressEvaluation {
    /// Counted from 1.
    pub epoch: u64,
    /// Steps done since the run began.
    pub step: u64,
    /// The steps since the last probe, each with the weights of its own.
    pub train: Tally,
    /// The whole test part, with the weights as they are now.
    pub test: Tally,
}

/// How a run ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// The plan's stopping rule ended it.
    Stopped(Stop),
    /// The listener broke off.
    Interrupted,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training alone.
    pub seconds: f64,
    /// The last epoch that was evaluated; none where no step was to be done or the first was broken off.
    pub last: Option<EpochRecord>,
    /// The best epoch.
    pub best: Option<Selection>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl TrainError {
    /// Whether the numbers went wrong, and so would again from where the run stands.
    pub fn is_numeric(&self) -> bool {
        use EngineError::{NonFinite, NonFiniteEvaluation, NonFiniteLoss};
        matches!(self, Self::Engine(NonFinite { .. } | NonFiniteLoss { .. } | NonFiniteEvaluation { .. }))
    }
}

/// Trains as the plan says, from the parameters and the optimizer's state that the engine holds, and from where the
/// run stands: a new one from [`RunState::default`]. One that is taken up again where it was left comes to the same
/// bits as one that never was left.
pub fn train(
    engine: &mut dyn Engine,
    data: &Dataset,
    plan: &TrainingConfig,
    mut standing: RunState,
    listener: &mut dyn Listener,
) -> Result<RunSummary, TrainError> {
    engine.load(Split::Train, Arc::clone(&data.train))?;
    engine.load(Split::Test, Arc::clone(&data.test))?;
    if let Some(validation) = &data.validation {
        engine.load(Split::Validation, Arc::clone(validation))?;
    }
    loop {
        if let Some(stop) = standing.stop(&plan.stopping) {
            return Ok(RunSummary::of(standing, Ending::Stopped(stop)));
        }
        match one_epoch(engine, data, plan, &mut standing, listener)? {
            None => {}
            Some(ending) => return Ok(RunSummary::of(standing, ending)),
        }
    }
}

impl RunSummary {
    fn of(standing: RunState, ending: Ending) -> Self {
        let RunState { step, seconds, last, best, .. } = standing;
        Self { ending, steps: step, seconds, last, best }
    }
}

/// Trains what is left of an epoch and evaluates it. Tells how the run ended, if it did.
fn one_epoch(
    engine: &mut dyn Engine,
    data: &Dataset,
    plan: &TrainingConfig,
    standing: &mut RunState,
    listener: &mut dyn Listener,
) -> Result<Option<Ending>, TrainError> {
    let samples = data.train.len();
    let (epoch, begun) = (standing.epochs + 1, standing.epochs * plan.steps_per_epoch(samples));
    let steps = plan.epoch_steps(samples, begun);
    let Some(last_step) = steps.last() else { return Ok(Some(Ending::Finished)) };
    let order = data::order(samples, plan.seed, epoch - 1, plan.shuffle);
    let views = plan.augmentation.views(plan.seed, epoch - 1, &order);

    let images = standing.epochs * samples as u64;
    let mut done = (standing.step - begun) as usize;
    let mut probed = Tally::default();
    while done < steps.len() {
        let pause = plan.pause_after(begun, done, steps.len());
        let part = Epoch { order: &order, views: views.as_deref(), steps: &steps[done..pause] };
        let pass = one_pass(engine, &data.train.labels, &part, |so_far, elapsed| {
            let (tally, seconds) = (standing.tally.plus(&so_far), standing.epoch_seconds + elapsed);
            listener.so_far(&EpochProgress { epoch, images: images + tally.samples as u64, tally, seconds })
        })?;
        done += pass.steps;
        standing.step += pass.steps as u64;
        standing.tally = standing.tally.plus(&pass.tally);
        standing.epoch_seconds += pass.seconds;
        standing.seconds += pass.seconds;
        probed = probed.plus(&pass.tally);

        if pass.broken_off {
            checkpoint(engine, standing, listener)?;
            return Ok(Some(Ending::Interrupted));
        }
        if done < steps.len() && done.is_multiple_of(plan.probe_interval(steps.len())) {
            let test = evaluate(engine, Split::Test, &data.test)?;
            let train = std::mem::take(&mut probed);
            listener.probe(&ProgressEvaluation { epoch, step: standing.step, train, test });
        }
        if done < steps.len() && plan.checkpoint_every.is_some_and(|every| standing.step % every == 0) {
            checkpoint(engine, standing, listener)?;
        }
    }

    let test = evaluate(engine, Split::Test, &data.test)?;
    listener.probe(&ProgressEvaluation { epoch, step: standing.step, train: probed, test });
    let validation = match &data.validation {
        Some(split) => Some(evaluate(engine, Split::Validation, split)?),
        None => None,
    };
    let (parameters, optimizer) = (engine.parameters()?, engine.optimizer_state()?);
    let RunState { tally, epoch_seconds: seconds, .. } = *standing;
    let record = EpochRecord {
        epoch,
        step: standing.step,
        lr: last_step.learning_rate,
        train_loss: tally.loss(),
        train_accuracy: tally.accuracy(),
        validation_loss: validation.map(|tally| tally.loss()),
        validation_accuracy: validation.map(|tally| tally.accuracy()),
        test_loss: test.loss(),
        test_accuracy: test.accuracy(),
        seconds,
        images_per_second: tally.samples as f64 / seconds,
        weights_hash: weights_hash(&parameters),
    };
    standing.end_epoch(record.clone());
    let snapshot = Snapshot { standing, parameters: &parameters, optimizer: &optimizer };
    let flow = listener.epoch(&record, &snapshot)?;
    Ok(flow.is_break().then_some(Ending::Interrupted))
}

/// Shows the listener how the run stands within an epoch.
fn checkpoint(
    engine: &mut dyn Engine,
    standing: &RunState,
    listener: &mut dyn Listener,
) -> Result<(), EngineError> {
    let (parameters, optimizer) = (engine.parameters()?, engine.optimizer_state()?);
    listener.checkpoint(&Snapshot { standing, parameters: &parameters, optimizer: &optimizer });
    Ok(())
}

/// The loss and accuracy of a part that the engine has loaded.
pub fn evaluate(engine: &mut dyn Engine, part: Split, split: &ImageSet) -> Result<Tally, EngineError> {
    let outcomes = engine.evaluate(part)?;
    let mut tally = Tally::default();
    match count(&mut tally, &outcomes, split.labels.iter().copied()) {
        Some(sample) => Err(EngineError::NonFiniteEvaluation { sample }),
        None => Ok(tally),
    }
}

/// What one pass over training images came to.
struct Pass {
    steps: usize,
    tally: Tally,
    seconds: f64,
    /// Whether the listener ended it.
    broken_off: bool,
}

fn one_pass(
    engine: &mut dyn Engine,
    labels: &[u16],
    epoch: &Epoch,
    mut so_far: impl FnMut(Tally, f64) -> ControlFlow<()>,
) -> Result<Pass, EngineError> {
    let mut tally = Tally::default();
    let mut not_finite = None;
    let mut broken_off = false;
    let started = Instant::now();
    let mut observer = |first: usize, outcomes: &[SampleOutcome]| {
        let places = &epoch.order[first..first + outcomes.len()];
        let labels = places.iter().map(|&place| labels[place as usize]);
        // An engine may be some steps ahead of a break: what it still tells comes after the first
        // fault, or after the listener has heard the last.
        if not_finite.is_none() {
            not_finite = count(&mut tally, outcomes, labels).map(|place| first + place);
        }
        if not_finite.is_none() && !broken_off {
            broken_off = so_far(tally, started.elapsed().as_secs_f64()).is_break();
        }
        if not_finite.is_some() || broken_off { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };

    // Where the engine itself found what is not finite, it names the tensor: its error says more.
    let done = engine.train(epoch, &mut observer)?;
    let seconds = started.elapsed().as_secs_f64();
    match not_finite {
        Some(sample) => Err(EngineError::NonFiniteLoss { sample }),
        None => Ok(Pass { steps: done, tally, seconds, broken_off }),
    }
}

/// Counts outcomes in, up to the first whose loss is not finite: its place is returned.
fn count(tally: &mut Tally, outcomes: &[SampleOutcome], labels: impl Iterator<Item = u16>) -> Option<usize> {
    for (place, (outcome, label)) in outcomes.iter().zip(labels).enumerate() {
        if !outcome.loss.is_finite() {
            return Some(place);
        }
        tally.add(outcome, label);
    }
    None
}
