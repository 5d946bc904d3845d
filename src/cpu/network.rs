//! LeNet-5 over the operations of this folder, with every map kept: x → conv1 → ReLU → pool1 → conv2 →
//! ReLU → pool2 → fc1 → ReLU → fc2 → ReLU → fc3 → log-softmax, and back.
//!
//! A map is stored as the shaders have it, after its activation, for the largest batch that was asked
//! for; a smaller batch uses the front of each. A gradient's name is its map's with a `d`, and it is
//! the gradient *before* that map's activation.

use super::blocks::Scratch;
use super::conv_backward_input::conv_backward_input_in;
use super::conv_backward_weight::conv_backward_weight_in;
use super::conv_forward::conv_forward_in;
use super::{
    Real, accumulate, adam, clip, dense_backward, dense_forward, dense_log_softmax, limit, max_pool,
    max_pool_backward, sgd,
};
use crate::engine::{NonFinite, Optimizer, Rule};
use crate::model::{Activation, ConvShape, LeNet5, ParameterTable, PoolShape};

/// The network, its parameters and gradients, the optimizer's state, and every intermediate map of a batch.
#[derive(Debug, Clone)]
pub struct Network<T> {
    shape: LeNet5,
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
    conv1: ConvMaps<T>,
    conv2: ConvMaps<T>,
    fc1: Map<T>,
    fc2: Map<T>,
    log_probs: Map<T>,
    losses: Vec<T>,
    predicted: Vec<u32>,

    scratch: Scratch<T>,
}

/// A map and its gradient.
#[derive(Debug, Clone)]
struct Map<T> {
    value: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Map<T> {
    fn new(len: usize) -> Self {
        Self { value: vec![T::zero(); len], gradient: vec![T::zero(); len] }
    }
}

/// What a convolution and the pool after it leave.
#[derive(Debug, Clone)]
struct ConvMaps<T> {
    conv: Map<T>,
    pool: Map<T>,
    argmax: Vec<u32>,
}

impl<T: Real> ConvMaps<T> {
    fn new(batch: usize, conv: ConvShape, pool: PoolShape) -> Self {
        let pool_len = batch * pool.out_len();
        Self { conv: Map::new(batch * conv.out_len()), pool: Map::new(pool_len), argmax: vec![0; pool_len] }
    }
}

/// The maps of the last batch, and their gradients once [`Network::backward`] ran. Every slice is the
/// whole batch's; shapes are given for one image.
#[derive(Debug, Clone, Copy)]
pub struct Maps<'a, T> {
    /// `[C, 32, 32]`
    pub x: &'a [T],
    /// `[6, 28, 28]`, after ReLU
    pub conv1: &'a [T],
    /// `[6, 14, 14]`
    pub pool1: &'a [T],
    /// `[6, 14, 14]`, places in a plane of conv1
    pub argmax1: &'a [u32],
    /// `[16, 10, 10]`, after ReLU
    pub conv2: &'a [T],
    /// `[16, 5, 5]`
    pub pool2: &'a [T],
    /// `[16, 5, 5]`, places in a plane of conv2
    pub argmax2: &'a [u32],
    /// `[120]`, after ReLU
    pub fc1: &'a [T],
    /// `[84]`, after ReLU
    pub fc2: &'a [T],
    /// `[K]`
    pub log_probs: &'a [T],
    /// `[6, 28, 28]`, before ReLU
    pub dconv1: &'a [T],
    /// `[6, 14, 14]`
    pub dpool1: &'a [T],
    /// `[16, 10, 10]`, before ReLU
    pub dconv2: &'a [T],
    /// `[16, 5, 5]`
    pub dpool2: &'a [T],
    /// `[120]`, before ReLU
    pub dfc1: &'a [T],
    /// `[84]`, before ReLU
    pub dfc2: &'a [T],
    /// `[K]`, before log-softmax
    pub dlogits: &'a [T],
}

