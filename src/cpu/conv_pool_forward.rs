//! The convolution with its ReLU and its max-pool, forward: of each window only the maximum is ever stored.
//!
//! `y[f, R, Q] = max over i, j < w of relu(conv[f, R·s + i, Q·s + j])` for the convolution of `conv_forward.rs`,
//! with the place of the maximum as in `max_pool.rs`; bit for bit what the two make one after the other. Places are
//! for the way back: who only goes forward does without, and saves the work.
//!
//! The rows of a window are made as vectors of filters, of which maxima are taken as they are; only maxima
//! are laid out as maps, of an image at a time.
//!
//! Shapes, an image: x `[C, H, W]`, w `[F, C, f, f]`, b `[F]` → y and argmax `[F, H″, W″]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::relu;
use super::blocks::{LANES, for_each_part, part_len};
use super::conv_forward::{Packed, VECTORS, row};
use super::max_pool::wins;
use super::stage::Stage;
use crate::model::{ConvShape, PoolShape};

/// Maxima of a batch and, where that is asked for, where they were: x `[B, C, H, W]` → y, argmax `[B, F, H″, W″]`.
/// An argmax is row · W' + column within the convolution's plane.
///
/// # Panics
/// Where a slice's length is not its shape's, where the pool is not one of the convolution's maps, or where
/// its windows overlap.
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
        "what is pooled is not the convolution's maps"
    );
    assert!(pool.window <= pool.stride, "windows overlap");

    let packed = Packed::new(conv, weight, bias);
    let part = part_len(batch);
    let mut argmax: Vec<Option<&mut [u32]>> = match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), y.len(), "argmax is not [batch, filters, out_height, out_width]");
            argmax.chunks_mut(part * pool.out_len()).map(Some).collect()
        }
        None => (0..batch.div_ceil(part)).map(|_| None).collect(),
    };
    let images = x.par_chunks(part * conv.in_len()).zip(y.par_chunks_mut(part * pool.out_len()));
    for_each_part(images.zip(&mut argmax), |((x, y), argmax)| {
        let stage = Stage::new(conv);
        let mut staged = stage.empty();
        let mut vectors = Vectors::new(conv, pool);
        let mut argmax = argmax.as_mut().map(|argmax| argmax.chunks_exact_mut(pool.out_len()));
        for (x, y) in x.chunks_exact(conv.in_len()).zip(y.chunks_exact_mut(pool.out_len())) {
            stage.place(x, &mut staged);
            match argmax.as_mut().and_then(Iterator::next) {
                Some(argmax) => {
                    image::<T, true>(conv, pool, &stage, &staged, &packed, &mut vectors);
                    lay_out(&vectors.places, pool, argmax);
                }
                None => image::<T, false>(conv, pool, &stage, &staged, &packed, &mut vectors),
            }
            lay_out(&vectors.maxima, pool, y);
        }
    });
}

/// One image's values as vectors of filters.
struct Vectors<T> {
    /// The convolution's rows that a window covers: `[window, VECTORS, W']`.
    rows: Vec<[T; LANES]>,
    /// Maxima, and their places: `[⌈F/LANES⌉, H″, W″]`.
    maxima: Vec<[T; LANES]>,
    places: Vec<[u32; LANES]>,
}

impl<T: Real> Vectors<T> {
    fn new(conv: &ConvShape, pool: &PoolShape) -> Self {
        let out_len = conv.filters.div_ceil(LANES) * pool.out_height() * pool.out_width();
        Self {
            rows: vec![[T::zero(); LANES]; pool.window * VECTORS * conv.out_width()],
            maxima: vec![[T::zero(); LANES]; out_len],
            places: vec![[0; LANES]; out_len],
        }
    }
}

/// One image: staged x → maxima, and their places where those are kept.
#[multiversion(targets("x86_64+avx2+fma"))]
fn image<T: Real, const PLACES: bool>(
    conv: &ConvShape,
    pool: &PoolShape,
    stage: &Stage,
    x: &[T],
    packed: &Packed<T>,
    vectors: &mut Vectors<T>,
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let Vectors { rows, maxima, places } = vectors;
    let (width, out_width) = (conv.out_width(), pool.out_width());
    let out_plane = pool.out_height() * out_width;
    let of_filters = maxima.chunks_mut(VECTORS * out_plane).zip(places.chunks_mut(VECTORS * out_plane));
    for (filters, (maxima, places)) in packed.filters(conv).zip(of_filters) {
        for out_row in 0..pool.out_height() {
            let first = out_row * pool.stride;
            for (i, row_of_maps) in rows.chunks_exact_mut(VECTORS * width).enumerate() {
                row(fused, conv, stage, x, filters, first + i, relu, row_of_maps);
            }
            let of_vectors = maxima.chunks_exact_mut(out_plane).zip(places.chunks_exact_mut(out_plane));
            for (vector, (maxima, places)) in of_vectors.enumerate() {
                let (rows, out) = (&rows[vector * width..], out_row * out_width..(out_row + 1) * out_width);
                let (maxima, places) = (&mut maxima[out.clone()], &mut places[out]);
                // LeNet-5's window, known when compiling, leaves no loop over it.
                match (pool.window, pool.stride) {
                    (2, 2) => windows::<T, PLACES>(2, 2, width, rows, first, maxima, places),
                    (window, stride) => {
                        windows::<T, PLACES>(window, stride, width, rows, first, maxima, places);
                    }
                }
            }
        }
    }
}

