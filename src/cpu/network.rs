//! LeNet-5 as a sequence of this folder's operations, forward and backward; all activations are stored:
//!
//! `x → conv1 → ReLU → [bn1] → pool1 → conv2 → ReLU → [bn2] → pool2`
//! `→ fc1 → act → [bn3] → fc2 → act → [bn4] → fc3 → loss`
//!
//! An activation tensor is stored as the GPU stores it, after its activation function, with room for the largest
//! batch; a smaller batch uses the front. The gradient of `name` is called `dname` and is the gradient *before* the
//! activation function of `name`.

mod activations;

pub use activations::Activations;

use super::conv_block::ConvBlock;
use super::dense_backward::dense_backward_weight;
use super::layer::{Layer, Variable};
use super::{Real, accumulate, adam, clip, dense_backward, dense_forward, dense_loss, limit, sgd};
use crate::engine::{ClassWeights, Loss, Mode, NonFinite, Optimizer, Rule};
use crate::model::parameters::LayerKind;
use crate::model::{Activation, Frozen, LeNet5, ParameterTable, Tensor};

/// LeNet-5 with its parameters, gradients, optimizer state, and all activations of a batch.
#[derive(Debug, Clone)]
pub struct Network<T> {
    shape: LeNet5,
    loss: Loss,
    frozen: Frozen,
    /// The weights of the classes in training; `None` for 1 each.
    class_weights: Option<Vec<T>>,
    table: ParameterTable,
    /// Images of the current batch.
    batch: usize,
    largest_batch: usize,

    parameters: Vec<T>,
    gradient: Vec<T>,
    /// The sum of the gradients of a step's micro-batches so far; empty until a step has several.
    accumulated: Vec<T>,
    step: u64,
    first_moment: Vec<T>,
    second_moment: Vec<T>,

    x: Vec<T>,
    conv1: ConvBlock<T>,
    conv2: ConvBlock<T>,
    fc1: Layer<T>,
    fc2: Layer<T>,
    outputs: Variable<T>,
    losses: Vec<T>,
    predicted: Vec<u32>,
}

impl<T: Real> Network<T> {
    /// A network for batches of up to `largest_batch` images, with all parameters 0 and the mean NLL as its loss.
    pub fn new(network: LeNet5, largest_batch: usize) -> Self {
        let table = ParameterTable::new(&network);
        let (batch, trained) = (largest_batch, vec![T::zero(); table.trained_len()]);
        let norm_offset = |name| network.batch_norm.then(|| table.get(name).offset - table.layers_len());
        Self {
            batch: 0,
            largest_batch,
            parameters: vec![T::zero(); table.arena_len()],
            gradient: trained.clone(),
            accumulated: Vec::new(),
            step: 0,
            first_moment: trained.clone(),
            second_moment: trained,
            x: vec![T::zero(); batch * network.image_len()],
            conv1: ConvBlock::new(
                batch,
                network.conv1(),
                network.pool1(),
                network.bn1(),
                norm_offset("bn1.weight"),
            ),
            conv2: ConvBlock::new(
                batch,
                network.conv2(),
                network.pool2(),
                network.bn2(),
                norm_offset("bn2.weight"),
            ),
            fc1: Layer::new(batch, network.activation, network.bn3(), norm_offset("bn3.weight")),
            fc2: Layer::new(batch, network.activation, network.bn4(), norm_offset("bn4.weight")),
            outputs: Variable::new(batch * network.fc3().outputs),
            losses: vec![T::zero(); batch],
            predicted: vec![0; batch],
            table,
            shape: network,
            loss: Loss::default(),
            frozen: Frozen::None,
            class_weights: None,
        }
    }

    /// Returns the network with another loss.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// Returns the network with frozen layers. [`Self::backward`] does not compute their gradients, so it must not have run
    /// before.
    pub fn with_frozen(self, frozen: Frozen) -> Self {
        Self { frozen, ..self }
    }

