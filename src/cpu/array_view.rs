//! Flat slices addressed by several indices, for the naive definitions of the operations.

use std::ops::{Deref, DerefMut, Index, IndexMut};

use super::Real;

/// A row-major array: `x[[b, c, i, j]]` is element (b, c, i, j) of a flat slice.
pub(super) struct ArrayView<S, const N: usize> {
    values: S,
    dims: [usize; N],
}

impl<T, S: Deref<Target = [T]>, const N: usize> ArrayView<S, N> {
    /// # Panics
    /// If `values` does not have as many elements as an array of `dims`.
    pub(super) fn new(values: S, dims: [usize; N]) -> Self {
        assert_eq!(values.len(), dims.iter().product::<usize>(), "the slice is not an array of {dims:?}");
        Self { values, dims }
    }

    #[inline(always)]
    fn offset(&self, index: [usize; N]) -> usize {
        let mut offset = 0;
        for axis in 0..N {
            assert!(index[axis] < self.dims[axis], "index {index:?} is outside of {:?}", self.dims);
            offset = offset * self.dims[axis] + index[axis];
        }
        offset
    }
}

impl<T: Real, S: Deref<Target = [T]>> ArrayView<S, 4> {
    /// Element (b, c, i − padding, j − padding), or 0 outside of the plane.
    #[inline(always)]
    pub(super) fn padded(&self, [b, c, i, j]: [usize; 4], padding: usize) -> T {
        let [_, _, height, width] = self.dims;
        match (i.checked_sub(padding), j.checked_sub(padding)) {
            (Some(i), Some(j)) if i < height && j < width => self[[b, c, i, j]],
            _ => T::zero(),
        }
    }
}

impl<T, S: Deref<Target = [T]>, const N: usize> Index<[usize; N]> for ArrayView<S, N> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: [usize; N]) -> &T {
        &self.values[self.offset(index)]
    }
}

impl<T, S: DerefMut<Target = [T]>, const N: usize> IndexMut<[usize; N]> for ArrayView<S, N> {
    #[inline(always)]
    fn index_mut(&mut self, index: [usize; N]) -> &mut T {
        let offset = self.offset(index);
        &mut self.values[offset]
    }
}

/// All indices of an array of `dims` in row-major order: nested loops in one.
pub(super) fn indices<const N: usize>(dims: [usize; N]) -> impl Iterator<Item = [usize; N]> {
    let mut next = (!dims.contains(&0)).then_some([0; N]);
    std::iter::from_fn(move || {
        let index = next?;
        let mut following = index;
        next = (0..N).rev().find_map(|axis| {
            following[axis] += 1;
            if following[axis] < dims[axis] {
                return Some(following);
            }
            following[axis] = 0;
            None
        });
        Some(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_in_row_major_order() {
        let all: Vec<_> = indices([2, 1, 3]).collect();
        assert_eq!(all, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1], [1, 0, 2]]);
        assert_eq!(indices([2, 0]).count(), 0);
    }

    #[test]
    fn arrays_are_row_major_and_zero_in_the_padding() {
        let values: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        let array = ArrayView::new(&values[..], [1, 2, 2, 3]);
        assert_eq!(array[[0, 1, 0, 2]], 9.0);
        assert_eq!(array.padded([0, 1, 1, 3], 1), 9.0);
        assert_eq!((array.padded([0, 1, 0, 3], 1), array.padded([0, 1, 3, 1], 1)), (0.0, 0.0));
    }
}
