//! The gradient of a convolution's weights: the paper's first proof, as code.
//!
//! dL/dF is X convolved with dL/dY, summed over the images of the batch (the paper's listing keeps the
//! last one's):
//! `dw[f, c, u, v] = Σ_b Σ_r Σ_q dy[b, f, r, q] · x[b, c, r·s + u − p, q·s + v − p]` and
//! `db[f] = Σ_b Σ_r Σ_q dy[b, f, r, q]`.
//!
//! Each dy adds the window of x that it came from, scaled; those that are 0 are left out (see `terms.rs`). A block of sums is [`ROWS`] rows u of the filter, each of
//! which is a vector of [`LANES`] places v or several; it runs over an image's whole map before it is
//! added to the part's sums. PerSplit are added in their order at the end.
//!
//! Shapes, an image: x `[C, H, W]`, dy `[F, H', W']` → dw `[F, C, f, f]`, db `[F]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::blocks::{LANES, add, add_scaled, for_each_part, head, part_len};
use super::channel_sums::sum;
use super::stage::Stage;
use super::terms::Terms;
use crate::model::ConvShape;

/// Rows of a filter in a block of sums: two of LeNet-5's channels, which with their operands fit the 16
/// registers of x86.
const ROWS: usize = 10;

/// dL/dF and dL/db, summed over the batch: x `[B, C, H, W]`, dy `[B, F, H', W']`. What `dweight` and
/// `dbias` held is overwritten. `dy` is the gradient before the activation, that is, already masked.
///
/// # Panics
/// Where a slice's length is not its shape's, or the batch is empty.
pub fn conv_backward_weight<T: Real>(
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(dweight.len(), shape.weight_len(), "dweight is not [filters, channels, size, size]");
    assert_eq!(dbias.len(), shape.filters, "dbias is not [filters]");

    let part = part_len(batch);
    let mut sums = vec![Sums::new(shape); batch.div_ceil(part)];
    let images = x.par_chunks(part * shape.in_len()).zip(dy.par_chunks(part * shape.out_len()));
    for_each_part(images.zip(&mut sums), |((x, dy), sums)| {
        let stage = Stage::new(shape);
        let starts = vector_starts(shape, &stage);
        let mut staged = stage.empty();
        let mut terms = Terms::new(shape, &stage, shape.out_height() * shape.out_width());
        for (x, dy) in x.chunks_exact(shape.in_len()).zip(dy.chunks_exact(shape.out_len())) {
            stage.place(x, &mut staged);
            terms.pick(dy);
            add_image(&starts, &staged, &terms, sums);
        }
    });

    total(shape, &mut sums, dweight, dbias);
}

/// Adds up the sums of all parts, and writes them to where the filters have them.
///
/// # Panics
/// Where there is no part.
pub(super) fn total<T: Real>(shape: &ConvShape, parts: &mut [Sums<T>], dweight: &mut [T], dbias: &mut [T]) {
    let (total, others) = parts.split_first_mut().expect("the batch is not empty");
    for part in others {
        add(total.weight.as_flattened_mut(), part.weight.as_flattened());
        add(&mut total.bias, &part.bias);
    }
    let rows = total.weight.chunks_exact(row_vectors(shape));
    for (dweight, sums) in dweight.chunks_exact_mut(shape.size).zip(rows) {
        dweight.copy_from_slice(&sums.as_flattened()[..shape.size]);
    }
    dbias.copy_from_slice(&total.bias);
}

/// A part's sums.
#[derive(Clone)]
pub(super) struct Sums<T> {
    /// `[F, C, f, ⌈f/LANES⌉]`: rows of the filters as vectors, whose lanes beyond a row mean nothing.
    weight: Vec<[T; LANES]>,
    /// `[F]`
    bias: Vec<T>,
}

impl<T: Real> Sums<T> {
    pub(super) fn new(shape: &ConvShape) -> Self {
        let vectors = shape.filters * shape.channels * shape.size * row_vectors(shape);
        Self { weight: vec![[T::zero(); LANES]; vectors], bias: vec![T::zero(); shape.filters] }
    }
}

/// Where in staged x the vectors of the first window begin: `[C, f, ⌈f/LANES⌉]`.
pub(super) fn vector_starts(shape: &ConvShape, stage: &Stage) -> Vec<usize> {
    let rows = (0..shape.channels).flat_map(|c| (0..shape.size).map(move |u| c * stage.height() + u));
    rows.flat_map(|row| (0..row_vectors(shape)).map(move |vector| row * stage.width() + vector * LANES))
        .collect()
}

/// Vectors of one row of a filter.
fn row_vectors(shape: &ConvShape) -> usize {
    shape.size.div_ceil(LANES)
}

/// Adds one image's gradients to its part's sums, given where a window's vectors begin.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn add_image<T: Real>(starts: &[usize], x: &[T], terms: &Terms<T>, sums: &mut Sums<T>) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let (blocks, rest) = starts.as_chunks::<ROWS>();
    let (halves, rest) = rest.as_chunks::<{ ROWS / 2 }>();
    for (f, (mut weight, bias)) in sums.weight.chunks_exact_mut(starts.len()).zip(&mut sums.bias).enumerate()
    {
        let terms = terms.of_filter(f);
        *bias += sum([terms.1], |[dy]| dy);
        for starts in blocks {
            weight = rows(fused, starts, x, terms, weight);
        }
        for starts in halves {
            weight = rows(fused, starts, x, terms, weight);
        }
        for start in rest {
            weight = rows(fused, std::array::from_ref(start), x, terms, weight);
        }
    }
}

/// Adds to the first N of `sums`, whose vectors of staged x begin at `starts` for the first window, and gives
/// those that are left.
#[inline(always)]
fn rows<'a, T: Real, const N: usize>(
    fused: bool,
    starts: &[usize; N],
    x: &[T],
    (places, gradients): (&[usize], &[T]),
    sums: &'a mut [[T; LANES]],
) -> &'a mut [[T; LANES]] {
    // A window's vectors are looked for within what it spans: one look a window, not one a vector.
    let (x, span) = (&x[starts[0]..], starts[N - 1] - starts[0] + LANES);
    let mut offsets = [0; N];
    for (offset, start) in offsets.iter_mut().zip(starts) {
        *offset = start - starts[0];
        assert!(*offset <= span && span - *offset >= LANES, "vectors are in order");
    }
    let mut image = [[T::zero(); LANES]; N];
    for (&place, &dy) in places.iter().zip(gradients) {
        let window = &x[place..][..span];
        for n in 0..N {
            add_scaled(fused, &mut image[n], dy, head(&window[offsets[n]..]));
        }
    }
    let (sums, rest) = sums.split_at_mut(N);
    for (sum, image) in sums.iter_mut().zip(&image) {
        add(sum, image);
    }
    rest
}
