//! Convolution, ReLU and max-pool in one, backward.
//!
//! A window's gradient goes to the position of its maximum and from there, unless ReLU blocks it, into the
//! convolution. The result equals `max_pool_backward.rs` followed by `conv_backward_weight.rs` and
//! `conv_backward_input.rs`, but the gradient of the convolution's output, which is mostly zeros, is never stored.
//!
//! Shapes per image: x `[C, H, W]`, w `[F, C, f, f]`, y, argmax and dy `[F, H″, W″]` → dw `[F, C, f, f]`, db `[F]`,
//! dx `[C, H, W]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::{chunk_len, for_each_chunk};
use super::conv_backward_input as input;
use super::conv_backward_weight as weights;
use super::padded::PaddedLayout;
use super::sparse_gradient::SparseGradient;
use crate::model::{ConvShape, PoolShape};

/// Computes dL/dF and dL/db, summed over the batch, and dL/dX if `dx` is given: x `[B, C, H, W]`, y, argmax and dy
/// `[B, F, H″, W″]` → dx `[B, C, H, W]`, dweight `[F, C, f, f]`, dbias `[F]`, which are overwritten. `y` and `argmax`
/// are the results of [`super::conv_pool_forward()`].
///
/// # Panics
/// If a slice does not have the length of its shape or the batch is empty.
#[allow(clippy::too_many_arguments)]
pub fn conv_pool_backward<T: Real>(
    conv: &ConvShape,
    pool: &PoolShape,
    x: &[T],
    weight: &[T],
    y: &[T],
    argmax: &[u32],
    dy: &[T],
    dx: Option<&mut [T]>,
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / conv.in_len();
    assert_eq!(x.len(), batch * conv.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * pool.out_len(), "y is not [batch, filters, out_height, out_width]");
    assert_eq!(argmax.len(), y.len(), "argmax is not [batch, filters, out_height, out_width]");
    assert_eq!(dy.len(), y.len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(dweight.len(), conv.weight_len(), "dweight is not [filters, channels, size, size]");
    assert_eq!(dbias.len(), conv.filters, "dbias is not [filters]");
    assert_eq!(weight.len(), conv.weight_len(), "the weight is not [filters, channels, size, size]");

    let chunk = chunk_len(batch);
    let mut sums = vec![weights::Sums::new(conv); batch.div_ceil(chunk)];
    // Only dL/dX needs packed weights; the first layer does not compute it.
    let (packed, mut dx): (_, Vec<Option<&mut [T]>>) = match dx {
        Some(dx) => {
            assert_eq!(dx.len(), x.len(), "dx is not [batch, channels, height, width]");
            (input::pack(conv, weight), dx.chunks_mut(chunk * conv.in_len()).map(Some).collect())
        }
        None => (Vec::new(), sums.iter().map(|_| None).collect()),
    };
    let images = x.par_chunks(chunk * conv.in_len()).zip(&mut dx);
    let windows = y
        .par_chunks(chunk * pool.out_len())
        .zip(argmax.par_chunks(chunk * pool.out_len()))
        .zip(dy.par_chunks(chunk * pool.out_len()));
    for_each_chunk(images.zip(windows).zip(&mut sums), |(((x, dx), ((y, argmax), dy)), sums)| {
        let layout = PaddedLayout::new(conv);
        let starts = weights::vector_starts(conv, &layout);
        let mut padded = layout.zeros();
        let mut gradient = SparseGradient::new(conv, &layout, pool.out_height() * pool.out_width());
        let mut input_sums = input::Sums::new(conv, &layout);
        let mut dx = dx.as_mut().map(|dx| dx.chunks_exact_mut(conv.in_len()));
        let windows = y
            .chunks_exact(pool.out_len())
            .zip(argmax.chunks_exact(pool.out_len()))
            .zip(dy.chunks_exact(pool.out_len()));
        for (x, ((y, argmax), dy)) in x.chunks_exact(conv.in_len()).zip(windows) {
            layout.copy_image(x, &mut padded);
            gradient.set_pooled(y, argmax, dy);
            weights::add_image(&starts, &padded, &gradient, sums);
            if let Some(dx) = dx.as_mut().and_then(Iterator::next) {
                input::image(conv, &layout, &packed, &gradient, &mut input_sums, dx);
            }
        }
    });
    weights::total(conv, &mut sums, dweight, dbias);
}

#[cfg(test)]
mod tests {
    use super::super::{conv_backward_input, conv_backward_weight, conv_pool_forward, max_pool_backward};
    use super::*;
    use crate::model::{Activation, LeNet5};

    /// Sums of at most a few hundred products of values in (−0.5, 0.5), added in two orders.
    const TOLERANCE: f64 = 1e-12;

    /// Values in (−0.5, 0.5).
    fn values(len: usize, seed: usize) -> Vec<f64> {
        (0..len).map(|i| ((i + seed) * 7919 % 1013) as f64 / 1013.0 - 0.5).collect()
    }

    #[track_caller]
    fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
            assert!((actual - expected).abs() <= TOLERANCE, "[{index}]: {actual}, expected {expected}");
        }
    }

    #[test]
    fn equals_the_pool_and_the_convolution_backward_in_sequence() {
        let [grey, colour] = [1, 3].map(|channels| LeNet5::new(channels, 10));
        let conv =
            ConvShape { channels: 9, height: 9, width: 11, filters: 3, size: 3, stride: 2, padding: 2 };
        let pool = PoolShape { channels: 3, height: 6, width: 7, window: 2, stride: 3 };
        for (conv, pool) in [
            (grey.conv1(), grey.pool1()),
            (colour.conv1(), colour.pool1()),
            (grey.conv2(), grey.pool2()),
            (conv, pool),
        ] {
            let batch = 3;
            let (x, weight) = (values(batch * conv.in_len(), 1), values(conv.weight_len(), 2));
            let dy = values(batch * pool.out_len(), 4);
            let (mut y, mut argmax) = (vec![0.0; dy.len()], vec![0; dy.len()]);
            let bias = values(conv.filters, 3);
            conv_pool_forward(&conv, &pool, &x, &weight, &bias, &mut y, Some(&mut argmax));

            let mut conv_y = vec![0.0; batch * conv.out_len()];
            super::super::conv_forward(&conv, Activation::Relu, &x, &weight, &bias, &mut conv_y);
            let mut dconv = vec![f64::NAN; conv_y.len()];
            max_pool_backward(&pool, Activation::Relu, &conv_y, &argmax, &dy, &mut dconv);
            let empty =
                || (vec![f64::NAN; x.len()], vec![f64::NAN; weight.len()], vec![f64::NAN; bias.len()]);
            let expected = {
                let (mut dx, mut dweight, mut dbias) = empty();
                conv_backward_weight(&conv, &x, &dconv, &mut dweight, &mut dbias);
                conv_backward_input(&conv, &weight, &dconv, &mut dx);
                (dx, dweight, dbias)
            };

            let (mut dx, mut dweight, mut dbias) = empty();
            let some_dx = Some(&mut dx[..]);
            conv_pool_backward(
                &conv,
                &pool,
                &x,
                &weight,
                &y,
                &argmax,
                &dy,
                some_dx,
                &mut dweight,
                &mut dbias,
            );
            assert_close(&dx, &expected.0);
            assert_close(&dweight, &expected.1);
            assert_close(&dbias, &expected.2);
        }
    }
}
