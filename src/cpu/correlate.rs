//! A filter sliding over a map that is already padded: the one loop under the convolution and under
//! the gradient of its input.
//!
//! `y[o, r, q] = act(b[o] + Σ_i Σ_u Σ_v w[o, i, u, v] · x[i, r·s + u, q·s + v])`, the paper's formula for
//! the forward convolution, for any number of maps i and o and any stride s.
//!
//! A block of sums is [`LANES`] outputs o wide, for which weights are packed as vectors, and
//! [`COLUMNS`] neighbouring columns q high: every weight loaded is used COLUMNS times and every value of
//! x LANES times, and strides cost nothing, since values of x are taken one by one.
//!
//! Sums are stored as the vectors they are, and laid out as maps in a pass of its own. Stored across
//! vectors at once, they would lead the compiler to vectorise across columns too, for less than half
//! the speed.

use std::ops::Range;

use multiversion::multiversion;

use super::Real;
use super::activation::activate;
use super::blocks::{COLUMNS, LANES, add_scaled, starts};
use super::stage::Stage;
use crate::model::Activation;

/// What slides over what.
#[derive(Debug, Clone)]
pub(super) struct Correlation {
    inputs: usize,
    /// The staged map's sides, and its rows that are not all zeros.
    height: usize,
    width: usize,
    filled: Range<usize>,
    outputs: usize,
    out_height: usize,
    out_width: usize,
    size: usize,
    stride: usize,
}

impl Correlation {
    /// `outputs` filters with sides of `size`, sliding over a stage.
    pub(super) fn over(stage: &Stage, outputs: usize, size: usize, stride: usize) -> Self {
        let (height, width) = (stage.staged_height(), stage.staged_width());
        Self {
            inputs: stage.planes(),
            height,
            width,
            filled: stage.filled_rows(),
            outputs,
            out_height: (height - size) / stride + 1,
            out_width: (width - size) / stride + 1,
            size,
            stride,
        }
    }

    /// Values of all weights, packed.
    pub(super) fn packed_len(&self) -> usize {
        self.outputs.div_ceil(LANES) * self.block_len() * LANES
    }

    /// Vectors of one block of weights: one for each input map and place in the filter.
    fn block_len(&self) -> usize {
        self.inputs * self.size * self.size
    }

    /// Values of one block's outputs, as vectors.
    pub(super) fn vectors_len(&self) -> usize {
        self.out_height * self.out_width * LANES
    }

    /// Packs weights as vectors over [`LANES`] outputs, block after block; 0 beyond the last output.
    /// `weight(o, i, k)` is the weight of output o for input i at the filter's k-th place.
    pub(super) fn pack<T: Real>(&self, packed: &mut [T], weight: impl Fn(usize, usize, usize) -> T) {
        let area = self.size * self.size;
        let (vectors, _) = packed.as_chunks_mut::<LANES>();
        for (index, vector) in vectors.iter_mut().enumerate() {
            let (block, rest) = (index / self.block_len(), index % self.block_len());
            for (lane, value) in vector.iter_mut().enumerate() {
                let output = block * LANES + lane;
                *value =
                    if output < self.outputs { weight(output, rest / area, rest % area) } else { T::zero() };
            }
        }
    }
}

/// One image: x `[inputs, height, width]` and packed weights → y `[outputs, out_height, out_width]`.
/// No bias is a bias of 0. `vectors` has room for one block's outputs.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn correlate<T: Real>(
    it: &Correlation,
    activation: Activation,
    x: &[T],
    packed: &[T],
    bias: &[T],
    vectors: &mut [T],
    y: &mut [T],
) {
    let positions = it.out_height * it.out_width;
    let (packed, _) = packed.as_chunks::<LANES>();
    let (vectors, _) = vectors.as_chunks_mut::<LANES>();
    let blocks = packed.chunks_exact(it.block_len()).zip(y.chunks_mut(LANES * positions));
    for (block, (weight, y)) in blocks.enumerate() {
        let mut initial = [T::zero(); LANES];
        for (initial, &bias) in initial.iter_mut().zip(bias.iter().skip(block * LANES)) {
            *initial = bias;
        }
        for (row, vectors) in vectors.chunks_exact_mut(it.out_width).enumerate() {
            let first = row * it.stride;
            let x = &x[first * it.width..];
            // Rows of zeros add nothing and are passed over.
            let rows =
                it.filled.start.saturating_sub(first)..it.filled.end.saturating_sub(first).min(it.size);
            // A stride known to be 1 saves the multiplications by it, in the loop that counts.
            match (it.out_width >= COLUMNS, it.stride) {
                (true, 1) => output_row::<T, COLUMNS>(it, 1, rows, x, weight, &initial, vectors),
                (true, stride) => output_row::<T, COLUMNS>(it, stride, rows, x, weight, &initial, vectors),
                (false, stride) => output_row::<T, 1>(it, stride, rows, x, weight, &initial, vectors),
            }
        }
        for (lane, y) in y.chunks_exact_mut(positions).enumerate() {
            for (y, vector) in y.iter_mut().zip(vectors.iter()) {
                *y = vector[lane];
            }
            activate(activation, y);
        }
    }
}

/// One row of a block's outputs; x begins where its first window does, `rows` are those of the filter.
#[inline(always)]
fn output_row<T: Real, const COLUMNS: usize>(
    it: &Correlation,
    stride: usize,
    rows: Range<usize>,
    x: &[T],
    weight: &[[T; LANES]],
    initial: &[T; LANES],
    vectors: &mut [[T; LANES]],
) {
    for column in starts(it.out_width, COLUMNS) {
        let mut sums = [*initial; COLUMNS];
        for input in 0..it.inputs {
            for u in rows.clone() {
                let x = &x[(input * it.height + u) * it.width + column * stride..];
                let weight = &weight[(input * it.size + u) * it.size..][..it.size];
                for (v, weight) in weight.iter().enumerate() {
                    let x = &x[v..][..(COLUMNS - 1) * stride + 1];
                    for (q, sum) in sums.iter_mut().enumerate() {
                        add_scaled(sum, x[q * stride], weight);
                    }
                }
            }
        }
        vectors[column..][..COLUMNS].copy_from_slice(&sums);
    }
}
