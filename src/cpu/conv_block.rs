//! A convolution with what follows it: `conv → ReLU → [bn] → max-pool`.
//!
//! Where nothing is between them, the convolution and its pool are one, and what the convolution itself gives
//! is not kept: whoever wants to see it has it made again.

use std::borrow::Cow;

use super::layer::{Layer, Pooled};
use super::{
    Real, conv_backward_input, conv_backward_weight, conv_forward, conv_pool_backward, conv_pool_forward,
    max_pool, max_pool_backward,
};
use crate::engine::Mode;
use crate::model::{Activation, ConvShape, NormShape, PoolShape};

/// What a block leaves.
#[derive(Debug, Clone)]
pub(super) struct ConvBlock<T> {
    conv: ConvShape,
    pool: PoolShape,
    /// What is between the convolution and its pool, where it is normalised.
    pub between: Option<Layer<T>>,
    pub pooled: Pooled<T>,
}

impl<T: Real> ConvBlock<T> {
    /// A block of which a batch normalisation's tensors stand at `place`, as [`Layer::new`] has it.
    pub fn new(
        batch: usize,
        conv: ConvShape,
        pool: PoolShape,
        norm: NormShape,
        place: Option<usize>,
    ) -> Self {
        Self {
            conv,
            pool,
            between: place.map(|place| Layer::new(batch, Activation::Relu, norm, Some(place))),
            pooled: Pooled::new(batch, pool),
        }
    }

    /// x `[batch, C, H, W]` → what was pooled. `norms` are as [`Layer::finish`] wants them.
    pub fn forward(
        &mut self,
        pass: Mode,
        batch: usize,
        x: &[T],
        weight: &[T],
        bias: &[T],
        norms: &mut [T],
    ) -> &[T] {
        let Self { conv, pool, between, pooled } = self;
        let of_pool = ..batch * pool.out_len();
        let (y, argmax) = (&mut pooled.map.value[of_pool], &mut pooled.argmax[of_pool]);
        match between {
            Some(layer) => {
                let maps = &mut layer.map.value[..batch * conv.out_len()];
                conv_forward(conv, Activation::Relu, x, weight, bias, maps);
                max_pool(pool, layer.finish(pass, batch, norms), y, argmax);
            }
            None => {
                // Only the way back asks where maxima were.
                let argmax = (pass == Mode::Train).then_some(argmax);
                conv_pool_forward(conv, pool, x, weight, bias, y, argmax);
            }
        }
        y
    }

    /// Where the next layer finds what was pooled, and leaves its gradient.
    pub fn output(&mut self, batch: usize) -> (&[T], &mut [T]) {
        let (part, map) = (..batch * self.pool.out_len(), &mut self.pooled.map);
        (&map.value[part], &mut map.gradient[part])
    }

    /// The gradients of all that [`Self::forward`] took; of x where that is asked for. `norms` and `dnorms` are
    /// as [`Layer::finish_backward`] wants them.
    // The gradients of three things, from what made one thing of them.
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
        let Self { conv, pool, between, pooled } = self;
        let of_pool = ..batch * pool.out_len();
        let (y, argmax, dy) =
            (&pooled.map.value[of_pool], &pooled.argmax[of_pool], &pooled.map.gradient[of_pool]);
        let Some(layer) = between else {
            return conv_pool_backward(conv, pool, x, weight, y, argmax, dy, dx, dweight, dbias);
        };
        let (activation, maps, dmaps) = layer.output(batch);
        max_pool_backward(pool, activation, maps, argmax, dy, dmaps);
        let dy = layer.finish_backward(batch, norms, dnorms);
        conv_backward_weight(conv, x, dy, dweight, dbias);
        if let Some(dx) = dx {
            conv_backward_input(conv, weight, dy, dx);
        }
    }

    /// The convolution's maps after ReLU, for x `[B, C, H, W]`.
    pub fn maps(&self, x: &[T], weight: &[T], bias: &[T]) -> Cow<'_, [T]> {
        let len = x.len() / self.conv.in_len() * self.conv.out_len();
        match &self.between {
            Some(layer) => Cow::Borrowed(&layer.map.value[..len]),
            None => {
                let mut maps = vec![T::zero(); len];
                conv_forward(&self.conv, Activation::Relu, x, weight, bias, &mut maps);
                Cow::Owned(maps)
            }
        }
    }

    /// The gradient of the convolution's maps before ReLU, once it went back.
    pub fn gradient(&self, maps: &[T]) -> Cow<'_, [T]> {
        if let Some(layer) = &self.between {
            return Cow::Borrowed(&layer.map.gradient[..maps.len()]);
        }
        let of_pool = ..maps.len() / self.conv.out_len() * self.pool.out_len();
        let (argmax, dy) = (&self.pooled.argmax[of_pool], &self.pooled.map.gradient[of_pool]);
        let mut gradient = vec![T::zero(); maps.len()];
        max_pool_backward(&self.pool, Activation::Relu, maps, argmax, dy, &mut gradient);
        Cow::Owned(gradient)
    }
}
