//! The gradients of an image's maps that are not 0. Behind ReLU and a max-pool of 2×2 three of four are 0 or
//! more, and what is 0 adds nothing to any sum.

use super::Real;
use super::stage::Stage;
use crate::model::ConvShape;

/// One image's dL/dY `[F, H', W']` without its zeros: lists, one for each filter in the order of positions.
pub(super) struct Terms<T> {
    /// Where in the staged input each position's window begins.
    windows: Vec<usize>,
    most: usize,
    /// `[F, most]`, of which each filter uses a front.
    places: Vec<usize>,
    values: Vec<T>,
    /// `[F]`
    counts: Vec<usize>,
}

impl<T: Real> Terms<T> {
    /// Room for an image's gradients, of which each filter has so many at `most`.
    pub(super) fn new(shape: &ConvShape, stage: &Stage, most: usize) -> Self {
        let rows = 0..shape.out_height();
        let window = |r, q| (r * stage.width() + q) * shape.stride;
        Self {
            windows: rows.flat_map(|r| (0..shape.out_width()).map(move |q| window(r, q))).collect(),
            most,
            places: vec![0; shape.filters * most],
            values: vec![T::zero(); shape.filters * most],
            counts: vec![0; shape.filters],
        }
    }

    /// Takes the gradient of whole maps, dy `[F, H', W']`.
    pub(super) fn pick(&mut self, dy: &[T]) {
        let positions = self.windows.len();
        let lists = self.places.chunks_exact_mut(self.most).zip(self.values.chunks_exact_mut(self.most));
        for ((dy, count), (places, values)) in dy.chunks_exact(positions).zip(&mut self.counts).zip(lists) {
            *count = pick(places, values, self.windows.iter().copied().zip(dy.iter().copied()));
        }
    }

    /// Takes the gradient of what was pooled from maps after ReLU: y, argmax and dy `[F, P]`.
    pub(super) fn pick_pooled(&mut self, y: &[T], argmax: &[u32], dy: &[T]) {
        let pooled = y.len() / self.counts.len();
        let lists = self.places.chunks_exact_mut(self.most).zip(self.values.chunks_exact_mut(self.most));
        let maps = y.chunks_exact(pooled).zip(argmax.chunks_exact(pooled).zip(dy.chunks_exact(pooled)));
        for (((y, (argmax, dy)), count), (places, values)) in maps.zip(&mut self.counts).zip(lists) {
            // ReLU lets a gradient pass where its output is not exactly 0.
            let masked = y.iter().zip(dy).map(|(&y, &dy)| if y == T::zero() { T::zero() } else { dy });
            let windows = argmax.iter().map(|&place| self.windows[place as usize]);
            *count = pick(places, values, windows.zip(masked));
        }
    }

    /// Where the windows begin, and the gradients, of one filter.
    #[inline(always)]
    pub(super) fn of_filter(&self, f: usize) -> (&[usize], &[T]) {
        let list = f * self.most..f * self.most + self.counts[f];
        (&self.places[list.clone()], &self.values[list])
    }
}

/// Lists what is not 0, and tells how many there are.
#[inline(always)]
fn pick<T: Real>(
    places: &mut [usize],
    values: &mut [T],
    gradients: impl Iterator<Item = (usize, T)>,
) -> usize {
    let mut count = 0;
    for (place, value) in gradients {
        // Without a branch: what is 0 is written over by what comes next.
        places[count] = place;
        values[count] = value;
        count += usize::from(value != T::zero());
    }
    count
}
