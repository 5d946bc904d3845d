//! Convolution, ReLU and max-pool in one, forward: only the maximum of each window is stored.
//!
//! `y[f, R, Q] = max over i, j < w of relu(conv[f, R·s + i, Q·s + j])` for the convolution of `conv_forward.rs`, with
//! argmax positions as in `max_pool.rs`. The result is bit for bit that of the two operations in sequence. Only the
//! backward pass needs argmax positions, so evaluation skips them.
//!
//! The convolution rows that a window covers are computed as vectors over filters, and maxima are taken of these
//! vectors. Only the maxima are transposed into feature maps, one image at a time.
//!
//! Shapes per image: x `[C, H, W]`, w `[F, C, f, f]`, bias `[F]` → y and argmax `[F, H″, W″]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::relu;
use super::blocks::{LANES, chunk_len, for_each_chunk};
use super::conv_forward::{Packed, VECTORS, row};
use super::max_pool::replaces;
use super::padded::PaddedLayout;
use crate::model::{ConvShape, PoolShape};

/// Computes the pooled output of a batch and, if `argmax` is given, the positions of the maxima: x `[B, C, H, W]` →
/// y, argmax `[B, F, H″, W″]`. An argmax is row · W' + column within the convolution's output plane.
///
/// # Panics
/// If a slice does not have the length of its shape, if the pool's input is not the convolution's output, or if the
/// windows overlap.
pub fn conv_pool_forward<T: Real>(
    conv: &ConvShape,
    pool: &PoolShape,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
    argmax: Option<&mut [u32]>,
) {
    let batch = x.len() / conv.in_len();
    assert_eq!(x.len(), batch * conv.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * pool.out_len(), "y is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), conv.weight_len(), "the weight is not [filters, channels, size, size]");
    assert_eq!(bias.len(), conv.filters, "the bias is not [filters]");
    assert_eq!(
        (pool.channels, pool.height, pool.width),
        (conv.filters, conv.out_height(), conv.out_width()),
        "the pool's input is not the convolution's output"
    );
    assert!(pool.window <= pool.stride, "the windows overlap");

    let packed = Packed::new(conv, weight, bias);
    let chunk = chunk_len(batch);
    let mut argmax: Vec<Option<&mut [u32]>> = match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), y.len(), "argmax is not [batch, filters, out_height, out_width]");
            argmax.chunks_mut(chunk * pool.out_len()).map(Some).collect()
        }
        None => (0..batch.div_ceil(chunk)).map(|_| None).collect(),
    };
    let images = x.par_chunks(chunk * conv.in_len()).zip(y.par_chunks_mut(chunk * pool.out_len()));
    for_each_chunk(images.zip(&mut argmax), |((x, y), argmax)| {
        let layout = PaddedLayout::new(conv);
        let mut padded = layout.zeros();
        let mut vectors = Vectors::new(conv, pool);
        let mut argmax = argmax.as_mut().map(|argmax| argmax.chunks_exact_mut(pool.out_len()));
        for (x, y) in x.chunks_exact(conv.in_len()).zip(y.chunks_exact_mut(pool.out_len())) {
            layout.copy_image(x, &mut padded);
            match argmax.as_mut().and_then(Iterator::next) {
                Some(argmax) => {
                    image::<T, true>(conv, pool, &layout, &padded, &packed, &mut vectors);
                    transpose(&vectors.argmax, pool, argmax);
                }
                None => image::<T, false>(conv, pool, &layout, &padded, &packed, &mut vectors),
            }
            transpose(&vectors.maxima, pool, y);
        }
    });
}

/// One image's values as vectors over filters.
struct Vectors<T> {
    /// The convolution's rows that a window covers: `[window, VECTORS, W']`.
    rows: Vec<[T; LANES]>,
    /// Maxima: `[⌈F/LANES⌉, H″, W″]`.
    maxima: Vec<[T; LANES]>,
    /// Positions of the maxima: `[⌈F/LANES⌉, H″, W″]`.
    argmax: Vec<[u32; LANES]>,
}

impl<T: Real> Vectors<T> {
    fn new(conv: &ConvShape, pool: &PoolShape) -> Self {
        let out_len = conv.filters.div_ceil(LANES) * pool.out_height() * pool.out_width();
        Self {
            rows: vec![[T::zero(); LANES]; pool.window * VECTORS * conv.out_width()],
            maxima: vec![[T::zero(); LANES]; out_len],
            argmax: vec![[0; LANES]; out_len],
        }
    }
}

/// One image: padded x → maxima and, if `ARGMAX`, their positions.
#[multiversion(targets("x86_64+avx2+fma"))]
fn image<T: Real, const ARGMAX: bool>(
    conv: &ConvShape,
    pool: &PoolShape,
    layout: &PaddedLayout,
    x: &[T],
    packed: &Packed<T>,
    vectors: &mut Vectors<T>,
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let Vectors { rows, maxima, argmax } = vectors;
    let (width, out_width) = (conv.out_width(), pool.out_width());
    let out_plane = pool.out_height() * out_width;
    let of_filters = maxima.chunks_mut(VECTORS * out_plane).zip(argmax.chunks_mut(VECTORS * out_plane));
    for (filters, (maxima, argmax)) in packed.filters(conv).zip(of_filters) {
        for out_row in 0..pool.out_height() {
            let first = out_row * pool.stride;
            for (i, conv_row) in rows.chunks_exact_mut(VECTORS * width).enumerate() {
                row(fused, conv, layout, x, filters, first + i, relu, conv_row);
            }
            let of_vectors = maxima.chunks_exact_mut(out_plane).zip(argmax.chunks_exact_mut(out_plane));
            for (vector, (maxima, argmax)) in of_vectors.enumerate() {
                let (rows, out) = (&rows[vector * width..], out_row * out_width..(out_row + 1) * out_width);
                let (maxima, argmax) = (&mut maxima[out.clone()], &mut argmax[out]);
                // With LeNet-5's window and stride as constants the compiler unrolls the loop over the window.
                match (pool.window, pool.stride) {
                    (2, 2) => windows::<T, ARGMAX>(2, 2, width, rows, first, maxima, argmax),
                    (window, stride) => {
                        windows::<T, ARGMAX>(window, stride, width, rows, first, maxima, argmax);
                    }
                }
            }
        }
    }
}

