//! The loop: epochs of steps, an evaluation after each.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::stopping::Watch;
use super::{EpochRecord, Plan, RunError, Stop, Tally, weights_hash};
use crate::data::{self, Dataset, Split};
use crate::engine::{Engine, EngineError, Epoch, Part, SampleOutcome};

/// Who is told how a run goes.
pub trait Listener {
    /// More steps' outcomes are known. Breaking ends the run after the steps under way.
    fn so_far(&mut self, so_far: &SoFar) -> ControlFlow<()>;

    /// An epoch is trained and evaluated; `parameters` are those it ended with. Breaking ends the run.
    fn epoch(&mut self, record: &EpochRecord, parameters: &[f32]) -> Result<ControlFlow<()>, RunError>;

    /// One of the plan's probes of an epoch is taken; the last one comes before [`Self::epoch`].
    fn probe(&mut self, _probe: &Probe) {}
}

/// How an epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoFar {
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
pub struct Probe {
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
pub struct Report {
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training alone.
    pub seconds: f64,
    /// The last epoch that was evaluated; none where no step was to be done or the first was broken off.
    pub last: Option<EpochRecord>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Trains as the plan says, from the parameters that the engine holds.
pub fn train(
    engine: &mut dyn Engine,
    data: &Dataset,
    plan: &Plan,
    listener: &mut dyn Listener,
) -> Result<Report, TrainError> {
    engine.load(Part::Train, Arc::clone(&data.train))?;
    engine.load(Part::Test, Arc::clone(&data.test))?;
    if let Some(validation) = &data.validation {
        engine.load(Part::Validation, Arc::clone(validation))?;
    }

    let samples = data.train.len();
    let mut report = Report { ending: Ending::Finished, steps: 0, seconds: 0.0, last: None };
    let mut watch = Watch::new(plan.stopping);
    let mut images = 0;

    for epoch in 1.. {
        let steps = plan.epoch_steps(samples, report.steps);
        let Some(last_step) = steps.last() else { break };
        let order = data::order(samples, plan.seed, epoch - 1, plan.shuffle);
        let views = plan.augmentation.views(plan.seed, epoch - 1, &order);

        let (mut tally, mut seconds) = (Tally::default(), 0.0);
        let mut test = Tally::default();
        for steps in steps.chunks(steps.len().div_ceil(plan.probes)) {
            let part = Epoch { order: &order, views: views.as_deref(), steps };
            let pass = one_pass(engine, &data.train.labels, &part, |so_far, elapsed| {
                let (tally, seconds) = (tally.plus(&so_far), seconds + elapsed);
                listener.so_far(&SoFar { epoch, images: images + tally.samples as u64, tally, seconds })
            })?;
            report.steps += pass.steps as u64;
            report.seconds += pass.seconds;
            if pass.broken_off {
                return Ok(Report { ending: Ending::Interrupted, ..report });
            }
            tally = tally.plus(&pass.tally);
            seconds += pass.seconds;
            test = evaluate(engine, Part::Test, &data.test)?;
            listener.probe(&Probe { epoch, step: report.steps, train: pass.tally, test });
        }
        images += tally.samples as u64;

        let validation = match &data.validation {
            Some(split) => Some(evaluate(engine, Part::Validation, split)?),
            None => None,
        };
        let parameters = engine.parameters()?;
        let record = EpochRecord {
            epoch,
            step: report.steps,
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
        let flow = listener.epoch(&record, &parameters)?;
        let stop = watch.after(&record);
        report.last = Some(record);
        if flow.is_break() {
            return Ok(Report { ending: Ending::Interrupted, ..report });
        }
        if let Some(stop) = stop {
            return Ok(Report { ending: Ending::Stopped(stop), ..report });
        }
    }
    Ok(report)
}

/// The loss and accuracy of a part that the engine has loaded.
pub fn evaluate(engine: &mut dyn Engine, part: Part, split: &Split) -> Result<Tally, EngineError> {
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
