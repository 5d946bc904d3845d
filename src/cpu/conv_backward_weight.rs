//! Gradient of a convolution's weights: the paper's first proof.
//!
//! dL/dF is the convolution of X with dL/dY, summed over the images of the batch (the paper's listing keeps only the
//! last image's term):
//! `dw[f, c, u, v] = Σ_b Σ_r Σ_q dy[b, f, r, q] · x[b, c, r·s + u − p, q·s + v − p]` and
//! `db[f] = Σ_b Σ_r Σ_q dy[b, f, r, q]`.
//!
//! The fast loop adds, for each non-zero dy (see `sparse_gradient.rs`), the window of x that it came from, scaled. A
//! block of sums is [`ROWS`] rows u of the filter, each of one or more vectors of [`LANES`] columns v. It is summed
//! over a whole feature map of an image before it is added to the chunk's sums. The sums of the chunks are added in
//! order at the end.
//!
//! Shapes per image: x `[C, H, W]`, dy `[F, H', W']` → dw `[F, C, f, f]`, db `[F]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::array_view::{ArrayView, indices};
use super::blocks::{LANES, add, add_scaled, chunk_len, for_each_chunk, head};
use super::channel_sums::sum;
use super::padded::PaddedLayout;
use super::sparse_gradient::SparseGradient;
use crate::model::ConvShape;

/// Rows of a filter in a block of sums: two channels of LeNet-5's filters, which with their operands fit the 16
/// vector registers of x86.
const ROWS: usize = 10;

/// Computes dL/dF and dL/db, summed over the batch: x `[B, C, H, W]`, dy `[B, F, H', W']` → dweight `[F, C, f, f]`,
/// dbias `[F]`, which are overwritten. `dy` is the gradient before the activation, that is, already multiplied by the
/// activation's derivative.
///
/// # Panics
/// If a slice does not have the length of its shape or the batch is empty.
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

    let chunk = chunk_len(batch);
    let mut sums = vec![Sums::new(shape); batch.div_ceil(chunk)];
    let images = x.par_chunks(chunk * shape.in_len()).zip(dy.par_chunks(chunk * shape.out_len()));
    for_each_chunk(images.zip(&mut sums), |((x, dy), sums)| {
        let layout = PaddedLayout::new(shape);
        let starts = vector_starts(shape, &layout);
        let mut padded = layout.zeros();
        let mut gradient = SparseGradient::new(shape, &layout, shape.out_height() * shape.out_width());
        for (x, dy) in x.chunks_exact(shape.in_len()).zip(dy.chunks_exact(shape.out_len())) {
            layout.copy_image(x, &mut padded);
            gradient.set(dy);
            add_image(&starts, &padded, &gradient, sums);
        }
    });

    total(shape, &mut sums, dweight, dbias);
}

/// The naive definition of [`conv_backward_weight()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(shape: &ConvShape, x: &[T], dy: &[T], dweight: &mut [T], dbias: &mut [T]) {
    let &ConvShape { channels, height, width, filters, size, stride, padding } = shape;
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    let batch = x.len() / shape.in_len();
    let x = ArrayView::new(x, [batch, channels, height, width]);
    let dy = ArrayView::new(dy, [batch, filters, out_height, out_width]);
    let mut dw = ArrayView::new(dweight, [filters, channels, size, size]);
    for [f, c, u, v] in indices([filters, channels, size, size]) {
        let mut sum = T::zero();
        for [b, r, q] in indices([batch, out_height, out_width]) {
            sum += dy[[b, f, r, q]] * x.padded([b, c, r * stride + u, q * stride + v], padding);
        }
        dw[[f, c, u, v]] = sum;
    }
    for (f, dbias) in dbias.iter_mut().enumerate() {
        *dbias = indices([batch, out_height, out_width]).map(|[b, r, q]| dy[[b, f, r, q]]).sum();
    }
}

/// Adds the sums of all chunks in order and writes the totals in the layout of the filters.
///
/// # Panics
/// If there is no chunk.
pub(super) fn total<T: Real>(shape: &ConvShape, chunks: &mut [Sums<T>], dweight: &mut [T], dbias: &mut [T]) {
    let (total, others) = chunks.split_first_mut().expect("the batch is not empty");
    for chunk in others {
        add(total.weight.as_flattened_mut(), chunk.weight.as_flattened());
        add(&mut total.bias, &chunk.bias);
    }
    let rows = total.weight.chunks_exact(row_vectors(shape));
    for (dweight, sums) in dweight.chunks_exact_mut(shape.size).zip(rows) {
        dweight.copy_from_slice(&sums.as_flattened()[..shape.size]);
    }
    dbias.copy_from_slice(&total.bias);
}

/// The sums of one chunk of the batch.
#[derive(Clone)]
pub(super) struct Sums<T> {
    /// `[F, C, f, ⌈f/LANES⌉]`: rows of the filters as vectors; lanes beyond a row are meaningless.
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

/// First indices, in padded x, of the vectors of the first window: `[C, f, ⌈f/LANES⌉]`.
pub(super) fn vector_starts(shape: &ConvShape, layout: &PaddedLayout) -> Vec<usize> {
    let rows = (0..shape.channels).flat_map(|c| (0..shape.size).map(move |u| c * layout.height() + u));
    rows.flat_map(|row| (0..row_vectors(shape)).map(move |vector| row * layout.width() + vector * LANES))
        .collect()
}

/// Number of vectors per filter row.
fn row_vectors(shape: &ConvShape) -> usize {
    shape.size.div_ceil(LANES)
}

/// Adds one image's gradients to its chunk's sums. `starts` comes from [`vector_starts`].
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn add_image<T: Real>(
    starts: &[usize],
    x: &[T],
    gradient: &SparseGradient<T>,
    sums: &mut Sums<T>,
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let (blocks, rest) = starts.as_chunks::<ROWS>();
    let (halves, rest) = rest.as_chunks::<{ ROWS / 2 }>();
    for (f, (mut weight, bias)) in sums.weight.chunks_exact_mut(starts.len()).zip(&mut sums.bias).enumerate()
    {
        let terms = gradient.of_filter(f);
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

/// Adds to the first N of `sums` and returns the others. The vectors of the first window start at `starts` in
/// padded x.
#[inline(always)]
fn rows<'a, T: Real, const N: usize>(
    fused: bool,
    starts: &[usize; N],
    x: &[T],
    (windows, gradients): (&[usize], &[T]),
    sums: &'a mut [[T; LANES]],
) -> &'a mut [[T; LANES]] {
    // Vectors are read from a slice that spans the window: one bounds check per window, not one per vector.
    let (x, span) = (&x[starts[0]..], starts[N - 1] - starts[0] + LANES);
    let mut offsets = [0; N];
    for (offset, start) in offsets.iter_mut().zip(starts) {
        *offset = start - starts[0];
        assert!(*offset <= span && span - *offset >= LANES, "vectors are in order");
    }
    let mut image = [[T::zero(); LANES]; N];
    for (&start, &dy) in windows.iter().zip(gradients) {
        let window = &x[start..][..span];
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