/// Maxima of a row of windows → maxima and argmax `[W″]`. `rows` are the convolution's rows from row `first` on,
/// VECTORS · `width` vectors apart.
#[inline(always)]
fn windows<T: Real, const ARGMAX: bool>(
    window: usize,
    stride: usize,
    width: usize,
    rows: &[[T; LANES]],
    first: usize,
    maxima: &mut [[T; LANES]],
    argmax: &mut [[u32; LANES]],
) {
    for (q, (maximum, argmax)) in maxima.iter_mut().zip(argmax).enumerate() {
        let column = q * stride;
        let (mut best, mut best_position) = (rows[column], [(first * width + column) as u32; LANES]);
        for i in 0..window {
            for (j, values) in rows[i * VECTORS * width + column..][..window].iter().enumerate() {
                let position = ((first + i) * width + column + j) as u32;
                for lane in 0..LANES {
                    let better = replaces(values[lane], best[lane]);
                    best[lane] = if better { values[lane] } else { best[lane] };
                    if ARGMAX {
                        best_position[lane] = if better { position } else { best_position[lane] };
                    }
                }
            }
        }
        *maximum = best;
        if ARGMAX {
            *argmax = best_position;
        }
    }
}

/// Vectors over filters `[⌈F/LANES⌉, H″, W″]` → feature maps `[F, H″, W″]`.
fn transpose<V: Copy>(vectors: &[[V; LANES]], pool: &PoolShape, planes: &mut [V]) {
    let plane = pool.out_height() * pool.out_width();
    for (f, values) in planes.chunks_exact_mut(plane).enumerate() {
        for (to, vector) in values.iter_mut().zip(&vectors[f / LANES * plane..]) {
            *to = vector[f % LANES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{conv_forward, max_pool};
    use super::*;
    use crate::model::{Activation, LeNet5};

    /// Values in (−0.5, 0.5).
    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i + seed) * 7919 % 1013) as f32 / 1013.0 - 0.5).collect()
    }

    #[test]
    fn equals_the_convolution_and_the_pool_in_sequence_bit_for_bit() {
        let [grey, colour] = [1, 3].map(|channels| LeNet5::new(channels, 10));
        // More than two vectors of filters, a gap between windows, strides, padding, an incomplete last block.
        let conv =
            ConvShape { channels: 2, height: 9, width: 11, filters: 19, size: 3, stride: 2, padding: 2 };
        let pool = PoolShape { channels: 19, height: 6, width: 7, window: 2, stride: 3 };
        for (conv, pool) in [
            (grey.conv1(), grey.pool1()),
            (colour.conv1(), colour.pool1()),
            (grey.conv2(), grey.pool2()),
            (conv, pool),
        ] {
            let batch = 2;
            let (x, weight) = (values(batch * conv.in_len(), 1), values(conv.weight_len(), 2));
            let bias = values(conv.filters, 3);
            let mut conv_y = vec![0.0; batch * conv.out_len()];
            conv_forward(&conv, Activation::Relu, &x, &weight, &bias, &mut conv_y);
            let run = |operation: &dyn Fn(&mut [f32], &mut [u32])| {
                let (mut y, mut argmax) =
                    (vec![f32::NAN; batch * pool.out_len()], vec![0; batch * pool.out_len()]);
                operation(&mut y, &mut argmax);
                (y.iter().map(|y| y.to_bits()).collect::<Vec<_>>(), argmax)
            };
            let forward = |y: &mut [f32], argmax: Option<&mut [u32]>| {
                conv_pool_forward(&conv, &pool, &x, &weight, &bias, y, argmax);
            };
            let expected = run(&|y, argmax| max_pool(&pool, &conv_y, y, argmax));
            assert_eq!(run(&|y, argmax| forward(y, Some(argmax))), expected);
            assert_eq!(run(&|y, _| forward(y, None)).0, expected.0, "without argmax");
        }
    }

    #[test]
    fn nan_is_the_maximum() {
        let net = LeNet5::new(1, 10);
        let mut x = values(net.conv1().in_len(), 1);
        x[16 * 32 + 16] = f32::NAN;
        let (mut y, mut argmax) = (vec![0.0; net.pool1().out_len()], vec![0; net.pool1().out_len()]);
        let (weight, bias) = (values(net.conv1().weight_len(), 2), values(6, 3));
        for argmax in [Some(&mut argmax[..]), None] {
            conv_pool_forward(&net.conv1(), &net.pool1(), &x, &weight, &bias, &mut y, argmax);
            // The NaN at (16, 16) is in the filter windows that start at rows and columns 12 to 16, and these are in
            // 3×3 windows of the pool.
            assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 6 * 3 * 3);
        }
    }
}
