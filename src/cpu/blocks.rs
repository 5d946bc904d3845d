//! How work is cut: batches into parts, and sums into blocks that stay in registers.
//!
//! Two rules make every result the same, bit for bit, whatever the number of threads and whatever
//! the machine's vectors. A batch is cut by its own size alone, never by the number of threads. And
//! each sum adds its terms one after the other in an order that the source fixes: a block holds
//! *several* sums at a time, a vector of neighbours, and never splits one of them by what a machine
//! can do. What a machine can do shows in one thing alone: a product is added without being rounded
//! before where there is an instruction for it (`fused`), and is rounded by itself where there is none.

use rayon::iter::IndexedParallelIterator;
use rayon::iter::plumbing::{Producer, ProducerCallback};

use super::Real;

/// Neighbouring sums kept as one vector: 8 `f32` fill a vector of AVX2, and two of SSE2 or NEON.
pub(super) const LANES: usize = 8;

/// PerSplit that a batch is cut into at most: tasks for the threads, and the terms of the last sum of a
/// convolution's weight gradient.
pub(super) const PARTS: usize = 16;

/// Images of one part of a batch.
pub(super) fn part_len(batch: usize) -> usize {
    batch.div_ceil(PARTS).max(1)
}

/// Works on each part. A part alone is not worth waking a thread for: this one does it.
pub(super) fn for_each_part<I: IndexedParallelIterator>(parts: I, work: impl Fn(I::Item) + Send + Sync) {
    match parts.len() {
        1 => parts.with_producer(Here(work)),
        _ => parts.for_each(work),
    }
}

/// Works on all that is produced, one after the other.
struct Here<W>(W);

impl<W: Fn(T), T> ProducerCallback<T> for Here<W> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, producer: P) {
        producer.into_iter().for_each(self.0);
    }
}

/// Where blocks of `block` values begin that cover `len` values. The last one begins early enough to
/// end with them, so it may compute a few values again, to the same result.
///
/// # Panics
/// Where there are fewer values than a block has.
#[inline(always)]
pub(super) fn starts(len: usize, block: usize) -> impl Iterator<Item = usize> {
    let last = len.checked_sub(block).expect("a block is at most as long as what it covers");
    (0..len).step_by(block).map(move |start| start.min(last))
}

/// sum += values, place by place.
#[inline(always)]
pub(super) fn add<T: Real>(sum: &mut [T], values: &[T]) {
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

/// sum + a · b, rounded once where it is `fused` and twice where it is not. To be inlined into a function
/// for machines that have the instruction, or `fused` is slow.
#[inline(always)]
pub(super) fn multiply_add<T: Real>(fused: bool, sum: T, a: T, b: T) -> T {
    if fused { a.mul_add(b, sum) } else { sum + a * b }
}

/// sum += value · vector, lane by lane.
#[inline(always)]
pub(super) fn add_scaled<T: Real, const N: usize>(fused: bool, sum: &mut [T; N], value: T, vector: &[T; N]) {
    for lane in 0..N {
        sum[lane] = multiply_add(fused, sum[lane], value, vector[lane]);
    }
}

/// Adds the upper half to the lower one until one value is left.
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
/// Where there are fewer.
#[inline(always)]
pub(super) fn head<T, const N: usize>(slice: &[T]) -> &[T; N] {
    slice.first_chunk().expect("a block lies within its row")
}
