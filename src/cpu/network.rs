//! LeNet-5 over the operations of this folder, with every map kept: `x → conv1 → ReLU → [bn1] → pool1 →
//! conv2 → ReLU → [bn2] → pool2 → fc1 → act → [bn3] → fc2 → act → [bn4] → fc3 → loss`, and back.
//!
//! A map is stored as the shaders have it, after its activation, for the largest batch that was asked
//! for; a smaller batch uses the front of each. A gradient's name is its map's with a `d`, and it is
//! the gradient *before* that map's activation.

use std::borrow::Cow;

use super::conv_block::ConvBlock;
use super::layer::{Layer, Map};
use super::{
    Real, Targets, accumulate, adam, clip, dense_backward, dense_forward, dense_log_softmax, dense_mse,
    dense_raw_nll, limit, sgd,
};
use crate::engine::{Loss, LossKind, Mode, NonFinite, Optimizer, Rule};
use crate::model::{Activation, LeNet5, ParameterTable, Tensor};

/// The network, its parameters and gradients, the optimizer's state, and every intermediate map of a batch.
#[derive(Debug, Clone)]
pub struct Network<T> {
    shape: LeNet5,
    loss: Loss,
    table: ParameterTable,
    /// Images of the batch that the maps hold.
    batch: usize,
    largest_batch: usize,

    parameters: Vec<T>,
    gradient: Vec<T>,
    /// The gradient of a step so far; empty until a step has several micro-batches.
    accumulated: Vec<T>,
    step: u64,
    first_moment: Vec<T>,
    second_moment: Vec<T>,

    x: Vec<T>,
    conv1: ConvBlock<T>,
    conv2: ConvBlock<T>,
    fc1: Layer<T>,
    fc2: Layer<T>,
    outputs: Map<T>,
    losses: Vec<T>,
    predicted: Vec<u32>,
}