impl<T: Real> Network<T> {
    /// Memory for batches of up to `largest_batch` images; all parameters are 0.
    pub fn new(network: LeNet5, largest_batch: usize) -> Self {
        let table = ParameterTable::new(&network);
        let arena = vec![T::zero(); table.arena_len()];
        let batch = largest_batch;
        Self {
            batch: 0,
            largest_batch,
            parameters: arena.clone(),
            gradient: arena.clone(),
            accumulated: Vec::new(),
            step: 0,
            first_moment: arena.clone(),
            second_moment: arena,
            x: vec![T::zero(); batch * network.image_len()],
            conv1: ConvMaps::new(batch, network.conv1(), network.pool1()),
            conv2: ConvMaps::new(batch, network.conv2(), network.pool2()),
            fc1: Map::new(batch * network.fc1().outputs),
            fc2: Map::new(batch * network.fc2().outputs),
            log_probs: Map::new(batch * network.fc3().outputs),
            losses: vec![T::zero(); batch],
            predicted: vec![0; batch],
            scratch: Scratch::default(),
            table,
            shape: network,
        }
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

    /// The optimizer's state: steps done, first and second moments in the arena's layout.
    pub fn optimizer_state(&self) -> (u64, &[T], &[T]) {
        (self.step, &self.first_moment, &self.second_moment)
    }

    /// # Panics
    /// Where a moment's length is not the arena's.
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

    /// Runs the images that [`Self::input`] was given, one for each label, to their log-probabilities,
    /// losses, predictions, and the gradient of the mean loss at the logits.
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
        let (net, batch) = (self.shape, labels.len());
        assert!(batch <= self.largest_batch, "a batch of {batch}, where {} is the most", self.largest_batch);
        self.batch = batch;
        let of = |len: usize| ..batch * len;
        let Self { table, parameters, scratch, conv1, conv2, fc1, fc2, log_probs, .. } = self;
        let parameter = |name| &parameters[table.get(name).range()];

        let x = &self.x[of(net.image_len())];
        let y = &mut conv1.conv.value[of(net.conv1().out_len())];
        let (weight, bias) = (parameter("conv1.weight"), parameter("conv1.bias"));
        conv_forward_in(scratch, &net.conv1(), Activation::Relu, x, weight, bias, y);

        let pooled = &mut conv1.pool.value[of(net.pool1().out_len())];
        max_pool(&net.pool1(), y, pooled, &mut conv1.argmax[of(net.pool1().out_len())]);

        let y = &mut conv2.conv.value[of(net.conv2().out_len())];
        let (weight, bias) = (parameter("conv2.weight"), parameter("conv2.bias"));
        conv_forward_in(scratch, &net.conv2(), Activation::Relu, pooled, weight, bias, y);

        let pooled = &mut conv2.pool.value[of(net.pool2().out_len())];
        max_pool(&net.pool2(), y, pooled, &mut conv2.argmax[of(net.pool2().out_len())]);

        let y1 = &mut fc1.value[of(net.fc1().outputs)];
        let (weight, bias) = (parameter("fc1.weight"), parameter("fc1.bias"));
        dense_forward(&net.fc1(), Activation::Relu, pooled, weight, bias, y1);

        let y2 = &mut fc2.value[of(net.fc2().outputs)];
        let (weight, bias) = (parameter("fc2.weight"), parameter("fc2.bias"));
        dense_forward(&net.fc2(), Activation::Relu, y1, weight, bias, y2);

        dense_log_softmax(
            &net.fc3(),
            y2,
            parameter("fc3.weight"),
            parameter("fc3.bias"),
            labels,
            T::of(1.0 / step_count as f64),
            &mut log_probs.value[of(net.classes)],
            &mut log_probs.gradient[of(net.classes)],
            &mut self.losses[..batch],
            &mut self.predicted[..batch],
        );
    }

