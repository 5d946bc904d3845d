//! The training loop: epochs of steps, each followed by an evaluation.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::{
    Divergence, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, RunState, Snapshot,
    StopReason, TrainingConfig, weights_hash,
};
use crate::data::{self, Dataset, ImageSet};
use crate::engine::{ClassWeights, Engine, EngineError, Epoch, SampleOutcome, Split, Tally};
use crate::model::Selection;

/// How a run that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RunOutcome {
    /// All steps are done.
    Finished,
    /// An early-stopping rule was met.
    Stopped(StopReason),
    /// The listener ended the run.
    Interrupted,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// How the run ended.
    pub outcome: RunOutcome,
    /// Steps done.
    pub steps: u64,
    /// Seconds spent training, without evaluations and file output.
    pub seconds: f64,
    /// Record of the last completed epoch; `None` if no epoch was completed.
    pub last: Option<EpochRecord>,
    /// The best epoch so far, by validation accuracy if the data set has a validation split, else by test accuracy;
    /// `None` if no epoch was completed.
    pub best: Option<Selection>,
    /// The last completed epoch's loss, if training has diverged.
    pub divergence: Option<Divergence>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The engine failed, or a loss, parameter or gradient became non-finite.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The listener returned an error.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl TrainError {
    /// Returns whether a non-finite number ended the run, so that resuming from the same state would fail again.
    pub fn is_numeric(&self) -> bool {
        use EngineError::{NonFinite, NonFiniteEvaluation, NonFiniteLoss};
        matches!(self, Self::Engine(NonFinite { .. } | NonFiniteLoss { .. } | NonFiniteEvaluation { .. }))
    }
}

/// Trains the network of `engine` on `data`, as `config` describes, and reports to `listener`.
///
/// The engine supplies the initial parameters and optimizer state. A new run starts from [`RunState::default`]. To
/// resume a run, restore the engine's parameters and optimizer state from a [`Checkpoint`](super::Checkpoint) and pass
/// the checkpoint's state: on the same engine, the weights and metrics are then bit-identical to those of an
/// uninterrupted run, apart from measured times.
///
/// # Errors
/// Returns an error if the engine or the listener fails, or if a loss, parameter or gradient is not finite.
///
/// # Panics
/// If `config` has class weights and the engine was set up without ([`Setup::class_weighted`](crate::engine::Setup)), or
/// their number is not the network's number of classes.
pub fn train(
    engine: &mut dyn Engine,
    data: &Dataset,
    config: &TrainingConfig,
    mut state: RunState,
    listener: &mut dyn Listener,
) -> Result<RunSummary, TrainError> {
    engine.load(Split::Train, Arc::clone(&data.train))?;
    engine.load(Split::Test, Arc::clone(&data.test))?;
    if let Some(validation) = &data.validation {
        engine.load(Split::Validation, Arc::clone(validation))?;
    }
    let mut warned = false;
    let outcome = loop {
        if let Some(reason) = state.stop_reason(&config.stopping) {
            break RunOutcome::Stopped(reason);
        }
        if let Some(outcome) = run_epoch(engine, data, config, &mut state, &mut warned, listener)? {
            break outcome;
        }
    };
    let RunState { step, seconds, last, best, initial_loss, .. } = state;
    let last_loss = last.as_ref().map(|record| record.train_loss);
    let divergence = last_loss.and_then(|loss| Divergence::of(initial_loss, loss, data.classes));
    Ok(RunSummary { outcome, steps: step, seconds, last, best, divergence })
}