/// The maps of the last batch, and their gradients once [`Network::backward`] ran. Every slice is the
/// whole batch's; shapes are given for one image.
#[derive(Debug, Clone)]
pub struct Maps<'a, T: Real> {
    /// `[C, 32, 32]`
    pub x: &'a [T],
    /// `[6, 28, 28]`, after ReLU
    pub conv1: Cow<'a, [T]>,
    /// `[6, 14, 14]`
    pub pool1: &'a [T],
    /// `[6, 14, 14]`, places in a plane of conv1
    pub argmax1: &'a [u32],
    /// `[16, 10, 10]`, after ReLU
    pub conv2: Cow<'a, [T]>,
    /// `[16, 5, 5]`
    pub pool2: &'a [T],
    /// `[16, 5, 5]`, places in a plane of conv2
    pub argmax2: &'a [u32],
    /// `[120]`, after the activation
    pub fc1: &'a [T],
    /// `[84]`, after the activation
    pub fc2: &'a [T],
    /// `[K]`: log-probabilities, or the logits where the loss is of them (mse, raw nll)
    pub outputs: &'a [T],
    /// conv1, conv2, fc1 and fc2 normalised, where they are
    pub norms: Option<[&'a [T]; 4]>,
    /// `[6, 28, 28]`, before ReLU
    pub dconv1: Cow<'a, [T]>,
    /// `[6, 14, 14]`
    pub dpool1: &'a [T],
    /// `[16, 10, 10]`, before ReLU
    pub dconv2: Cow<'a, [T]>,
    /// `[16, 5, 5]`
    pub dpool2: &'a [T],
    /// `[120]`, before the activation
    pub dfc1: &'a [T],
    /// `[84]`, before the activation
    pub dfc2: &'a [T],
    /// `[K]`, the gradient at the logits
    pub dlogits: &'a [T],
    /// conv1, conv2, fc1 and fc2 normalised, where they are
    pub dnorms: Option<[&'a [T]; 4]>,
}

impl<T: Real> Network<T> {
    /// Memory for batches of up to `largest_batch` images; all parameters are 0.
    pub fn new(network: LeNet5, largest_batch: usize) -> Self {
        let table = ParameterTable::new(&network);
        let (batch, trained) = (largest_batch, vec![T::zero(); table.trained_len()]);
        let place = |name| network.batch_norm.then(|| table.get(name).offset - table.layers_len());
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
                place("bn1.weight"),
            ),
            conv2: ConvBlock::new(
                batch,
                network.conv2(),
                network.pool2(),
                network.bn2(),
                place("bn2.weight"),
            ),
            fc1: Layer::new(batch, network.activation, network.bn3(), place("bn3.weight")),
            fc2: Layer::new(batch, network.activation, network.bn4(), place("bn4.weight")),
            outputs: Map::new(batch * network.fc3().outputs),
            losses: vec![T::zero(); batch],
            predicted: vec![0; batch],
            table,
            shape: network,
            loss: Loss::default(),
        }
    }

    /// The same network with another loss than the mean of nll.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// The arena, in the order of [`ParameterTable`].
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// # Panics
    /// Where the length is not the arena's.
    pub fn set_parameters(&mut self, arena: &[T]) {
        self.parameters.copy_from_slice(arena);
    }

    /// The optimizer's state: steps done, first and second moments in the layout of the arena's trained part.
    pub fn optimizer_state(&self) -> (u64, &[T], &[T]) {
        (self.step, &self.first_moment, &self.second_moment)
    }

    /// # Panics
    /// Where a moment's length is not that of the arena's trained part.
    pub fn set_optimizer_state(&mut self, step: u64, first_moment: &[T], second_moment: &[T]) {
        self.step = step;
        self.first_moment.copy_from_slice(first_moment);
        self.second_moment.copy_from_slice(second_moment);
    }

    /// Where the next batch's images go: `[batch, C, 32, 32]`.
    ///
    /// # Panics
    /// Where `batch` is larger than the largest batch.
    pub fn input(&mut self, batch: usize) -> &mut [T] {
        &mut self.x[..batch * self.shape.image_len()]
    }

    /// Runs the images that [`Self::input`] was given, one for each label, to their outputs, losses and
    /// predictions, and to the gradient of the batch's loss at the logits. This is training's way: batch
    /// normalisation goes by the batch and moves its running statistics, and targets are smoothed.
    ///
    /// # Panics
    /// Where there are more labels than the largest batch has images, or a label is no class.
    pub fn forward(&mut self, labels: &[u32]) {
        self.forward_of(labels, labels.len());
    }

    /// The same for a micro-batch of a step of `step_count` images: the mean is the whole step's.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_of(&mut self, labels: &[u32], step_count: usize) {
        self.run(labels, step_count, Mode::Train);
    }

    /// [`Self::forward`], evaluation's way: batch normalisation goes by its running statistics, targets are not
    /// smoothed, and nobody is told where maxima were: there is no way back from here.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn evaluate(&mut self, labels: &[u32]) {
        self.run(labels, labels.len(), Mode::Evaluate);
    }

    fn run(&mut self, labels: &[u32], step_count: usize, pass: Mode) {
        let (net, batch) = (self.shape, labels.len());
        assert!(batch <= self.largest_batch, "a batch of {batch}, where {} is the most", self.largest_batch);
        self.batch = batch;
        let of = |len: usize| ..batch * len;
        let Self { table, parameters, conv1, conv2, fc1, fc2, outputs, .. } = self;
        let (layers, norms) = parameters.split_at_mut(table.layers_len());
        let parameter = |name| &layers[table.get(name).range()];

        let x = &self.x[of(net.image_len())];
        let (weight, bias) = (parameter("conv1.weight"), parameter("conv1.bias"));
        let x = conv1.forward(pass, batch, x, weight, bias, norms);
        let (weight, bias) = (parameter("conv2.weight"), parameter("conv2.bias"));
        let x = conv2.forward(pass, batch, x, weight, bias, norms);

        let y = &mut fc1.map.value[of(net.fc1().outputs)];
        let (weight, bias) = (parameter("fc1.weight"), parameter("fc1.bias"));
        dense_forward(&net.fc1(), net.activation, x, weight, bias, y);

        let x = fc1.finish(pass, batch, norms);
        let y = &mut fc2.map.value[of(net.fc2().outputs)];
        let (weight, bias) = (parameter("fc2.weight"), parameter("fc2.bias"));
        dense_forward(&net.fc2(), net.activation, x, weight, bias, y);

        let x = fc2.finish(pass, batch, norms);
        let loss = match pass {
            Mode::Train => self.loss,
            Mode::Evaluate => self.loss.unsmoothed(),
        };
        let targets = Targets {
            labels,
            smoothing: T::of(f64::from(loss.label_smoothing)),
            scale: T::of(loss.scale(step_count)),
        };
        let (shape, y, dy) =
            (net.fc3(), &mut outputs.value[of(net.classes)], &mut outputs.gradient[of(net.classes)]);
        let (weight, bias) = (parameter("fc3.weight"), parameter("fc3.bias"));
        let (losses, predicted) = (&mut self.losses[..batch], &mut self.predicted[..batch]);
        match loss.kind {
            LossKind::Nll | LossKind::CrossEntropy => {
                dense_log_softmax(&shape, x, weight, bias, &targets, y, dy, losses, predicted);
            }
            LossKind::Mse => {
                dense_mse(&shape, loss.reduction, x, weight, bias, &targets, y, dy, losses, predicted);
            }
            LossKind::RawNll => {
                dense_raw_nll(&shape, x, weight, bias, &targets, y, dy, losses, predicted);
            }
        }
    }

    /// The gradient of the last [`Self::forward`]'s loss, to be read with [`Self::gradient`].
    pub fn backward(&mut self) {
        let (net, batch) = (self.shape, self.batch);
        let of = |len: usize| ..batch * len;
        let Self { table, parameters, gradient, conv1, conv2, fc1, fc2, outputs, .. } = self;
        let (layers, norms) = parameters.split_at(table.layers_len());
        let (gradient, dnorms) = gradient.split_at_mut(table.layers_len());
        let weight = |name| &layers[table.get(name).range()];

        // Tensors lie in the arena one after the other, so gradients are cut off its end on the way back.
        let mut rest = gradient;
        let mut take = |name: &str| {
            let tensor = table.get(name);
            let (front, piece) = std::mem::take(&mut rest).split_at_mut(tensor.offset);
            rest = front;
            piece
        };

        let dy = &outputs.gradient[of(net.classes)];
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
        // What was pooled had an activation, which is left to the pool's way back.
        let identity = Activation::Identity;
        dense_backward(&net.fc1(), identity, x, weight("fc1.weight"), dy, dx, dweight, dbias);

        let (dbias, dweight) = (take("conv2.bias"), take("conv2.weight"));
        let (x, dx) = conv1.output(batch);
        conv2.backward(batch, x, weight("conv2.weight"), norms, dnorms, Some(dx), dweight, dbias);

        let (dbias, dweight) = (take("conv1.bias"), take("conv1.weight"));
        let x = &self.x[of(net.image_len())];
        conv1.backward(batch, x, weight("conv1.weight"), norms, dnorms, None, dweight, dbias);
    }

    /// The gradient of the batch's loss, in the layout of the arena's trained part.
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// The loss of each image of the last batch.
    pub fn losses(&self) -> &[T] {
        &self.losses[..self.batch]
    }

    /// Log-probabilities `[B, K]` of the last batch, or its logits where the loss is of them (mse, raw nll).
    pub fn outputs(&self) -> &[T] {
        &self.outputs.value[..self.batch * self.shape.classes]
    }

    /// The class of each image's largest output.
    pub fn predicted(&self) -> &[u32] {
        &self.predicted[..self.batch]
    }

    /// Makes [`Self::gradient`] the sum of the last batch's and, where that `follows` others in its step,
    /// of theirs.
    pub fn accumulate(&mut self, follows: bool) {
        self.accumulated.resize(self.gradient.len(), T::zero());
        accumulate(follows, &mut self.gradient, &mut self.accumulated);
    }

    /// One step along the gradient, which is clipped in place.
    pub fn update(&mut self, optimizer: &Optimizer, learning_rate: f32) {
        self.step += 1;
        let Self { table, gradient, parameters, first_moment, second_moment, .. } = self;
        let parameters = &mut parameters[..table.trained_len()];
        clip(&optimizer.clip, table.trained(), gradient);
        let decay = optimizer.weight_decay;
        match optimizer.rule {
            Rule::Adam(rule) => {
                let t = self.step;
                adam(&rule, decay, learning_rate, t, gradient, parameters, first_moment, second_moment);
            }
            Rule::Sgd(rule) => {
                sgd(&rule, decay, learning_rate, gradient, parameters, first_moment);
            }
        }
        if let Some(bound) = optimizer.bound {
            limit(bound, parameters);
        }
    }

    /// The first tensor, in the table's order, that is not finite: parameters first, then gradients.
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

    /// Every map of the last batch.
    pub fn maps(&self) -> Maps<'_, T> {
        let (net, batch) = (&self.shape, self.batch);
        let of = |len: usize| ..batch * len;
        let (image, pool1, pool2) =
            (of(net.image_len()), of(net.pool1().out_len()), of(net.pool2().out_len()));
        let (fc1, fc2, classes) = (of(net.fc1().outputs), of(net.fc2().outputs), of(net.classes));
        let norms =
            [self.conv1.between.as_ref(), self.conv2.between.as_ref(), Some(&self.fc1), Some(&self.fc2)];
        let of_norms = |map: fn(&Map<T>) -> &[T]| {
            let [Some(bn1), Some(bn2), Some(bn3), Some(bn4)] = norms.map(|layer| layer?.norm.as_ref()) else {
                return None;
            };
            let (conv1, conv2) = (of(net.conv1().out_len()), of(net.conv2().out_len()));
            Some([&map(&bn1.map)[conv1], &map(&bn2.map)[conv2], &map(&bn3.map)[fc1], &map(&bn4.map)[fc2]])
        };
        let parameter = |name| &self.parameters[self.table.get(name).range()];
        let (x, y) = (&self.x[image], &self.conv1.pooled.map.value[pool1]);
        let conv1 = self.conv1.maps(x, parameter("conv1.weight"), parameter("conv1.bias"));
        let conv2 = self.conv2.maps(y, parameter("conv2.weight"), parameter("conv2.bias"));
        Maps {
            x,
            pool1: y,
            argmax1: &self.conv1.pooled.argmax[pool1],
            pool2: &self.conv2.pooled.map.value[pool2],
            argmax2: &self.conv2.pooled.argmax[pool2],
            fc1: &self.fc1.map.value[fc1],
            fc2: &self.fc2.map.value[fc2],
            outputs: &self.outputs.value[classes],
            norms: of_norms(|map| &map.value),
            dconv1: self.conv1.gradient(&conv1),
            dpool1: &self.conv1.pooled.map.gradient[pool1],
            dconv2: self.conv2.gradient(&conv2),
            dpool2: &self.conv2.pooled.map.gradient[pool2],
            dfc1: &self.fc1.map.gradient[fc1],
            dfc2: &self.fc2.map.gradient[fc2],
            dlogits: &self.outputs.gradient[classes],
            dnorms: of_norms(|map| &map.gradient),
            conv1,
            conv2,
        }
    }
}

/// Whether no value is infinite or NaN. All are looked at, with no way out early, so that the loop is
/// one of vectors; each look is at the exponent's bits alone.
fn all_finite<T: Real>(values: &[T]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