/// Maxima of a row of windows, `rows` of which begin VECTORS · `width` vectors apart, the first of them the
/// map's row `first`: → maxima and places `[W″]`.
#[inline(always)]
fn windows<T: Real, const PLACES: bool>(
    window: usize,
    stride: usize,
    width: usize,
    rows: &[[T; LANES]],
    first: usize,
    maxima: &mut [[T; LANES]],
    places: &mut [[u32; LANES]],
) {
    for (q, (maximum, place)) in maxima.iter_mut().zip(places).enumerate() {
        let column = q * stride;
        let (mut best, mut best_place) = (rows[column], [(first * width + column) as u32; LANES]);
        for i in 0..window {
            for (j, values) in rows[i * VECTORS * width + column..][..window].iter().enumerate() {
                let here = ((first + i) * width + column + j) as u32;
                for lane in 0..LANES {
                    let better = wins(values[lane], best[lane]);
                    best[lane] = if better { values[lane] } else { best[lane] };
                    if PLACES {
                        best_place[lane] = if better { here } else { best_place[lane] };
                    }
                }
            }
        }
        *maximum = best;
        if PLACES {
            *place = best_place;
        }
    }
}

/// Vectors `[⌈F/LANES⌉, H″, W″]` → maps `[F, H″, W″]`.
fn lay_out<V: Copy>(vectors: &[[V; LANES]], pool: &PoolShape, maps: &mut [V]) {
    let plane = pool.out_height() * pool.out_width();
    for (f, map) in maps.chunks_exact_mut(plane).enumerate() {
        for (to, vector) in map.iter_mut().zip(&vectors[f / LANES * plane..]) {
            *to = vector[f % LANES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{conv_forward, max_pool};
    use super::*;
    use crate::model::{Activation, LeNet5};

    /// Numbers of both signs.
    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i + seed) * 7919 % 1013) as f32 / 1013.0 - 0.5).collect()
    }

    #[test]
    fn it_is_bit_for_bit_the_convolution_and_then_the_pool() {
        let [grey, colour] = [1, 3].map(|channels| LeNet5::new(channels, 10));
        // More filters than two vectors, a window of three, strides, padding, and columns for no whole block.
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
            let mut maps = vec![0.0; batch * conv.out_len()];
            conv_forward(&conv, Activation::Relu, &x, &weight, &bias, &mut maps);
            let run = |operation: &dyn Fn(&mut [f32], &mut [u32])| {
                let (mut y, mut argmax) =
                    (vec![f32::NAN; batch * pool.out_len()], vec![0; batch * pool.out_len()]);
                operation(&mut y, &mut argmax);
                (y.iter().map(|y| y.to_bits()).collect::<Vec<_>>(), argmax)
            };
            let forward = |y: &mut [f32], argmax: Option<&mut [u32]>| {
                conv_pool_forward(&conv, &pool, &x, &weight, &bias, y, argmax);
            };
            let expected = run(&|y, argmax| max_pool(&pool, &maps, y, argmax));
            assert_eq!(run(&|y, argmax| forward(y, Some(argmax))), expected);
            assert_eq!(run(&|y, _| forward(y, None)).0, expected.0, "without places");
        }
    }

    #[test]
    fn a_nan_is_the_maximum() {
        let net = LeNet5::new(1, 10);
        let mut x = values(net.conv1().in_len(), 1);
        x[16 * 32 + 16] = f32::NAN;
        let (mut y, mut argmax) = (vec![0.0; net.pool1().out_len()], vec![0; net.pool1().out_len()]);
        let (weight, bias) = (values(net.conv1().weight_len(), 2), values(6, 3));
        for argmax in [Some(&mut argmax[..]), None] {
            conv_pool_forward(&net.conv1(), &net.pool1(), &x, &weight, &bias, &mut y, argmax);
            // Windows of 5 around the NaN begin at rows and columns 12 to 16, which are in three of the pool's.
            assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 6 * 3 * 3);
        }
    }
}
