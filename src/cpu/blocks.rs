//! How work is divided: a batch into chunks for threads, and sums into blocks that stay in registers.
//!
//! Two rules make every result reproducible bit for bit, for any number of threads and any vector width:
//!
//! 1. A batch is divided according to its size alone, never according to the number of threads.
//! 2. Every sum adds its terms in an order that the source fixes. A block computes *several* neighbouring sums
//!    at a time; no sum is ever split according to what a machine can do.
//!
//! The instruction set matters in one way only: where a fused multiply-add exists (`fused`), a product is not
//! rounded before it is added.

use rayon::iter::IndexedParallelIterator;
use rayon::iter::plumbing::{Producer, ProducerCallback};

use super::Real;

/// Neighbouring sums in one vector: 8 `f32` fill one AVX2 register, or two of SSE2 or NEON.
pub(super) const LANES: usize = 8;

/// The largest number of chunks of a batch: tasks for the threads, and terms of the last sum of a convolution's
/// weight gradient.
pub(super) const MAX_CHUNKS: usize = 16;

/// Images per chunk of a batch.
pub(super) fn chunk_len(batch: usize) -> usize {
    batch.div_ceil(MAX_CHUNKS).max(1)
}

/// Calls `work` on each chunk in parallel. A single chunk is processed on this thread: it is not worth waking
/// another one.
pub(super) fn for_each_chunk<I: IndexedParallelIterator>(chunks: I, work: impl Fn(I::Item) + Send + Sync) {
    match chunks.len() {
        1 => chunks.with_producer(Sequential(work)),
        _ => chunks.for_each(work),
    }
}

/// Consumes a parallel producer on the current thread.
struct Sequential<W>(W);

impl<W: Fn(T), T> ProducerCallback<T> for Sequential<W> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, producer: P) {
        producer.into_iter().for_each(self.0);
    }
}

/// First indices of blocks of `block` values that cover `len` values. The last block ends with the values, so it
/// may overlap the one before and compute a few values twice, with the same result.
///
/// # Panics
/// If `len` is less than `block`.
#[inline(always)]
pub(super) fn starts(len: usize, block: usize) -> impl Iterator<Item = usize> {
    let last = len.checked_sub(block).expect("a block is at most as long as what it covers");
    (0..len).step_by(block).map(move |start| start.min(last))
}

/// `sum[i] += values[i]` for all i.
#[inline(always)]
pub(super) fn add<T: Real>(sum: &mut [T], values: &[T]) {
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

/// `sum + a · b`, rounded once if `fused` and twice otherwise. Inline it into a function compiled for machines
/// with that instruction: elsewhere a fused multiply-add is a slow library call.
#[inline(always)]
#[allow(clippy::disallowed_methods)] // an instruction in the functions that this is inlined into
pub(super) fn multiply_add<T: Real>(fused: bool, sum: T, a: T, b: T) -> T {
    if fused { a.mul_add(b, sum) } else { sum + a * b }
}

/// `sum[lane] += value · vector[lane]` for all lanes.
#[inline(always)]
pub(super) fn add_scaled<T: Real, const N: usize>(fused: bool, sum: &mut [T; N], value: T, vector: &[T; N]) {
    for lane in 0..N {
        sum[lane] = multiply_add(fused, sum[lane], value, vector[lane]);
    }
}

/// The sum of all lanes: adds the upper half to the lower one until one value is left.
#[inline(always)]
pub(super) fn sum_in_pairs<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The first `N` values of a slice as an array.
///
/// # Panics
/// If the slice is shorter.
#[inline(always)]
pub(super) fn head<T, const N: usize>(slice: &[T]) -> &[T; N] {
    slice.first_chunk().expect("a block is within its row")
}