    /// The gradient of the last batch's mean loss, to be read with [`Self::gradient`].
    pub fn backward(&mut self) {
        let (net, batch) = (self.shape, self.batch);
        let of = |len: usize| ..batch * len;
        let Self { table, parameters, gradient, scratch, conv1, conv2, fc1, fc2, log_probs, .. } = self;
        let weight = |name| &parameters[table.get(name).range()];

        // Tensors lie in the arena one after the other, so gradients are cut off its end on the way back.
        let mut rest = &mut gradient[..];
        let mut take = |name: &str| {
            let tensor = table.get(name);
            let (front, piece) = std::mem::take(&mut rest).split_at_mut(tensor.offset);
            rest = front;
            piece
        };

        let (dbias, dweight) = (take("fc3.bias"), take("fc3.weight"));
        let dlogits = &log_probs.gradient[of(net.classes)];
        let dfc2 = &mut fc2.gradient[of(net.fc2().outputs)];
        let x = &fc2.value[of(net.fc2().outputs)];
        dense_backward(&net.fc3(), Activation::Relu, x, weight("fc3.weight"), dlogits, dfc2, dweight, dbias);

        let (dbias, dweight) = (take("fc2.bias"), take("fc2.weight"));
        let dfc1 = &mut fc1.gradient[of(net.fc1().outputs)];
        let x = &fc1.value[of(net.fc1().outputs)];
        dense_backward(&net.fc2(), Activation::Relu, x, weight("fc2.weight"), dfc2, dfc1, dweight, dbias);

        let (dbias, dweight) = (take("fc1.bias"), take("fc1.weight"));
        let dpool = &mut conv2.pool.gradient[of(net.pool2().out_len())];
        let x = &conv2.pool.value[of(net.pool2().out_len())];
        // conv2's ReLU is left to the pool's way back, which knows the values that were pooled.
        dense_backward(
            &net.fc1(),
            Activation::Identity,
            x,
            weight("fc1.weight"),
            dfc1,
            dpool,
            dweight,
            dbias,
        );

        let dconv = &mut conv2.conv.gradient[of(net.conv2().out_len())];
        let x = &conv2.conv.value[of(net.conv2().out_len())];
        let argmax = &conv2.argmax[of(net.pool2().out_len())];
        max_pool_backward(&net.pool2(), Activation::Relu, x, argmax, dpool, dconv);

        let (dbias, dweight) = (take("conv2.bias"), take("conv2.weight"));
        let x = &conv1.pool.value[of(net.pool1().out_len())];
        conv_backward_weight_in(scratch, &net.conv2(), x, dconv, dweight, dbias);
        let dpool = &mut conv1.pool.gradient[of(net.pool1().out_len())];
        conv_backward_input_in(scratch, &net.conv2(), weight("conv2.weight"), dconv, dpool);

        let dconv = &mut conv1.conv.gradient[of(net.conv1().out_len())];
        let x = &conv1.conv.value[of(net.conv1().out_len())];
        let argmax = &conv1.argmax[of(net.pool1().out_len())];
        max_pool_backward(&net.pool1(), Activation::Relu, x, argmax, dpool, dconv);

        let (dbias, dweight) = (take("conv1.bias"), take("conv1.weight"));
        let x = &self.x[of(net.image_len())];
        conv_backward_weight_in(scratch, &net.conv1(), x, dconv, dweight, dbias);
    }

    /// The gradient of the mean loss, in the arena's layout.
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// −log p(label) of each image of the last batch.
    pub fn losses(&self) -> &[T] {
        &self.losses[..self.batch]
    }

    /// Log-probabilities `[B, K]` of the last batch.
    pub fn log_probs(&self) -> &[T] {
        &self.log_probs.value[..self.batch * self.shape.classes]
    }

    /// The class of each image's largest log-probability.
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
        clip(&optimizer.clip, table.tensors(), gradient);
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
        let first = |arena: &[T]| {
            self.table
                .tensors()
                .iter()
                .find(|&tensor| !all_finite(&arena[tensor.range()]))
                .map(|tensor| tensor.name)
        };
        let parameter = first(&self.parameters).map(|name| (name, NonFinite::Parameter));
        parameter.or_else(|| first(&self.gradient).map(|name| (name, NonFinite::Gradient)))
    }

    /// Every map of the last batch.
    pub fn maps(&self) -> Maps<'_, T> {
        let (net, batch) = (&self.shape, self.batch);
        let of = |len: usize| ..batch * len;
        let (conv1, pool1) = (of(net.conv1().out_len()), of(net.pool1().out_len()));
        let (conv2, pool2) = (of(net.conv2().out_len()), of(net.pool2().out_len()));
        let (fc1, fc2, classes) = (of(net.fc1().outputs), of(net.fc2().outputs), of(net.classes));
        Maps {
            x: &self.x[of(net.image_len())],
            conv1: &self.conv1.conv.value[conv1],
            pool1: &self.conv1.pool.value[pool1],
            argmax1: &self.conv1.argmax[pool1],
            conv2: &self.conv2.conv.value[conv2],
            pool2: &self.conv2.pool.value[pool2],
            argmax2: &self.conv2.argmax[pool2],
            fc1: &self.fc1.value[fc1],
            fc2: &self.fc2.value[fc2],
            log_probs: &self.log_probs.value[classes],
            dconv1: &self.conv1.conv.gradient[conv1],
            dpool1: &self.conv1.pool.gradient[pool1],
            dconv2: &self.conv2.conv.gradient[conv2],
            dpool2: &self.conv2.pool.gradient[pool2],
            dfc1: &self.fc1.gradient[fc1],
            dfc2: &self.fc2.gradient[fc2],
            dlogits: &self.log_probs.gradient[classes],
        }
    }
}

/// Whether no value is infinite or NaN. All are looked at, with no way out early, so that the loop is
/// one of vectors; each look is at the exponent's bits alone.
fn all_finite<T: Real>(values: &[T]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
