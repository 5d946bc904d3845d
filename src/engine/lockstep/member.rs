//! The engine of one member of a population.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::PopulationThread;
use super::request::{Answer, Loaded, Message, OwnedEpoch, Request, Training};
use crate::data::ImageSet;
use crate::engine::{
    Engine, EngineError, Epoch, LayerOutput, Observer, OptimizerState, SampleOutcome, Setup, Split,
};

/// How often the observer is called while there are no outcomes.
const CALL_BACK: Duration = Duration::from_millis(100);

/// A member of a population as an engine, for the thread that trains it. See [`Lockstep`](super::Lockstep).
///
/// Other members wait until this one trains or evaluates, or is dropped. An observer that ends an epoch does so at the
/// end of the steps that are already under way.
#[derive(Debug)]
pub struct MemberEngine {
    thread: Arc<PopulationThread>,
    name: String,
    slot: usize,
}

impl MemberEngine {
    pub(super) fn join(
        thread: Arc<PopulationThread>,
        name: String,
        setup: &Setup,
    ) -> Result<Self, EngineError> {
        let setup = Box::new(*setup);
        let slot = ask(&thread, |answer| Message::Join(setup, answer))?;
        let slot = slot.expect("a population has a free slot for each member");
        Ok(Self { thread, name, slot })
    }

    /// Sends a request and waits for the answer.
    fn ask<T>(&self, request: impl FnOnce(Sender<Answer<T>>) -> Request) -> Answer<T> {
        ask(&self.thread, |answer| Message::Request(self.slot, request(answer)))
    }
}

/// Each answer has a channel of its own, so that none is mistaken for that of an earlier request whose caller panicked.
fn ask<T>(thread: &PopulationThread, message: impl FnOnce(Sender<Answer<T>>) -> Message) -> Answer<T> {
    let (sender, answer) = mpsc::channel();
    thread.send(message(sender))?;
    answer.recv().unwrap_or_else(|_| Err(thread.failure()))
}

impl Drop for MemberEngine {
    fn drop(&mut self) {
        // If the thread has ended, no slot needs to be freed.
        let _ = self.thread.send(Message::Leave(self.slot));
    }
}

impl Engine for MemberEngine {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Loads a split for all members: the first one loads it, and the others have to load the same images.
    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        match self.ask(|answer| Request::Load(split, images, answer))? {
            Loaded::Same => Ok(()),
            Loaded::Different => panic!("all members of a population use the same images"),
        }
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        self.ask(Request::Parameters)
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.ask(|answer| Request::SetParameters(arena.to_vec(), answer))
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        self.ask(Request::OptimizerState)
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.ask(|answer| Request::SetOptimizerState(state.clone(), answer))
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        let (sender, messages) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let request = Request::Train(Box::new(OwnedEpoch::of(epoch)), Arc::clone(&stop), sender);
        self.thread.send(Message::Request(self.slot, request))?;
        let mut next = epoch.steps.first().map_or(0, |step| step.first);
        let mut report = |first: usize, outcomes: &[SampleOutcome]| {
            if observer(first, outcomes).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        loop {
            match messages.recv_timeout(CALL_BACK) {
                Ok(Training::Outcomes(first, outcomes)) => {
                    report(first, &outcomes);
                    next = first + outcomes.len();
                }
                Ok(Training::Done(result)) => return result,
                // An observer that has ended the epoch is called only with further outcomes.
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {}
                Err(RecvTimeoutError::Timeout) => report(next, &[]),
                Err(RecvTimeoutError::Disconnected) => return Err(self.thread.failure()),
            }
        }
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        self.ask(|answer| Request::Evaluate(split, answer))
    }

    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError> {
        self.ask(|answer| Request::LogProbabilities(split, answer))
    }

    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.ask(|answer| Request::Activations(split, answer))
    }
}
