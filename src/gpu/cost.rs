//! What a kernel costs: its arithmetic and its memory traffic, counted from its shapes. No device is needed.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

use serde::{Deserialize, Serialize};

/// Bytes of an f32.
const VALUE: u64 = size_of::<f32>() as u64;

/// A lower bound of the work: floating-point operations, with a multiply-add as two, and bytes as if
/// each tensor were read once and written once. Values that a kernel loads repeatedly come from caches and do not
/// count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub flops: u64,
    pub bytes: u64,
}

impl Cost {
    /// `flops` operations on `values` f32 values.
    pub(super) fn new(flops: usize, values: usize) -> Self {
        Self { flops: flops as u64, bytes: values as u64 * VALUE }
    }

    /// The same with `bytes` more bytes.
    pub(super) fn plus_bytes(self, bytes: u64) -> Self {
        Self { bytes: self.bytes + bytes, ..self }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for Cost {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { flops: self.flops * times, bytes: self.bytes * times }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// A kernel's cost as a function of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchCost {
    pub per_image: Cost,
    /// For each chunk of a batch that has images; there are at most `chunks`.
    pub per_chunk: Cost,
    pub chunks: usize,
    /// For a batch of any size.
    pub per_batch: Cost,
}

impl BatchCost {
    pub(super) fn per_image(per_image: Cost) -> Self {
        Self { per_image, ..Self::default() }
    }

    pub(super) fn and_per_batch(self, per_batch: Cost) -> Self {
        Self { per_batch, ..self }
    }

    pub(super) fn and_per_chunk(self, chunks: usize, per_chunk: Cost) -> Self {
        Self { per_chunk, chunks, ..self }
    }

    /// The cost for a batch of `images`.
    pub fn of(&self, images: usize) -> Cost {
        let chunks = self.chunks.min(images);
        self.per_image * images as u64 + self.per_chunk * chunks as u64 + self.per_batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_without_images_cost_nothing() {
        let each = Cost { flops: 10, bytes: 1 };
        let cost = BatchCost::default().and_per_chunk(4, each);
        assert_eq!([0, 3, 4, 100].map(|images| cost.of(images).flops), [0, 30, 40, 40]);
    }
}
