//! The stored results of the network's layers: activations and their gradients.

use super::{
    Real, Statistics, batch_norm_backward_input, batch_norm_backward_weight, batch_norm_forward,
    batch_norm_statistics, log_softmax, log_softmax_backward,
};
use crate::engine::Mode;
use crate::model::{Activation, NormShape, PoolShape};

/// A tensor and its gradient.
#[derive(Debug, Clone)]
pub(super) struct Variable<T> {
    pub value: Vec<T>,
    pub gradient: Vec<T>,
}

impl<T: Real> Variable<T> {
    pub fn new(len: usize) -> Self {
        Self { value: vec![T::zero(); len], gradient: vec![T::zero(); len] }
    }
}

/// The results of a max-pool.
#[derive(Debug, Clone)]
pub(super) struct Pooled<T> {
    pub output: Variable<T>,
    pub argmax: Vec<u32>,
}

impl<T: Real> Pooled<T> {
    pub fn new(batch: usize, shape: PoolShape) -> Self {
        let len = batch * shape.out_len();
        Self { output: Variable::new(len), argmax: vec![0; len] }
    }
}

/// The results of a layer that may have batch normalisation.
#[derive(Debug, Clone)]
pub(super) struct Layer<T> {
    activation: Activation,
    shape: NormShape,
    /// The layer's output after its activation.
    pub activated: Variable<T>,
    pub norm: Option<Norm<T>>,
}

/// The results of a batch normalisation.
#[derive(Debug, Clone)]
pub(super) struct Norm<T> {
    /// Offset of its weight among the weights and biases of all batch normalisations; its bias follows directly. Its
    /// running mean and variance have the same offset among the running statistics.
    offset: usize,
    pub normalised: Variable<T>,
    mean: Vec<T>,
    variance: Vec<T>,
}

impl<T: Real> Layer<T> {
    /// A layer for batches of up to `batch` images, with batch normalisation if there is a `norm_offset`.
    pub fn new(batch: usize, activation: Activation, shape: NormShape, norm_offset: Option<usize>) -> Self {
        let len = batch * shape.image_len();
        let norm = norm_offset.map(|offset| Norm {
            offset,
            normalised: Variable::new(len),
            mean: vec![T::zero(); shape.channels],
            variance: vec![T::zero(); shape.channels],
        });
        Self { activation, shape, activated: Variable::new(len), norm }
    }

    /// Applies log-softmax, if that is the activation, and batch normalisation to `activated`, and returns the input
    /// of the next layer. `norms` is the arena's part for batch normalisation: all weights and biases, then as many
    /// running statistics.
    pub fn finish_forward(&mut self, mode: Mode, batch: usize, norms: &mut [T]) -> &[T] {
        let Self { shape, activated, norm, .. } = self;
        let x = &mut activated.value[..batch * shape.image_len()];
        if self.activation == Activation::LogSoftmax {
            log_softmax(shape.image_len(), x);
        }
        let Some(Norm { offset, normalised, mean, variance }) = norm else { return x };

        let (affine, running) = norms.split_at_mut(norms.len() / 2);
        let pair = *offset..*offset + 2 * shape.channels;
        let (weight, bias) = affine[pair.clone()].split_at(shape.channels);
        let (running_mean, running_var) = running[pair].split_at_mut(shape.channels);
        let statistics = match mode {
            Mode::Train => {
                batch_norm_statistics(shape, x, mean, variance, running_mean, running_var);
                Statistics { mean, variance }
            }
            Mode::Evaluate => Statistics { mean: running_mean, variance: running_var },
        };
        let y = &mut normalised.value[..batch * shape.image_len()];
        batch_norm_forward(shape, x, &statistics, weight, bias, y);
        y
    }

    /// The output as the next layer's backward pass needs it: the activation to take the gradient through, the
    /// values, and where to write the gradient. With batch normalisation the activation is the identity, because
    /// [`Self::finish_backward`] applies the derivative.
    pub fn output(&mut self, batch: usize) -> (Activation, &[T], &mut [T]) {
        let (activation, output) = match &mut self.norm {
            Some(norm) => (Activation::Identity, &mut norm.normalised),
            None => (self.activation, &mut self.activated),
        };
        let used = ..batch * self.shape.image_len();
        (activation, &output.value[used], &mut output.gradient[used])
    }

    /// Propagates the gradient that the next layer wrote back through batch normalisation and the activation, and
    /// returns the gradient before the activation. `norms` and `dnorms` start with the weights and biases of all
    /// batch normalisations and with their gradients.
    pub fn finish_backward(&mut self, batch: usize, norms: &[T], dnorms: &mut [T]) -> &[T] {
        let Self { activation, shape, activated, norm } = self;
        let used = ..batch * shape.image_len();
        let (x, dx) = (&activated.value[used], &mut activated.gradient[used]);
        if let Some(Norm { offset, normalised, mean, variance }) = norm {
            let statistics = Statistics { mean, variance };
            let dy = &normalised.gradient[used];
            let weight = &norms[*offset..][..shape.channels];
            let (dweight, dbias) = dnorms[*offset..][..2 * shape.channels].split_at_mut(shape.channels);
            batch_norm_backward_weight(shape, x, &statistics, dy, dweight, dbias);
            batch_norm_backward_input(shape, *activation, x, &statistics, weight, dweight, dbias, dy, dx);
        }
        if *activation == Activation::LogSoftmax {
            log_softmax_backward(shape.image_len(), x, dx);
        }
        dx
    }
}