/// Trains the remaining steps of the current epoch and evaluates it. Returns the outcome if the run has ended. `warned` is
/// whether the listener knows that training has diverged.
fn run_epoch(
    engine: &mut dyn Engine,
    data: &Dataset,
    config: &TrainingConfig,
    state: &mut RunState,
    warned: &mut bool,
    listener: &mut dyn Listener,
) -> Result<Option<RunOutcome>, TrainError> {
    let samples = data.train.len();
    let (epoch, first_step) = (state.epochs + 1, state.epochs * config.steps_per_epoch(samples));
    let steps = config.epoch_steps(samples, first_step);
    let Some(last_step) = steps.last() else { return Ok(Some(RunOutcome::Finished)) };
    let order = data::order(samples, config.seed, epoch - 1, config.shuffle);
    let views = config.augmentation.views(config.seed, epoch - 1, &order);

    let images = state.epochs * samples as u64;
    let mut done = (state.step - first_step) as usize;
    let mut since_evaluation = Tally::default();
    while done < steps.len() {
        let pause = config.next_pause(first_step, done, steps.len());
        let chunk = Epoch {
            order: &order,
            views: views.as_deref(),
            class_weights: config.class_weights.as_ref(),
            steps: &steps[done..pause],
        };
        let is_first = state.step == 0;
        let trained = train_steps(engine, &data.train.labels, &chunk, |chunk_tally, first_loss, elapsed| {
            let (tally, seconds) = (state.tally.plus(&chunk_tally), state.epoch_seconds + elapsed);
            let initial_loss = if is_first { first_loss } else { state.initial_loss };
            if !*warned && let Some(divergence) = Divergence::of(initial_loss, tally.loss(), data.classes) {
                listener.diverged(&divergence);
                *warned = true;
            }
            listener.progress(&EpochProgress { epoch, images: images + tally.samples as u64, tally, seconds })
        })?;
        done += trained.steps;
        state.step += trained.steps as u64;
        if is_first {
            state.initial_loss = trained.first_loss;
        }
        state.tally = state.tally.plus(&trained.tally);
        state.epoch_seconds += trained.seconds;
        state.seconds += trained.seconds;
        since_evaluation = since_evaluation.plus(&trained.tally);

        if trained.interrupted {
            report_checkpoint(engine, state, listener)?;
            return Ok(Some(RunOutcome::Interrupted));
        }
        if done < steps.len() && done.is_multiple_of(config.evaluation_interval(steps.len())) {
            let test = evaluate(engine, Split::Test, &data.test)?;
            let train = std::mem::take(&mut since_evaluation);
            listener.evaluated(&ProgressEvaluation { epoch, step: state.step, train, test });
        }
        if done < steps.len() && config.checkpoint_every.is_some_and(|every| state.step % every == 0) {
            report_checkpoint(engine, state, listener)?;
        }
    }

    let test = evaluate(engine, Split::Test, &data.test)?;
    listener.evaluated(&ProgressEvaluation { epoch, step: state.step, train: since_evaluation, test });
    let validation = match &data.validation {
        Some(images) => Some(evaluate(engine, Split::Validation, images)?),
        None => None,
    };
    let (parameters, optimizer) = (engine.parameters()?, engine.optimizer_state()?);
    let RunState { tally, epoch_seconds: seconds, .. } = *state;
    let record = EpochRecord {
        epoch,
        step: state.step,
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
    state.finish_epoch(record.clone());
    let snapshot = Snapshot { state, parameters: &parameters, optimizer: &optimizer };
    let flow = listener.epoch(&record, &snapshot)?;
    Ok(flow.is_break().then_some(RunOutcome::Interrupted))
}

/// Passes the state of the run within an epoch to the listener.
fn report_checkpoint(
    engine: &mut dyn Engine,
    state: &RunState,
    listener: &mut dyn Listener,
) -> Result<(), EngineError> {
    let (parameters, optimizer) = (engine.parameters()?, engine.optimizer_state()?);
    listener.checkpoint(&Snapshot { state, parameters: &parameters, optimizer: &optimizer });
    Ok(())
}

/// Evaluates a split that the engine has loaded. `images` is the image set that was loaded for it.
///
/// # Errors
/// Returns [`EngineError::NonFiniteEvaluation`] if an image's loss is not finite, and whatever error the engine
/// returns.
pub fn evaluate(engine: &mut dyn Engine, split: Split, images: &ImageSet) -> Result<Tally, EngineError> {
    let outcomes = engine.evaluate(split)?;
    let mut tally = Tally::default();
    match tally_finite(&mut tally, &outcomes, images.labels.iter().copied(), None) {
        Some(sample) => Err(EngineError::NonFiniteEvaluation { sample }),
        None => Ok(tally),
    }
}

/// The result of training some steps of an epoch.
struct TrainedSteps {
    steps: usize,
    tally: Tally,
    seconds: f64,
    /// The mean loss of the first of them; `None` if there are none.
    first_loss: Option<f64>,
    /// Whether the listener ended the run.
    interrupted: bool,
}

fn train_steps(
    engine: &mut dyn Engine,
    labels: &[u16],
    epoch: &Epoch,
    mut on_progress: impl FnMut(Tally, Option<f64>, f64) -> ControlFlow<()>,
) -> Result<TrainedSteps, EngineError> {
    let first_step = epoch.steps[0];
    let (mut tally, mut first_loss) = (Tally::default(), None);
    let mut non_finite = None;
    let mut interrupted = false;
    let started = Instant::now();
    let mut observer = |first: usize, outcomes: &[SampleOutcome]| {
        let samples = &epoch.order[first..first + outcomes.len()];
        // The outcomes of the first step may arrive in parts, and together with those of the next.
        let rest = first_step.count.saturating_sub(tally.samples).min(outcomes.len());
        for part in [0..rest, rest..outcomes.len()] {
            // An engine may be some steps ahead when the observer breaks. Outcomes that arrive after the first
            // non-finite loss, or after the listener's last call, are ignored.
            if non_finite.is_none() {
                let labels = samples[part.clone()].iter().map(|&sample| labels[sample as usize]);
                let bad = tally_finite(&mut tally, &outcomes[part.clone()], labels, epoch.class_weights);
                non_finite = bad.map(|index| first + part.start + index);
            }
            if tally.samples == first_step.count {
                first_loss.get_or_insert(tally.loss());
            }
        }
        if non_finite.is_none() && !interrupted {
            interrupted = on_progress(tally, first_loss, started.elapsed().as_secs_f64()).is_break();
        }
        if non_finite.is_some() || interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };

    // If the engine itself finds a non-finite number, its error names the tensor, so it takes precedence.
    let done = engine.train(epoch, &mut observer)?;
    // Until the first step is done, the engine has only prepared itself, for example compiled its kernels.
    let seconds = if done == 0 { 0.0 } else { started.elapsed().as_secs_f64() };
    match non_finite {
        Some(sample) => Err(EngineError::NonFiniteLoss { sample }),
        None => Ok(TrainedSteps { steps: done, tally, seconds, first_loss, interrupted }),
    }
}

/// Adds outcomes to the tally up to the first non-finite loss, and returns the index of that one.
fn tally_finite(
    tally: &mut Tally,
    outcomes: &[SampleOutcome],
    labels: impl Iterator<Item = u16>,
    class_weights: Option<&ClassWeights>,
) -> Option<usize> {
    for (index, (outcome, label)) in outcomes.iter().zip(labels).enumerate() {
        if !outcome.loss.is_finite() {
            return Some(index);
        }
        match class_weights {
            None => tally.add(outcome, label),
            Some(weights) => tally.add_weighted(outcome, label, weights),
        }
    }
    None
}
