//! A convolution and what follows it: `conv → ReLU → [batch norm] → max-pool`.
//!
//! Without batch normalisation the convolution and the pool are one operation, and the convolution's output is not
//! stored. It is recomputed when a check or a test reads it.

use std::borrow::Cow;

use super::layer::{Layer, Pooled};
use super::{
    Real, conv_backward_input, conv_backward_weight, conv_forward, conv_pool_backward, conv_pool_forward,
    max_pool, max_pool_backward,
};
use crate::engine::Mode;
use crate::model::{Activation, ConvShape, NormShape, PoolShape};

/// The results of a convolution block.
#[derive(Debug, Clone)]
pub(super) struct ConvBlock<T> {
    conv: ConvShape,
    pool: PoolShape,
    /// The convolution's output; stored only with batch normalisation.
    pub conv_layer: Option<Layer<T>>,
    pub pooled: Pooled<T>,
}

impl<T: Real> ConvBlock<T> {
    /// A block for batches of up to `batch` images, with batch normalisation if there is a `norm_offset`; see
    /// [`Layer::new`].
    pub fn new(
        batch: usize,
        conv: ConvShape,
        pool: PoolShape,
        norm: NormShape,
        norm_offset: Option<usize>,
    ) -> Self {
        Self {
            conv,
            pool,
            conv_layer: norm_offset.map(|offset| Layer::new(batch, Activation::Relu, norm, Some(offset))),
            pooled: Pooled::new(batch, pool),
        }
    }

    /// x `[batch, C, H, W]` → the pooled output. `norms` is as for [`Layer::finish_forward`].
    pub fn forward(
        &mut self,
        mode: Mode,
        batch: usize,
        x: &[T],
        weight: &[T],
        bias: &[T],
        norms: &mut [T],
    ) -> &[T] {
        let Self { conv, pool, conv_layer, pooled } = self;
        let used = ..batch * pool.out_len();
        let (y, argmax) = (&mut pooled.output.value[used], &mut pooled.argmax[used]);
        match conv_layer {
            Some(layer) => {
                let conv_y = &mut layer.activated.value[..batch * conv.out_len()];
                conv_forward(conv, Activation::Relu, x, weight, bias, conv_y);
                max_pool(pool, layer.finish_forward(mode, batch, norms), y, argmax);
            }
            None => {
                // Only the backward pass needs the positions of maxima.
                let argmax = (mode == Mode::Train).then_some(argmax);
                conv_pool_forward(conv, pool, x, weight, bias, y, argmax);
            }
        }
        y
    }

    /// The pooled output, and where the next layer writes its gradient.
    pub fn output(&mut self, batch: usize) -> (&[T], &mut [T]) {
        let (used, output) = (..batch * self.pool.out_len(), &mut self.pooled.output);
        (&output.value[used], &mut output.gradient[used])
    }

    /// Computes the gradients of all parameters of [`Self::forward`], and of x if `dx` is given. `norms` and
    /// `dnorms` are as for [`Layer::finish_backward`].
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &mut self,
        batch: usize,
        x: &[T],
        weight: &[T],
        norms: &[T],
        dnorms: &mut [T],
        dx: Option<&mut [T]>,
        dweight: &mut [T],
        dbias: &mut [T],
    ) {
        let Self { conv, pool, conv_layer, pooled } = self;
        let used = ..batch * pool.out_len();
        let (y, argmax, dy) =
            (&pooled.output.value[used], &pooled.argmax[used], &pooled.output.gradient[used]);
        let Some(layer) = conv_layer else {
            return conv_pool_backward(conv, pool, x, weight, y, argmax, dy, dx, dweight, dbias);
        };
        let (activation, pool_x, dpool_x) = layer.output(batch);
        max_pool_backward(pool, activation, pool_x, argmax, dy, dpool_x);
        let dy = layer.finish_backward(batch, norms, dnorms);
        conv_backward_weight(conv, x, dy, dweight, dbias);
        if let Some(dx) = dx {
            conv_backward_input(conv, weight, dy, dx);
        }
    }

    /// The convolution's output after ReLU, for x `[B, C, H, W]`.
    pub fn conv_output(&self, x: &[T], weight: &[T], bias: &[T]) -> Cow<'_, [T]> {
        let len = x.len() / self.conv.in_len() * self.conv.out_len();
        match &self.conv_layer {
            Some(layer) => Cow::Borrowed(&layer.activated.value[..len]),
            None => {
                let mut y = vec![T::zero(); len];
                conv_forward(&self.conv, Activation::Relu, x, weight, bias, &mut y);
                Cow::Owned(y)
            }
        }
    }

    /// The gradient of the convolution's output before ReLU, once [`Self::backward`] ran. `conv_output` is the result
    /// of [`Self::conv_output`].
    pub fn conv_gradient(&self, conv_output: &[T]) -> Cow<'_, [T]> {
        if let Some(layer) = &self.conv_layer {
            return Cow::Borrowed(&layer.activated.gradient[..conv_output.len()]);
        }
        let used = ..conv_output.len() / self.conv.out_len() * self.pool.out_len();
        let (argmax, dy) = (&self.pooled.argmax[used], &self.pooled.output.gradient[used]);
        let mut gradient = vec![T::zero(); conv_output.len()];
        max_pool_backward(&self.pool, Activation::Relu, conv_output, argmax, dy, &mut gradient);
        Cow::Owned(gradient)
    }
}