    /// Sets the weights of the classes in training; `None` for 1 each.
    ///
    /// # Panics
    /// If there is not one weight per class.
    pub fn set_class_weights(&mut self, weights: Option<&ClassWeights>) {
        self.class_weights = weights.map(|weights| {
            assert_eq!(weights.values().len(), self.shape.classes, "there is not one weight per class");
            weights.values().iter().map(|&weight| T::of(weight.into())).collect()
        });
    }

    /// Returns the parameter arena, in the order of [`ParameterTable`].
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// Replaces the parameters. The optimizer state is unchanged.
    ///
    /// # Panics
    /// If the length is not the arena's.
    pub fn set_parameters(&mut self, arena: &[T]) {
        self.parameters.copy_from_slice(arena);
    }

    /// Returns the number of completed steps, the first moment and the second moment. Moments have the layout of the
    /// arena's trained part.
    pub fn optimizer_state(&self) -> (u64, &[T], &[T]) {
        (self.step, &self.first_moment, &self.second_moment)
    }

    /// Replaces the optimizer state.
    ///
    /// # Panics
    /// If a moment does not have the length of the arena's trained part.
    pub fn set_optimizer_state(&mut self, step: u64, first_moment: &[T], second_moment: &[T]) {
        self.step = step;
        self.first_moment.copy_from_slice(first_moment);
        self.second_moment.copy_from_slice(second_moment);
    }

    /// Returns the buffer for the images of the next batch, `[batch, C, 32, 32]`.
    ///
    /// # Panics
    /// If `batch` is larger than the largest batch.
    pub fn input(&mut self, batch: usize) -> &mut [T] {
        &mut self.x[..batch * self.shape.image_len()]
    }

    /// Runs the forward pass of a training batch: computes outputs, losses and predictions of the images in
    /// [`Self::input`], one per label, and the gradient of the batch's loss at the logits. Batch normalisation uses
    /// the batch's statistics and updates its running statistics; targets are smoothed.
    ///
    /// # Panics
    /// If there are more labels than the largest batch has images, or a label is not less than the number of classes.
    pub fn forward(&mut self, labels: &[u32]) {
        let step_weight = match &self.class_weights {
            None => labels.len() as f64,
            Some(weights) => labels.iter().map(|&label| weights[label as usize].as_f64()).sum(),
        };
        self.forward_micro_batch(labels, step_weight);
    }

