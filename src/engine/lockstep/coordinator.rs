//! The thread that owns a population and executes the requests of its members.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::request::{Answer, Loaded, Message, OwnedEpoch, Request, Training};
use crate::data::ImageSet;
use crate::engine::{
    EngineError, MemberEpoch, OptimizerState, PerSplit, Population, SampleOutcome, Setup, Split,
};
use crate::model::ParameterTable;

/// How long members that are ready to train wait for a worker that has no member: it may be writing the files of the last
/// one. A worker that takes longer, for example because no member is left for it, is not waited for again until it has
/// a member.
const PATIENCE: Duration = Duration::from_secs(1);

/// The state of the population's thread.
pub(super) struct Coordinator {
    population: Box<dyn Population + Send>,
    slots: Vec<Slot>,
    /// The image sets of the population.
    loaded: PerSplit<Arc<ImageSet>>,
    /// Threads that train members, whether they have one or not.
    workers: usize,
    /// How many workers without a member are no longer waited for.
    given_up: usize,
    /// When the members became ready to train.
    ready_since: Option<Instant>,
    /// Why the device can no longer be used, once it has failed.
    failure: Arc<RwLock<Option<EngineError>>>,
}

/// A member's place in the population.
enum Slot {
    Free,
    /// The member is at work on something else.
    Busy,
    WantsEvaluation(Split, Sender<Answer<Vec<SampleOutcome>>>),
    WantsTraining(Box<OwnedEpoch>, Arc<AtomicBool>, Sender<Training>),
}

/// What to do next.
enum Next {
    /// Wait for messages.
    Wait,
    /// Wait for messages, and train if there are none for this long.
    WaitAtMost(Duration),
    Evaluate,
    Train,
}

impl Coordinator {
    pub fn new(population: Box<dyn Population + Send>, failure: Arc<RwLock<Option<EngineError>>>) -> Self {
        let slots = (0..population.size()).map(|_| Slot::Free).collect();
        let loaded = PerSplit::default();
        Self { population, slots, loaded, workers: 0, given_up: 0, ready_since: None, failure }
    }

