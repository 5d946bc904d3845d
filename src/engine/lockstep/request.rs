//! What members ask of the population's thread, with data that they own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;

use crate::data::{ImageSet, View};
use crate::engine::{
    ClassWeights, EngineError, Epoch, LayerOutput, OptimizerState, SampleOutcome, Setup, Split, Step,
};

/// A message to the population's thread.
pub(super) enum Message {
    /// A thread that trains members begins or ends.
    Worker(bool),
    /// A new member wants a slot; the answer is its number, or `None` if none is free.
    Join(Box<Setup>, Sender<Answer<Option<usize>>>),
    /// The member of a slot asks for something.
    Request(usize, Request),
    /// The member of a slot is done.
    Leave(usize),
}

pub(super) type Answer<T> = Result<T, EngineError>;

/// What a member asks for, and where it expects the answer.
pub(super) enum Request {
    Load(Split, Arc<ImageSet>, Sender<Answer<Loaded>>),
    Parameters(Sender<Answer<Vec<f32>>>),
    SetParameters(Vec<f32>, Sender<Answer<()>>),
    OptimizerState(Sender<Answer<OptimizerState>>),
    SetOptimizerState(OptimizerState, Sender<Answer<()>>),
    LogProbabilities(Split, Sender<Answer<Vec<f32>>>),
    Activations(Split, Sender<Answer<Vec<LayerOutput>>>),
    Evaluate(Split, Sender<Answer<Vec<SampleOutcome>>>),
    Train(Box<OwnedEpoch>, Arc<AtomicBool>, Sender<Training>),
}

/// Whether the images of a split are those of the population.
pub(super) enum Loaded {
    Same,
    Different,
}

/// What a member hears while it trains.
pub(super) enum Training {
    /// Outcomes of samples, from this position of the order on.
    Outcomes(usize, Vec<SampleOutcome>),
    /// The number of completed steps.
    Done(Answer<usize>),
}

/// An [`Epoch`] that owns its data.
pub(super) struct OwnedEpoch {
    order: Vec<u32>,
    views: Option<Vec<View>>,
    class_weights: Option<ClassWeights>,
    steps: Vec<Step>,
}

impl OwnedEpoch {
    pub fn of(epoch: &Epoch) -> Self {
        Self {
            order: epoch.order.to_vec(),
            views: epoch.views.map(<[View]>::to_vec),
            class_weights: epoch.class_weights.cloned(),
            steps: epoch.steps.to_vec(),
        }
    }

    pub fn borrow(&self) -> Epoch<'_> {
        Epoch {
            order: &self.order,
            views: self.views.as_deref(),
            class_weights: self.class_weights.as_ref(),
            steps: &self.steps,
        }
    }
}