    /// Runs [`Self::forward`] for a micro-batch of a step. The mean loss is over the whole step: `step_weight` is the
    /// number of its images or, with class weights, the sum of the weights of their labels.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_micro_batch(&mut self, labels: &[u32], step_weight: f64) {
        self.run(labels, step_weight, Mode::Train);
    }

    /// Runs the forward pass for evaluation: batch normalisation uses its running statistics, and targets are neither
    /// smoothed nor weighted. The positions of maxima are not stored, so [`Self::backward`] must not follow.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn evaluate(&mut self, labels: &[u32]) {
        self.run(labels, labels.len() as f64, Mode::Evaluate);
    }

    fn run(&mut self, labels: &[u32], step_weight: f64, mode: Mode) {
        let (net, batch) = (self.shape, labels.len());
        let conv_mode = if self.frozen.contains(LayerKind::Conv) { Mode::Evaluate } else { mode };
        assert!(
            batch <= self.largest_batch,
            "a batch of {batch} images; the network has room for {}",
            self.largest_batch
        );
        self.batch = batch;
        let used = |len: usize| ..batch * len;
        let Self { table, parameters, conv1, conv2, fc1, fc2, outputs, .. } = self;
        let (layers, norms) = parameters.split_at_mut(table.layers_len());
        let parameter = |name| &layers[table.get(name).range()];

        let x = &self.x[used(net.image_len())];
        let (weight, bias) = (parameter("conv1.weight"), parameter("conv1.bias"));
        let x = conv1.forward(conv_mode, batch, x, weight, bias, norms);
        let (weight, bias) = (parameter("conv2.weight"), parameter("conv2.bias"));
        let x = conv2.forward(conv_mode, batch, x, weight, bias, norms);

        let y = &mut fc1.activated.value[used(net.fc1().outputs)];
        let (weight, bias) = (parameter("fc1.weight"), parameter("fc1.bias"));
        dense_forward(&net.fc1(), net.activation, x, weight, bias, y);

        let x = fc1.finish_forward(mode, batch, norms);
        let y = &mut fc2.activated.value[used(net.fc2().outputs)];
        let (weight, bias) = (parameter("fc2.weight"), parameter("fc2.bias"));
        dense_forward(&net.fc2(), net.activation, x, weight, bias, y);

        let x = fc2.finish_forward(mode, batch, norms);
        let (loss, class_weights) = match mode {
            Mode::Train => (self.loss, self.class_weights.as_deref()),
            Mode::Evaluate => (self.loss.without_smoothing(), None),
        };
        let (shape, y, dy) =
            (net.fc3(), &mut outputs.value[used(net.classes)], &mut outputs.gradient[used(net.classes)]);
        let (weight, bias) = (parameter("fc3.weight"), parameter("fc3.bias"));
        let (losses, predicted) = (&mut self.losses[..batch], &mut self.predicted[..batch]);
        dense_loss(
            &shape,
            &loss,
            step_weight,
            class_weights,
            x,
            weight,
            bias,
            labels,
            y,
            dy,
            losses,
            predicted,
        );
    }

    /// Runs the backward pass of the last [`Self::forward`], down to the first layer that is not frozen; the result is
    /// in [`Self::gradient`].
    pub fn backward(&mut self) {
        let (net, batch) = (self.shape, self.batch);
        let used = |len: usize| ..batch * len;
        let Self { table, parameters, gradient, conv1, conv2, fc1, fc2, outputs, .. } = self;
        let (layers, norms) = parameters.split_at(table.layers_len());
        let (gradient, dnorms) = gradient.split_at_mut(table.layers_len());
        let weight = |name| &layers[table.get(name).range()];

        // Layers are processed in reverse, so their gradients are split off the end of the arena one by one.
        let mut rest = gradient;
        let mut take = |name: &str| {
            let tensor = table.get(name);
            let (front, last) = std::mem::take(&mut rest).split_at_mut(tensor.offset);
            rest = front;
            last
        };

        let dy = &outputs.gradient[used(net.classes)];
        let (dbias, dweight) = (take("fc3.bias"), take("fc3.weight"));
        let (activation, x, dx) = fc2.output(batch);
        dense_backward(&net.fc3(), activation, x, weight("fc3.weight"), dy, dx, dweight, dbias);

        let dy = fc2.finish_backward(batch, norms, dnorms);
        let (dbias, dweight) = (take("fc2.bias"), take("fc2.weight"));
        let (activation, x, dx) = fc1.output(batch);
        dense_backward(&net.fc2(), activation, x, weight("fc2.weight"), dy, dx, dweight, dbias);

        let dy = fc1.finish_backward(batch, norms, dnorms);
        let (dbias, dweight) = (take("fc1.bias"), take("fc1.weight"));
        let (x, dx) = conv2.output(batch);
        if self.frozen.contains(LayerKind::Conv) {
            return dense_backward_weight(&net.fc1(), x, dy, dweight, dbias);
        }
        // The backward pass of the pool applies the derivative of ReLU.
        let identity = Activation::Identity;
        dense_backward(&net.fc1(), identity, x, weight("fc1.weight"), dy, dx, dweight, dbias);

        let (dbias, dweight) = (take("conv2.bias"), take("conv2.weight"));
        let (x, dx) = conv1.output(batch);
        conv2.backward(batch, x, weight("conv2.weight"), norms, dnorms, Some(dx), dweight, dbias);

        let (dbias, dweight) = (take("conv1.bias"), take("conv1.weight"));
        let x = &self.x[used(net.image_len())];
        conv1.backward(batch, x, weight("conv1.weight"), norms, dnorms, None, dweight, dbias);
    }

    /// Returns the gradient of the batch's loss, in the layout of the arena's trained part.
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// Replaces the gradient, in the layout of the arena's trained part.
    ///
    /// # Panics
    /// If the length is not that of the trained part.
    pub fn set_gradient(&mut self, gradient: &[T]) {
        self.gradient.copy_from_slice(gradient);
    }

    /// Returns the running statistics of batch normalisation, the last part of the arena.
    pub fn running_statistics(&self) -> &[T] {
        &self.parameters[self.table.trained_len()..]
    }

    /// The same, to be changed.
    pub fn running_statistics_mut(&mut self) -> &mut [T] {
        &mut self.parameters[self.table.trained_len()..]
    }

    /// Returns the loss of each image of the last batch.
    pub fn losses(&self) -> &[T] {
        &self.losses[..self.batch]
    }

    /// Returns the log-probabilities `[B, K]` of the last batch, or its logits for losses on logits (mse, raw nll).
    pub fn outputs(&self) -> &[T] {
        &self.outputs.value[..self.batch * self.shape.classes]
    }

    /// Returns the class of the largest output of each image of the last batch.
    pub fn predicted(&self) -> &[u32] {
        &self.predicted[..self.batch]
    }

    /// Adds the gradient of the last micro-batch to the sum over its step, and makes [`Self::gradient`] that sum.
    /// `follows` is false for the first micro-batch of a step.
    pub fn accumulate(&mut self, follows: bool) {
        self.accumulated.resize(self.gradient.len(), T::zero());
        accumulate(follows, &mut self.gradient, &mut self.accumulated);
    }

    /// Performs an optimizer step. Clips the gradient in place.
    ///
    /// # Panics
    /// If the optimizer does not freeze the layers that the network freezes.
    pub fn update(&mut self, optimizer: &Optimizer, learning_rate: f32) {
        assert_eq!(optimizer.frozen, self.frozen, "the optimizer freezes what the network freezes");
        self.step += 1;
        let Self { table, gradient, parameters, first_moment, second_moment, .. } = self;
        clip(&optimizer.clip, table.trained(), gradient);
        let decay = optimizer.weight_decay;
        for range in table.updated(self.frozen) {
            let (gradient, parameters) = (&gradient[range.clone()], &mut parameters[range.clone()]);
            let first = &mut first_moment[range.clone()];
            match optimizer.rule {
                Rule::Adam(rule) => {
                    let (t, second) = (self.step, &mut second_moment[range]);
                    adam(&rule, decay, learning_rate, t, gradient, parameters, first, second);
                }
                Rule::Sgd(rule) => sgd(&rule, decay, learning_rate, gradient, parameters, first),
            }
            if let Some(bound) = optimizer.bound {
                limit(bound, parameters);
            }
        }
    }

    /// Returns the first tensor, in the table's order, with a non-finite value. Parameters are checked before
    /// gradients.
    pub fn non_finite(&self) -> Option<(&'static str, NonFinite)> {
        let first = |arena: &[T], tensors: &[Tensor]| {
            let bad = tensors.iter().find(|&tensor| !all_finite(&arena[tensor.range()]));
            bad.map(|tensor| tensor.name)
        };
        let parameter = first(&self.parameters, self.table.tensors());
        let gradient = || first(&self.gradient, self.table.trained());
        parameter
            .map(|name| (name, NonFinite::Parameter))
            .or_else(|| gradient().map(|name| (name, NonFinite::Gradient)))
    }
}

/// Whether no value is infinite or NaN. There is no early exit, so that the loop vectorises.
fn all_finite<T: Real>(values: &[T]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
