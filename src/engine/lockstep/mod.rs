//! A population whose members train on threads of their own.
//!
//! A [`Population`] trains all its members in one call, but a run is simplest as a loop of its own that calls an
//! [`Engine`]. [`Lockstep`] connects the two: it owns the population, on a thread, and gives each run a [`MemberEngine`].
//! The requests of these engines are executed in rounds:
//!
//! - Requests that are quick, such as reading parameters, are executed when they arrive.
//! - When each member is waiting for an evaluation or for training, all evaluations are executed, those of the same split
//!   together. The members then go on.
//! - When each member is waiting for training, all train together, until each has done its steps.
//!
//! So members that began at different times are in step after one epoch. Which members train together does not affect
//! what they compute.

mod coordinator;
mod member;
mod request;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

pub use member::MemberEngine;

use super::{EngineError, Population, Setup};
use coordinator::Coordinator;
use request::Message;

/// A population on a thread of its own, whose members are engines for other threads.
#[derive(Debug)]
pub struct Lockstep {
    thread: Arc<PopulationThread>,
    name: String,
    size: usize,
}

/// The thread of a population. It ends when the last handle is dropped.
#[derive(Debug)]
struct PopulationThread {
    /// `None` only while this is dropped.
    messages: Option<Sender<Message>>,
    handle: Option<JoinHandle<()>>,
    /// Why the device can no longer be used.
    failure: Arc<RwLock<Option<EngineError>>>,
}

impl Lockstep {
    /// Starts a thread for a population.
    ///
    /// # Errors
    /// [`EngineError::Device`] if the thread cannot start.
    pub fn start(population: Box<dyn Population + Send>) -> Result<Self, EngineError> {
        let (name, size) = (population.name(), population.size());
        let (messages, received) = mpsc::channel();
        let failure = Arc::default();
        let coordinator = Coordinator::new(population, Arc::clone(&failure));
        let handle = thread::Builder::new()
            .name("population".to_owned())
            .spawn(move || coordinator.run(&received))
            .map_err(|error| EngineError::Device(format!("cannot start a thread: {error}")))?;
        let thread = PopulationThread { messages: Some(messages), handle: Some(handle), failure };
        Ok(Self { thread: Arc::new(thread), name, size })
    }

    /// The number of members that the population has room for.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes a free slot of the population for a new member. Its parameters and the state of its optimizer are 0. Dropping
    /// the engine frees the slot.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If no slot is free, or the setup does not share its kernels with that of the population.
    pub fn member(&self, setup: &Setup) -> Result<MemberEngine, EngineError> {
        MemberEngine::join(Arc::clone(&self.thread), self.name.clone(), setup)
    }

    /// Announces a thread that trains one member after the other. While it has no member, others wait for it for a moment
    /// before they train, so that they train together. Dropping the result ends this.
    pub fn worker(&self) -> Worker {
        // A thread that has ended is reported to the next member.
        let _ = self.thread.send(Message::Worker(true));
        Worker(Arc::clone(&self.thread))
    }
}

/// An announced thread; see [`Lockstep::worker`].
#[derive(Debug)]
pub struct Worker(Arc<PopulationThread>);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.send(Message::Worker(false));
    }
}

impl PopulationThread {
    fn send(&self, message: Message) -> Result<(), EngineError> {
        let messages = self.messages.as_ref().expect("the channel is open until this is dropped");
        messages.send(message).map_err(|_| self.failure())
    }

    /// Why the population's thread does not answer.
    fn failure(&self) -> EngineError {
        let failure = self.failure.read().unwrap_or_else(PoisonError::into_inner).clone();
        failure.unwrap_or_else(|| {
            EngineError::Device("the thread that trains the population has ended".to_owned())
        })
    }
}

impl Drop for PopulationThread {
    /// Waits for the thread, so that the device is closed before the program ends.
    fn drop(&mut self) {
        drop(self.messages.take());
        if let Some(handle) = self.handle.take() {
            // A panic has already been printed, and was reported to the members.
            let _ = handle.join();
        }
    }
}