    /// Executes requests until all handles are dropped.
    pub fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let message = match self.next() {
                Next::Evaluate => {
                    self.evaluate();
                    continue;
                }
                Next::Train => {
                    self.train();
                    continue;
                }
                Next::Wait => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Next::WaitAtMost(time) => messages.recv_timeout(time),
            };
            match message {
                Ok(message) => self.receive(message),
                Err(RecvTimeoutError::Timeout) => self.given_up = self.workers_without_member(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next(&mut self) -> Next {
        let busy = self.slots.iter().any(|slot| matches!(slot, Slot::Busy));
        let count = |wanted: fn(&Slot) -> bool| self.slots.iter().filter(|slot| wanted(slot)).count();
        let evaluations = count(|slot| matches!(slot, Slot::WantsEvaluation(..)));
        let trainings = count(|slot| matches!(slot, Slot::WantsTraining(..)));
        if busy || evaluations + trainings == 0 {
            self.ready_since = None;
            return Next::Wait;
        }
        if evaluations > 0 {
            self.ready_since = None;
            return Next::Evaluate;
        }
        if self.workers_without_member() > self.given_up {
            let waited = self.ready_since.get_or_insert_with(Instant::now).elapsed();
            if waited < PATIENCE {
                return Next::WaitAtMost(PATIENCE - waited);
            }
            self.given_up = self.workers_without_member();
        }
        self.ready_since = None;
        Next::Train
    }

    fn workers_without_member(&self) -> usize {
        let members = self.slots.iter().filter(|slot| !matches!(slot, Slot::Free)).count();
        self.workers.saturating_sub(members)
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Worker(true) => self.workers += 1,
            Message::Worker(false) => self.workers = self.workers.saturating_sub(1),
            Message::Join(setup, answer) => {
                let joined = self.join(&setup);
                self.answer(&answer, joined);
            }
            Message::Request(slot, request) => self.request(slot, request),
            Message::Leave(slot) => self.slots[slot] = Slot::Free,
        }
        self.given_up = self.given_up.min(self.workers_without_member());
    }

    /// Makes a free slot that of a new member, whose state is that of a new engine.
    fn join(&mut self, setup: &Setup) -> Answer<Option<usize>> {
        self.check()?;
        let Some(slot) = self.slots.iter().position(|slot| matches!(slot, Slot::Free)) else {
            return Ok(None);
        };
        let table = ParameterTable::new(&setup.network);
        let moment = vec![0.0; table.trained_len()];
        let state = OptimizerState { step: 0, first_moment: moment.clone(), second_moment: moment };
        self.population.set_setup(slot, setup);
        self.population.set_parameters(slot, &vec![0.0; table.arena_len()])?;
        self.population.set_optimizer_state(slot, &state)?;
        self.slots[slot] = Slot::Busy;
        Ok(Some(slot))
    }

    fn request(&mut self, slot: usize, request: Request) {
        let checked = self.check();
        let population = &mut self.population;
        match request {
            Request::Evaluate(split, answer) => match checked {
                Ok(()) => self.slots[slot] = Slot::WantsEvaluation(split, answer),
                Err(error) => self.answer(&answer, Err(error)),
            },
            Request::Train(epoch, stop, sender) => match checked {
                Ok(()) => self.slots[slot] = Slot::WantsTraining(epoch, stop, sender),
                Err(error) => drop(sender.send(Training::Done(Err(error)))),
            },
            Request::Load(split, images, answer) => {
                let loaded = checked.and_then(|()| self.load(split, images));
                self.answer(&answer, loaded);
            }
            Request::Parameters(answer) => {
                let parameters = checked.and_then(|()| population.parameters(slot));
                self.answer(&answer, parameters);
            }
            Request::SetParameters(arena, answer) => {
                let set = checked.and_then(|()| population.set_parameters(slot, &arena));
                self.answer(&answer, set);
            }
            Request::OptimizerState(answer) => {
                let state = checked.and_then(|()| population.optimizer_state(slot));
                self.answer(&answer, state);
            }
            Request::SetOptimizerState(state, answer) => {
                let set = checked.and_then(|()| population.set_optimizer_state(slot, &state));
                self.answer(&answer, set);
            }
            Request::LogProbabilities(split, answer) => {
                let values = checked.and_then(|()| population.log_probabilities(slot, split));
                self.answer(&answer, values);
            }
            Request::Activations(split, answer) => {
                let layers = checked.and_then(|()| population.activations(slot, split));
                self.answer(&answer, layers);
            }
        }
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Answer<Loaded> {
        if let Some(loaded) = self.loaded.find(split) {
            let same = Arc::ptr_eq(loaded, &images) || **loaded == *images;
            return Ok(if same { Loaded::Same } else { Loaded::Different });
        }
        self.population.load(split, Arc::clone(&images))?;
        self.loaded.set(split, images);
        Ok(Loaded::Same)
    }

    /// Executes all evaluations that are waited for.
    fn evaluate(&mut self) {
        for split in [Split::Train, Split::Validation, Split::Test] {
            let (mut members, mut answers) = (Vec::new(), Vec::new());
            for (member, slot) in self.slots.iter_mut().enumerate() {
                match std::mem::replace(slot, Slot::Busy) {
                    Slot::WantsEvaluation(wanted, answer) if wanted == split => {
                        members.push(member);
                        answers.push(answer);
                    }
                    other => *slot = other,
                }
            }
            if members.is_empty() {
                continue;
            }
            let outcomes = self.check().and_then(|()| self.population.evaluate(split, &members));
            match outcomes {
                Ok(outcomes) => {
                    for (answer, outcomes) in answers.iter().zip(outcomes) {
                        self.answer(answer, Ok(outcomes));
                    }
                }
                Err(error) => answers.iter().for_each(|answer| self.answer(answer, Err(error.clone()))),
            }
        }
    }

    /// Trains all members that wait for it.
    fn train(&mut self) {
        let mut waiting = Vec::new();
        for (member, slot) in self.slots.iter_mut().enumerate() {
            match std::mem::replace(slot, Slot::Busy) {
                Slot::WantsTraining(epoch, stop, sender) => waiting.push((member, epoch, stop, sender)),
                other => *slot = other,
            }
        }
        let mut observers: Vec<_> = waiting
            .iter()
            .map(|(_, _, stop, sender)| {
                move |first: usize, outcomes: &[SampleOutcome]| {
                    // A member that is gone has dropped the receiver.
                    let gone = !outcomes.is_empty()
                        && sender.send(Training::Outcomes(first, outcomes.to_vec())).is_err();
                    if gone || stop.load(Ordering::Relaxed) {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                }
            })
            .collect();
        let mut epochs: Vec<_> = waiting
            .iter()
            .zip(&mut observers)
            .map(|((member, epoch, ..), observer)| MemberEpoch {
                member: *member,
                epoch: epoch.borrow(),
                observer,
            })
            .collect();
        let results = self.population.train(&mut epochs);
        drop(epochs);
        match results {
            Ok(results) => {
                for ((.., sender), result) in waiting.iter().zip(results) {
                    self.note(result.as_ref().err());
                    let _ = sender.send(Training::Done(result));
                }
            }
            Err(error) => {
                self.note(Some(&error));
                for (.., sender) in &waiting {
                    let _ = sender.send(Training::Done(Err(error.clone())));
                }
            }
        }
    }

    /// Answers a member, unless it is gone.
    fn answer<T>(&self, sender: &Sender<Answer<T>>, answer: Answer<T>) {
        self.note(answer.as_ref().err());
        let _ = sender.send(answer);
    }

    /// Remembers a failure of the device, which all members share.
    fn note(&self, error: Option<&EngineError>) {
        if let Some(error @ EngineError::Device(_)) = error {
            let mut failure = self.failure.write().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        match &*self.failure.read().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}
