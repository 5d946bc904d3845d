//! What the layers of the network leave: their maps, and beside each its gradient.

use super::{
    Real, Statistics, batch_norm_backward_input, batch_norm_backward_weight, batch_norm_forward,
    batch_norm_statistics, log_softmax, log_softmax_backward,
};
use crate::engine::Mode;
use crate::model::{Activation, NormShape, PoolShape};

/// A map and its gradient.
#[derive(Debug, Clone)]
pub(super) struct Map<T> {
    pub value: Vec<T>,
    pub gradient: Vec<T>,
}

impl<T: Real> Map<T> {
    pub fn new(len: usize) -> Self {
        Self { value: vec![T::zero(); len], gradient: vec![T::zero(); len] }
    }
}

/// What a pool leaves.
#[derive(Debug, Clone)]
pub(super) struct Pooled<T> {
    pub map: Map<T>,
    pub argmax: Vec<u32>,
}

impl<T: Real> Pooled<T> {
    pub fn new(batch: usize, shape: PoolShape) -> Self {
        let len = batch * shape.out_len();
        Self { map: Map::new(len), argmax: vec![0; len] }
    }
}

/// What a layer that may be normalised leaves.
#[derive(Debug, Clone)]
pub(super) struct Layer<T> {
    activation: Activation,
    /// What a batch normalisation sees, and one image's values in it.
    shape: NormShape,
    /// After the activation.
    pub map: Map<T>,
    pub norm: Option<Norm<T>>,
}

/// What a batch normalisation leaves.
#[derive(Debug, Clone)]
pub(super) struct Norm<T> {
    /// Where its weight stands among the weights and biases of all batch normalisations, and its bias right
    /// after; its running mean and variance stand alike.
    place: usize,
    pub map: Map<T>,
    mean: Vec<T>,
    variance: Vec<T>,
}

impl<T: Real> Layer<T> {
    pub fn new(batch: usize, activation: Activation, shape: NormShape, place: Option<usize>) -> Self {
        let len = batch * shape.image_len();
        let norm = place.map(|place| Norm {
            place,
            map: Map::new(len),
            mean: vec![T::zero(); shape.channels],
            variance: vec![T::zero(); shape.channels],
        });
        Self { activation, shape, map: Map::new(len), norm }
    }

    /// Does to the map what is left to be done to it, and gives what the next layer sees. `norms` are the
    /// arena's tensors of batch normalisations: weights and biases, then as many running statistics.
    pub fn finish(&mut self, pass: Mode, batch: usize, norms: &mut [T]) -> &[T] {
        let Self { shape, map, norm, .. } = self;
        let x = &mut map.value[..batch * shape.image_len()];
        if self.activation == Activation::LogSoftmax {
            log_softmax(shape.image_len(), x);
        }
        let Some(Norm { place, map, mean, variance }) = norm else { return x };

        let (affine, running) = norms.split_at_mut(norms.len() / 2);
        let pair = *place..*place + 2 * shape.channels;
        let (weight, bias) = affine[pair.clone()].split_at(shape.channels);
        let (running_mean, running_var) = running[pair].split_at_mut(shape.channels);
        let statistics = match pass {
            Mode::Train => {
                batch_norm_statistics(shape, x, mean, variance, running_mean, running_var);
                Statistics { mean, variance }
            }
            Mode::Evaluate => Statistics { mean: running_mean, variance: running_var },
        };
        let y = &mut map.value[..batch * shape.image_len()];
        batch_norm_forward(shape, x, &statistics, weight, bias, y);
        y
    }

    /// What the next layer sees, where it leaves the gradient of that, and the activation that it takes the
    /// gradient through: a batch normalisation does that itself.
    pub fn output(&mut self, batch: usize) -> (Activation, &[T], &mut [T]) {
        let (activation, map) = match &mut self.norm {
            Some(norm) => (Activation::Identity, &mut norm.map),
            None => (self.activation, &mut self.map),
        };
        let part = ..batch * self.shape.image_len();
        (activation, &map.value[part], &mut map.gradient[part])
    }

    /// Takes the gradient from where the next layer left it to before the activation. `norms` and `dnorms`
    /// begin with the weights and biases of all batch normalisations and with their gradients.
    pub fn finish_backward(&mut self, batch: usize, norms: &[T], dnorms: &mut [T]) -> &[T] {
        let Self { activation, shape, map, norm } = self;
        let part = ..batch * shape.image_len();
        let (x, dx) = (&map.value[part], &mut map.gradient[part]);
        if let Some(Norm { place, map, mean, variance }) = norm {
            let statistics = Statistics { mean, variance };
            let dy = &map.gradient[part];
            let weight = &norms[*place..][..shape.channels];
            let (dweight, dbias) = dnorms[*place..][..2 * shape.channels].split_at_mut(shape.channels);
            batch_norm_backward_weight(shape, x, &statistics, dy, dweight, dbias);
            batch_norm_backward_input(shape, *activation, x, &statistics, weight, dweight, dbias, dy, dx);
        }
        if *activation == Activation::LogSoftmax {
            log_softmax_backward(shape.image_len(), x, dx);
        }
        dx
    }
}
