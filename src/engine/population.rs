//! Several networks that one device trains at the same time.

use std::sync::Arc;

use super::{EngineError, Epoch, LayerOutput, Observer, OptimizerState, SampleOutcome, Setup, Split};
use crate::data::ImageSet;

/// Several networks of the same shape, the members, that one device trains at the same time. They share the images.
///
/// A member computes the same bits as an [`Engine`](super::Engine) of its setup on the same device. Members differ in
/// their parameters and optimizer states, in the order and the views of their images, in the learning rate of each step,
/// and in the settings that [`Setup::shares_kernels_with`] allows to differ.
pub trait Population {
    /// Returns the name of the device for display.
    fn name(&self) -> String;

    /// Returns the number of members.
    fn size(&self) -> usize;

    /// Loads the images of a split, for all members. See [`Engine::load`](super::Engine::load).
    ///
    /// # Errors
    /// [`EngineError::SetTooLarge`] if the images do not fit; [`EngineError::Device`].
    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError>;

    /// Makes a member train as `setup` says, from the next step on.
    ///
    /// # Panics
    /// If the setup does not share its kernels with that of the population.
    fn set_setup(&mut self, member: usize, setup: &Setup);

    /// Returns the parameters of a member. See [`Engine::parameters`](super::Engine::parameters).
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn parameters(&mut self, member: usize) -> Result<Vec<f32>, EngineError>;

    /// Replaces the parameters of a member.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn set_parameters(&mut self, member: usize, arena: &[f32]) -> Result<(), EngineError>;

    /// Returns the state of a member's optimizer.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn optimizer_state(&mut self, member: usize) -> Result<OptimizerState, EngineError>;

    /// Replaces the state of a member's optimizer.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn set_optimizer_state(&mut self, member: usize, state: &OptimizerState) -> Result<(), EngineError>;

    /// Trains an epoch, or a part of one, of some members at the same time. Returns for each of them what
    /// [`Engine::train`](super::Engine::train) would return. A member whose steps are done, whose observer ended its
    /// epoch or whose numbers are not finite drops out; the others continue.
    ///
    /// # Errors
    /// [`EngineError::Device`], which concerns all members.
    ///
    /// # Panics
    /// If a member occurs twice.
    fn train(&mut self, epochs: &mut [MemberEpoch]) -> Result<Vec<Result<usize, EngineError>>, EngineError>;

    /// Evaluates some members on a split at the same time. Returns the outcomes of each, in the order of `members`.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn evaluate(&mut self, split: Split, members: &[usize]) -> Result<Vec<Vec<SampleOutcome>>, EngineError>;

    /// Returns the log-probabilities of a member. See [`Engine::log_probabilities`](super::Engine::log_probabilities).
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn log_probabilities(&mut self, member: usize, split: Split) -> Result<Vec<f32>, EngineError>;

    /// Returns the outputs of a member's layers. See [`Engine::activations`](super::Engine::activations).
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn activations(&mut self, member: usize, split: Split) -> Result<Vec<LayerOutput>, EngineError>;
}

/// The training data of one member in one epoch.
pub struct MemberEpoch<'a> {
    /// The member.
    pub member: usize,
    /// Its images, their order and its steps.
    pub epoch: Epoch<'a>,
    /// Receives its outcomes, and can end its epoch.
    pub observer: &'a mut Observer<'a>,
}

impl std::fmt::Debug for MemberEpoch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemberEpoch").field("member", &self.member).finish_non_exhaustive()
    }
}
